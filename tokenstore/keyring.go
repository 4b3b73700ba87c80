package tokenstore

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"
)

// The envelope: format, key ID, salt, nonce, ciphertext with tag.
const (
	envelopeFormat = 1
	keySize        = 32
	keyIDSize      = 8
	saltSize       = 24
	nonceSize      = 12
	tagSize        = 16
	saltAt         = 1 + keyIDSize
	nonceAt        = saltAt + saltSize
	textAt         = nonceAt + nonceSize
)

// A Keyring is a [Sealer] with keys in memory: AES-256-GCM under a key that is
// derived for each envelope from a random salt (HKDF-SHA-256, RFC 5869), so that
// no number of records wears a key out. It seals with one key and opens with
// several. It is safe for concurrent use and shows no key when printed.
type Keyring struct {
	redacted

	primary *ringKey
	byID    map[[keyIDSize]byte]*ringKey
}

type ringKey struct {
	id   [keyIDSize]byte
	macs *sync.Pool // of HMAC-SHA-256 under the key, which fmt has no way into
}

// NewKeyring makes a Keyring of keys of 32 random bytes each, which seals with
// primary and opens with all of them.
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
	k := &Keyring{redacted: "tokenstore.Keyring{[redacted]}", byID: make(map[[keyIDSize]byte]*ringKey, 1+len(old))}
	for i, secret := range append([][]byte{primary}, old...) {
		if len(secret) != keySize {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring has %d bytes, not 32", i+1, len(secret))
		}
		key, err := newRingKey(secret)
		if err != nil {
			return nil, fmt.Errorf("tokenstore: key %d of the keyring: %w", i+1, err)
		}
		if i == 0 {
			k.primary = key
		}
		k.byID[key.id] = key
	}
	return k, nil
}

func newRingKey(secret []byte) (*ringKey, error) {
	id, err := hkdf.Expand(sha256.New, secret, "tokenstore key id", keyIDSize)
	if err != nil {
		return nil, err
	}
	secret = bytes.Clone(secret)
	macs := &sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}
	return &ringKey{[keyIDSize]byte(id), macs}, nil
}

// aead returns the cipher of the envelope with that salt. The keys are uniformly
// random, so HKDF needs no Extract step (RFC 5869 section 3.3), and its Expand
// step is one HMAC for a key of one block; hkdf.Expand would set that HMAC up
// anew each time, at twice the cost.
func (k *ringKey) aead(salt []byte) (cipher.AEAD, error) {
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(envelopeInfo)
	mac.Write(salt)
	mac.Write([]byte{1})
	var secret [keySize]byte
	block, err := aes.NewCipher(mac.Sum(secret[:0]))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

var envelopeInfo = []byte("tokenstore envelope ")

var errNoKey = errors.New("tokenstore: the Keyring has no key: NewKeyring makes one that has")

// Seal implements [Sealer].
func (k *Keyring) Seal(_ context.Context, plaintext, associated []byte) ([]byte, error) {
	if k.primary == nil {
		return nil, errNoKey
	}
	envelope := make([]byte, textAt, textAt+len(plaintext)+tagSize)
	envelope[0] = envelopeFormat
	copy(envelope[1:], k.primary.id[:])
	rand.Read(envelope[saltAt:])
	aead, err := k.primary.aead(envelope[saltAt:nonceAt])
	if err != nil {
		return nil, &failure{"sealing", err}
	}
	return aead.Seal(envelope, envelope[nonceAt:], plaintext, associated), nil
}

var errNotOpened = errors.New("not authentic")

// Open implements [Sealer]. Its errors wrap [ErrSealed].
func (k *Keyring) Open(_ context.Context, sealed, associated []byte) ([]byte, error) {
	key, err := k.keyOf(sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	aead, err := key.aead(sealed[saltAt:nonceAt])
	if err == nil {
		sealed, err = aead.Open(nil, sealed[nonceAt:textAt], sealed[textAt:], associated)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, errNotOpened)
	}
	return sealed, nil
}

func (k *Keyring) keyOf(sealed []byte) (*ringKey, error) {
	if len(sealed) < textAt+tagSize || sealed[0] != envelopeFormat {
		return nil, errors.New("no envelope of a Keyring")
	}
	key := k.byID[[keyIDSize]byte(sealed[1:])]
	if key == nil {
		return nil, errors.New("its key is not on the keyring")
	}
	return key, nil
}

// UnderPrimary tells whether sealed is an envelope under the primary key.
// [Sealed.Reseal] leaves such a record alone.
func (k *Keyring) UnderPrimary(sealed []byte) bool {
	key, err := k.keyOf(sealed)
	return err == nil && key.id == k.primary.id
}
