package tokenstore

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/datakey"
)

// A Keyring is a [Sealer] with keys in memory. Each process derives a data key
// from the primary key and a random salt (HKDF-SHA-256, RFC 5869), and seals with
// AES-256-GCM under it, for a day or 2^31 records at most; then it derives the
// next one. So no number of records or processes wears a key out. It opens with
// all of its keys.
//
// It is safe for concurrent use and shows no key when printed.
type Keyring struct{ sealer }

// An Envelope is a [Sealer] like a Keyring whose data keys are random, and wrapped
// by a key service, such as Cloud KMS, AWS KMS, Vault or a Tink AEAD. The wrapped
// key is part of what is sealed. A process that seals calls the key service once a day.
// A process that opens records calls it once for each data key and keeps up to 4096
// unwrapped keys in memory; it calls more often if the records have more data keys.
// Callers who need the same key share one call, which continues for up to 10 seconds
// if they give up.
//
// It is safe for concurrent use and shows no key when printed.
type Envelope struct{ sealer }

// sealer is what a Keyring and an Envelope have in common.
type sealer struct {
	redacted
	keys *datakey.Keys
}

// Seal implements [Sealer].
func (s *sealer) Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	if s.keys == nil {
		return nil, errNoKeys
	}
	return s.keys.Seal(ctx, plaintext, associated)
}

// Open implements [Sealer].
func (s *sealer) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	if s.keys == nil {
		return nil, errNoKeys
	}
	return s.keys.Open(ctx, sealed, associated)
}

// UnderPrimary reports whether sealed is under a Keyring's primary key, or under
// the data key with which an Envelope seals now. [Sealed.Reseal] leaves such a
// record alone.
func (s *sealer) UnderPrimary(sealed []byte) bool { return s.keys != nil && s.keys.UpToDate(sealed) }

var errNoKeys = errors.New("the Keyring or Envelope has no keys: NewKeyring or NewEnvelope makes one")

func (k *Keyring) check() error {
	if k == nil || k.keys == nil {
		return errNoKeys
	}
	return nil
}

func (e *Envelope) check() error { return (*Keyring)(e).check() }

// The first byte of what is sealed.
const (
	keyringFormat  = 1
	envelopeFormat = 2
)

// A keyID names a key without giving it away. A data key of a Keyring is wrapped
// as the ID of its key and a salt.
type keyID [8]byte

const saltSize = 32

// NewKeyring returns a Keyring that seals with primary and opens with all of the
// keys: 32 random bytes each, from where you keep secrets.
//
// A key is changed in three deploys. Each has reached every process before the
// next begins: a process that does not have the new key cannot open what another
// seals with it, and its users get [ErrSealed].
//
//  1. NewKeyring(old, new): all can open the new key's records, none writes one.
//  2. NewKeyring(new, old). Once no process seals with the old key any more, run
//     [Sealed.Reseal], until it returns no error.
//  3. NewKeyring(new).
//
// A service that stops all its processes before it starts the new ones can leave
// out the first. Keep the old key as long as a backup that needs it.
func NewKeyring(primary []byte, old ...[]byte) (*Keyring, error) {
	secrets := make(map[keyID][]byte, 1+len(old))
	var first []byte
	for i, secret := range append([][]byte{primary}, old...) {
		if len(secret) != 32 {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring has %d bytes, not 32", i+1, len(secret))
		}
		if bytes.Count(secret, []byte{0}) == len(secret) {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring is all zeros", i+1)
		}
		id, err := hkdf.Expand(sha256.New, secret, "tokenstore key id", len(keyID{}))
		if err != nil {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring: %w", i+1, err)
		}
		if first == nil {
			first = id
		}
		secrets[keyID(id)] = bytes.Clone(secret)
	}
	derive := func(_ context.Context, wrapped []byte) ([]byte, error) {
		if len(wrapped) != len(keyID{})+saltSize {
			return nil, fmt.Errorf("%w: it names no key of a Keyring", ErrSealed)
		}
		id, salt := keyID(wrapped), wrapped[len(keyID{}):]
		secret, ok := secrets[id]
		if !ok {
			return nil, fmt.Errorf("%w: its key is not on the keyring", ErrSealed)
		}
		return hkdf.Key(sha256.New, secret, salt, "tokenstore data key", datakey.Size)
	}
	create := func(ctx context.Context) (secret, wrapped []byte, err error) {
		salt := make([]byte, saltSize)
		rand.Read(salt)
		wrapped = append(bytes.Clone(first), salt...)
		secret, err = derive(ctx, wrapped)
		return secret, wrapped, err
	}
	return &Keyring{sealer{
		redacted: "tokenstore.Keyring{[redacted]}",
		keys:     &datakey.Keys{Format: keyringFormat, Create: create, Unwrap: derive, Primary: first, ErrSealed: ErrSealed},
	}}, nil
}

// NewEnvelope returns an Envelope. wrap encrypts a data key of 32 bytes with a key
// that only the key service has, and unwrap reverses it. Both must be safe for
// concurrent use, and must return when their context ends. They may bind the data
// key to a text of their own, such as an encryption context.
//
// If unwrap can tell that the service will never unwrap these bytes, because
// they are not its own or because the key was destroyed, its error should wrap
// [ErrSealed]. Every other error is taken to be temporary: what it concerned is
// left as it is, and the HTTP status is 503.
//
// To stop using a key, or a version of one, at the service: let the service wrap
// with the next one, wait until every process has started since or a day has
// passed, run [Sealed.Reseal] in a new process, and destroy the old one only
// when no backup needs it. A process uses the data keys that it has unwrapped until it
// restarts, even if the service has disabled the key that wraps them.
func NewEnvelope(wrap, unwrap func(ctx context.Context, key []byte) ([]byte, error)) (*Envelope, error) {
	if wrap == nil || unwrap == nil {
		return nil, errors.New("tokenstore: NewEnvelope needs wrap and unwrap")
	}
	create := func(ctx context.Context) (secret, wrapped []byte, err error) {
		secret = make([]byte, datakey.Size)
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
	return &Envelope{sealer{
		redacted: "tokenstore.Envelope{[redacted]}",
		keys:     &datakey.Keys{Format: envelopeFormat, Create: create, Unwrap: open, ErrSealed: ErrSealed},
	}}, nil
}
