package tokenstore

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
	"github.com/seed3a054f9c/googlesignin/internal/redact"
)

// An Envelope is a [Sealer] whose data keys are wrapped by a key service, such as
// Cloud KMS, AWS KMS, Vault or a Tink AEAD. It makes a random data key, has it
// wrapped once, and seals with AES-256-GCM under it, for a day or 2^31 records at
// most; then it makes the next one. The wrapped key is part of what is sealed.
//
// The unwrapped keys of the last 4096 data keys are kept in memory. So the key
// service is called once a day by each process that seals, and once by each
// process for each data key of another process: never for each record. Callers
// who need the same key share one call, which goes on for 10 seconds at most when
// they leave.
//
// It is safe for concurrent use and shows no key when printed.
type Envelope struct {
	redacted

	keys *dataKeys
}

// NewEnvelope returns an Envelope. wrap encrypts a data key of 32 bytes with a key
// that only the key service has, and unwrap reverses it. Both must be safe for
// concurrent use, and must return when their context ends. They may bind the data
// key to a text of their own, such as an encryption context.
//
// If unwrap can tell that the service will never unwrap these bytes, because
// they are not its own or because the key was destroyed, its error should wrap
// [ErrSealed]. Every other error is taken to be temporary: what it concerned is
// left as it is, and a Manager answers 503.
//
// To stop using a key, or a version of one, at the service: let the service wrap
// with the next one, wait until every process has started since or a day has
// passed, run [Sealed.Reseal] in a new process, and destroy the old one only
// when no backup needs it.
func NewEnvelope(wrap, unwrap func(ctx context.Context, key []byte) ([]byte, error)) (*Envelope, error) {
	if wrap == nil || unwrap == nil {
		return nil, errors.New("tokenstore: NewEnvelope needs wrap and unwrap")
	}
	create := func(ctx context.Context) (secret, wrapped []byte, err error) {
		secret = make([]byte, dataKeySize)
		rand.Read(secret)
		wrapped, err = wrap(ctx, bytes.Clone(secret))
		if err != nil {
			return nil, nil, redact.Failure(ctx, "wrapping a data key", err, secret)
		}
		return secret, bytes.Clone(wrapped), nil
	}
	open := func(ctx context.Context, wrapped []byte) ([]byte, error) {
		secret, err := unwrap(ctx, wrapped)
		if err != nil {
			return nil, redact.Failure(ctx, "unwrapping a data key", err)
		}
		return secret, nil
	}
	return &Envelope{
		redacted: "tokenstore.Envelope{[redacted]}",
		keys:     &dataKeys{format: envelopeFormat, create: create, unwrap: open},
	}, nil
}

// Seal implements [Sealer].
func (e *Envelope) Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	return e.keys.seal(ctx, plaintext, associated)
}

// Open implements [Sealer].
func (e *Envelope) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	return e.keys.open(ctx, sealed, associated)
}

// UnderPrimary reports whether sealed is under the data key that this process
// seals with now. [Sealed.Reseal] leaves such a record alone.
func (e *Envelope) UnderPrimary(sealed []byte) bool {
	if e.check() != nil {
		return false
	}
	key := e.keys.current.Load()
	return key != nil && bytes.HasPrefix(sealed, key.header)
}

func (e *Envelope) check() error {
	if e == nil || e.keys == nil {
		return errors.New("the Envelope has no keys: NewEnvelope makes one that has")
	}
	return nil
}

// A sealed form is a header, which names the data key, and the output of
// [cipher.NewGCMWithRandomNonce]: nonce, ciphertext, tag. The header is the
// format, the length of the wrapped data key in two bytes, and the wrapped key.
const (
	keyringFormat  = 1
	envelopeFormat = 2
	headerStart    = 3
	dataKeySize    = 32
)

// The limits of a data key. Nonces are random, for which NIST SP 800-38D section
// 8.3 allows 2^32 records under a key. A counter would allow more, and would
// repeat nonces in a process that is restored from a snapshot.
const (
	maxRecords = 1 << 31
	maxAge     = 24 * time.Hour
)

// maxOpened is how many data keys are kept for opening, of about 1 KB each.
const maxOpened = 4096

// keyTimeout bounds one call of a key service.
const keyTimeout = 10 * time.Second

// dataKeys makes, wraps, unwraps and keeps the data keys of a [Keyring] or an
// [Envelope].
type dataKeys struct {
	format byte
	create func(context.Context) (secret, wrapped []byte, err error)
	unwrap func(ctx context.Context, wrapped []byte) (secret []byte, err error)

	current atomic.Pointer[dataKey] // seals; nil before the first record

	mu     sync.RWMutex
	opened map[string]cipher.AEAD // by wrapped key

	creating   flight.Group[*dataKey]
	unwrapping flight.Group[cipher.AEAD] // by wrapped key
}

