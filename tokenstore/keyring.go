package tokenstore

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// A Keyring is a [Sealer] with keys in memory. Each process derives a data key
// from the primary key and a random salt (HKDF-SHA-256, RFC 5869), and seals with
// AES-256-GCM under it, for a day or 2^31 records at most; then it derives the
// next one. So no number of records or processes wears a key out. It opens with
// all of its keys.
//
// It is safe for concurrent use and shows no key when printed.
type Keyring struct {
	redacted

	keys    *dataKeys
	primary keyID
}

// A keyID names a key without giving it away.
type keyID [keyIDSize]byte

const (
	keyIDSize = 8
	saltSize  = 32
)

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
	var ids []keyID
	for i, secret := range append([][]byte{primary}, old...) {
		if len(secret) != 32 {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring has %d bytes, not 32", i+1, len(secret))
		}
		if bytes.Count(secret, []byte{0}) == len(secret) {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring is all zeros", i+1)
		}
		id, err := hkdf.Expand(sha256.New, secret, "tokenstore key id", keyIDSize)
		if err != nil {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring: %w", i+1, err)
		}
		ids = append(ids, keyID(id))
		secrets[keyID(id)] = bytes.Clone(secret)
	}
	derive := func(_ context.Context, wrapped []byte) ([]byte, error) {
		if len(wrapped) != keyIDSize+saltSize {
			return nil, fmt.Errorf("%w: it names no key of a Keyring", ErrSealed)
		}
		secret, ok := secrets[keyID(wrapped)]
		if !ok {
			return nil, fmt.Errorf("%w: its key is not on the keyring", ErrSealed)
		}
		return hkdf.Key(sha256.New, secret, wrapped[keyIDSize:], "tokenstore data key", dataKeySize)
	}
	create := func(ctx context.Context) (secret, wrapped []byte, err error) {
		wrapped = make([]byte, keyIDSize+saltSize)
		copy(wrapped, ids[0][:])
		rand.Read(wrapped[keyIDSize:])
		secret, err = derive(ctx, wrapped)
		return secret, wrapped, err
	}
	return &Keyring{
		redacted: "tokenstore.Keyring{[redacted]}",
		keys:     &dataKeys{format: keyringFormat, create: create, unwrap: derive},
		primary:  ids[0],
	}, nil
}

// Seal implements [Sealer].
func (k *Keyring) Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	return k.keys.seal(ctx, plaintext, associated)
}

// Open implements [Sealer].
func (k *Keyring) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	return k.keys.open(ctx, sealed, associated)
}

// UnderPrimary reports whether sealed is under the primary key. [Sealed.Reseal]
// leaves such a record alone.
func (k *Keyring) UnderPrimary(sealed []byte) bool {
	if k.check() != nil {
		return false
	}
	wrapped, _, err := k.keys.split(sealed)
	return err == nil && bytes.HasPrefix(wrapped, k.primary[:])
}

func (k *Keyring) check() error {
	if k == nil || k.keys == nil {
		return errors.New("the Keyring has no keys: NewKeyring makes one that has")
	}
	return nil
}
