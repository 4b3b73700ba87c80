package idtoken

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

// A KeySource has the keys that sign ID tokens. It is called once for every
// token of good form, from many goroutines, and should answer from memory.
type KeySource interface {
	// Key returns the key with this ID, which comes from a stranger's token and
	// is not empty. If the source knows that there is none, the error wraps
	// [ErrSignature]. Any other error means that the keys cannot be had for now,
	// and makes [Verifier.Verify] fail with [ErrKeysUnavailable].
	//
	// A call may block, for as long as ctx allows. The key is not modified by
	// its users. Keys of fewer than 2048 bits verify nothing.
	Key(ctx context.Context, kid string) (*rsa.PublicKey, error)
}

var (
	_ KeySource = (*StaticKeySet)(nil)
	_ KeySource = (*RemoteKeySet)(nil)
)

var errNoSuchKey error = &refusal{ErrSignature, errors.New("no key has the kid of the token")}

// findKey asks a source of anybody's making.
func findKey(ctx context.Context, keys KeySource, kid string) (*rsa.PublicKey, error) {
	key, err := keys.Key(ctx, kid)
	switch {
	case err == nil && key != nil:
		return key, nil
	case err == nil:
		return nil, errNoSuchKey
	case errors.Is(err, ErrSignature), errors.Is(err, ErrKeysUnavailable):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
}

// sameKey reports whether a source still has the key that verified a token.
func sameKey(now, then *rsa.PublicKey) bool {
	return now == then || now.N != nil && now.N.Cmp(then.N) == 0 && now.E == then.E
}

// A StaticKeySet is a fixed set of keys, for tests and for issuers whose keys do
// not rotate. Google's do; use [RemoteKeys] for them. Make one with [StaticKeys].
type StaticKeySet struct {
	keys map[string]*rsa.PublicKey
}

// StaticKeys returns the keys of a JWK set (RFC 7517) that are for RS256, have a
// kid and are of at least 2048 bits. Other entries are ignored; a set without
// one such key is an error.
func StaticKeys(jwks []byte) (*StaticKeySet, error) {
	keys, err := jose.ParseKeys(jwks)
	if err != nil {
		return nil, fmt.Errorf("idtoken: static keys: %w", err)
	}
	return &StaticKeySet{keys}, nil
}

// Key returns the key with this ID.
func (s *StaticKeySet) Key(_ context.Context, kid string) (*rsa.PublicKey, error) {
	if key, ok := s.keys[kid]; ok {
		return key, nil
	}
	return nil, errNoSuchKey
}