// A dataKey seals the records of one process for a while.
type dataKey struct {
	aead    cipher.AEAD
	header  []byte
	created time.Time
	records atomic.Int64
}

// take reports whether one more record may be sealed under the key.
func (k *dataKey) take() bool {
	return k != nil && k.records.Add(1) <= maxRecords && time.Since(k.created) < maxAge
}

func (k *dataKeys) seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	key := k.current.Load()
	for !key.take() {
		var err error
		if key, err = k.creating.Do(ctx, "", keyTimeout, k.replace(key)); err != nil {
			return nil, err
		}
	}
	sealed := make([]byte, len(key.header), len(key.header)+len(plaintext)+key.aead.Overhead())
	copy(sealed, key.header)
	return key.aead.Seal(sealed, nil, plaintext, associated), nil
}

// replace returns a function that makes the next data key, unless old has been
// replaced meanwhile.
func (k *dataKeys) replace(old *dataKey) func(context.Context) (*dataKey, error) {
	return func(ctx context.Context) (*dataKey, error) {
		if now := k.current.Load(); now != old {
			return now, nil
		}
		created := time.Now()
		secret, wrapped, err := k.create(ctx)
		if err != nil {
			return nil, err
		}
		if len(wrapped) == 0 || len(wrapped) > 1<<16-1 {
			return nil, fmt.Errorf("a wrapped data key has %d bytes, not 1 to 65535", len(wrapped))
		}
		aead, err := newAEAD(secret)
		if err != nil {
			return nil, err
		}
		header := binary.BigEndian.AppendUint16([]byte{k.format}, uint16(len(wrapped)))
		key := &dataKey{aead: aead, header: append(header, wrapped...), created: created}
		k.keep(wrapped, aead)
		k.current.Store(key)
		return key, nil
	}
}

func (k *dataKeys) open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	wrapped, content, err := k.split(sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	aead, err := k.unwrapped(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, content, associated)
	if err != nil {
		return nil, fmt.Errorf("%w: not authentic", ErrSealed)
	}
	return plaintext, nil
}

// split returns the wrapped data key and the rest of a sealed form.
func (k *dataKeys) split(sealed []byte) (wrapped, content []byte, err error) {
	if len(sealed) < headerStart || sealed[0] != k.format {
		return nil, nil, errors.New("another kind of Sealer has sealed it")
	}
	size := headerStart + int(binary.BigEndian.Uint16(sealed[1:]))
	if size > len(sealed) {
		return nil, nil, errors.New("cut off")
	}
	return sealed[headerStart:size], sealed[size:], nil
}

// unwrapped returns the cipher under a data key.
func (k *dataKeys) unwrapped(ctx context.Context, wrapped []byte) (cipher.AEAD, error) {
	if aead := k.kept(wrapped); aead != nil {
		return aead, nil
	}
	wrapped = bytes.Clone(wrapped) // the call may outlive the caller
	return k.unwrapping.Do(ctx, string(wrapped), keyTimeout, func(ctx context.Context) (cipher.AEAD, error) {
		if aead := k.kept(wrapped); aead != nil { // another call has ended meanwhile
			return aead, nil
		}
		secret, err := k.unwrap(ctx, bytes.Clone(wrapped))
		if err != nil {
			return nil, err
		}
		aead, err := newAEAD(secret)
		if err == nil {
			k.keep(wrapped, aead)
		}
		return aead, err
	})
}

// kept returns the cipher under a data key, if that is kept.
func (k *dataKeys) kept(wrapped []byte) cipher.AEAD {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.opened[string(wrapped)]
}

// keep remembers a data key, in place of any other if there are too many.
func (k *dataKeys) keep(wrapped []byte, aead cipher.AEAD) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened == nil {
		k.opened = make(map[string]cipher.AEAD)
	}
	for other := range k.opened {
		if len(k.opened) < maxOpened {
			break
		}
		delete(k.opened, other)
	}
	k.opened[string(wrapped)] = aead
}

// newAEAD returns AES-256-GCM under secret. A wrong length is a mistake in
// unwrap: it says nothing about the record.
func newAEAD(secret []byte) (cipher.AEAD, error) {
	if len(secret) != dataKeySize {
		return nil, fmt.Errorf("an unwrapped data key has %d bytes, not %d", len(secret), dataKeySize)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
