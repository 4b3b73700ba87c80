// Package datakey seals under data keys, which something else wraps: a key in
// memory, or a key service.
package datakey

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
)

// Size is the size of a data key in bytes.
const Size = 32

// A sealed form is a header, which names the data key, and the output of
// [cipher.NewGCMWithRandomNonce]: nonce, ciphertext, tag. The header is the
// format, the length of the wrapped data key in two bytes, and the wrapped key.
const headerStart = 3

// The limits of a data key. Nonces are random, for which NIST SP 800-38D section
// 8.3 allows 2^32 records under a key. A counter would allow more, and would
// repeat nonces in a process that is restored from a snapshot.
const (
	maxRecords = 1 << 31
	maxAge     = 24 * time.Hour
)

// maxOpened is how many data keys are kept for opening, of about 1 KB each.
const maxOpened = 4096

// timeout bounds one call of Create or Unwrap.
const timeout = 10 * time.Second

// Keys makes, wraps, unwraps and keeps data keys, and seals with AES-256-GCM
// under them. It is safe for concurrent use.
type Keys struct {
	// Format is the first byte of what is sealed.
	Format byte
	// Create makes a data key, and Unwrap returns it again. Neither keeps or
	// changes its arguments or results.
	Create func(context.Context) (secret, wrapped []byte, err error)
	Unwrap func(ctx context.Context, wrapped []byte) (secret []byte, err error)
	// Primary begins the wrapped keys that are not out of date. If nil, only the
	// one that seals now is not.
	Primary []byte
	// ErrSealed is wrapped by the error of Open for what will never open.
	ErrSealed error

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

// Seal encrypts plaintext and binds it to associated.
func (k *Keys) Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	key := k.current.Load()
	for !key.take() {
		var err error
		if key, err = k.creating.Do(ctx, "", timeout, k.replace(key)); err != nil {
			return nil, err
		}
	}
	sealed := make([]byte, len(key.header), len(key.header)+len(plaintext)+key.aead.Overhead())
	copy(sealed, key.header)
	return key.aead.Seal(sealed, nil, plaintext, associated), nil
}

// replace returns a function that makes the next data key, unless old has been
// replaced meanwhile.
func (k *Keys) replace(old *dataKey) func(context.Context) (*dataKey, error) {
	return func(ctx context.Context) (*dataKey, error) {
		if now := k.current.Load(); now != old {
			return now, nil
		}
		created := time.Now()
		secret, wrapped, err := k.Create(ctx)
		if err != nil {
			return nil, err
		}
		if len(wrapped) == 0 || len(wrapped) > 1<<16-1 {
			return nil, fmt.Errorf("a wrapped data key has %d bytes, not 1 to 65535", len(wrapped))
		}
		aead, err := k.keep(wrapped, secret)
		if err != nil {
			return nil, err
		}
		header := binary.BigEndian.AppendUint16([]byte{k.Format}, uint16(len(wrapped)))
		key := &dataKey{aead: aead, header: append(header, wrapped...), created: created}
		k.current.Store(key)
		return key, nil
	}
}

// Open reverses Seal.
func (k *Keys) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	wrapped, content, err := k.split(sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", k.ErrSealed, err)
	}
	aead, err := k.unwrapped(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, content, associated)
	if err != nil {
		return nil, fmt.Errorf("%w: not authentic", k.ErrSealed)
	}
	return plaintext, nil
}

// UpToDate reports whether sealed is under a data key that need not be replaced:
// see Primary.
func (k *Keys) UpToDate(sealed []byte) bool {
	if k.Primary == nil {
		key := k.current.Load()
		return key != nil && bytes.HasPrefix(sealed, key.header)
	}
	wrapped, _, err := k.split(sealed)
	return err == nil && bytes.HasPrefix(wrapped, k.Primary)
}

// split returns the wrapped data key and the rest of a sealed form.
func (k *Keys) split(sealed []byte) (wrapped, content []byte, err error) {
	if len(sealed) < headerStart || sealed[0] != k.Format {
		return nil, nil, errors.New("another kind of Sealer has sealed it")
	}
	size := headerStart + int(binary.BigEndian.Uint16(sealed[1:]))
	if size > len(sealed) {
		return nil, nil, errors.New("cut off")
	}
	return sealed[headerStart:size], sealed[size:], nil
}

// unwrapped returns the cipher under a data key.
func (k *Keys) unwrapped(ctx context.Context, wrapped []byte) (cipher.AEAD, error) {
	if aead := k.kept(wrapped); aead != nil {
		return aead, nil
	}
	wrapped = bytes.Clone(wrapped) // the call may outlive the caller
	return k.unwrapping.Do(ctx, string(wrapped), timeout, func(ctx context.Context) (cipher.AEAD, error) {
		if aead := k.kept(wrapped); aead != nil { // another call has ended meanwhile
			return aead, nil
		}
		secret, err := k.Unwrap(ctx, bytes.Clone(wrapped))
		if err != nil {
			return nil, err
		}
		return k.keep(wrapped, secret)
	})
}

// kept returns the cipher under a data key, if that is kept.
func (k *Keys) kept(wrapped []byte) cipher.AEAD {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.opened[string(wrapped)]
}

// keep remembers AES-256-GCM under secret, in place of any other data key if there
// are too many. A secret of a wrong length is a mistake in Unwrap: it says nothing
// about a record.
func (k *Keys) keep(wrapped, secret []byte) (cipher.AEAD, error) {
	if len(secret) != Size {
		return nil, fmt.Errorf("an unwrapped data key has %d bytes, not %d", len(secret), Size)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
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
	return aead, nil
}
