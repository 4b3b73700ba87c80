package idtoken

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

// A KeySource returns the keys that sign ID tokens. It is called once for every
// token of good form, from many goroutines, and should answer from memory.
type KeySource interface {
	// Key returns the key with this ID, which comes from a stranger's token and
	// is not empty. If the source knows that there is none, the error wraps
	// [ErrSignature]. Any other error means that the keys cannot be had for now,
	// and makes [Verifier.Verify] fail with [ErrKeysUnavailable].
	//
	// A call may block, for as long as ctx allows. Callers do not modify the key.
	// Keys of fewer than 2048 bits verify nothing.
	Key(ctx context.Context, kid string) (*rsa.PublicKey, error)
}

var (
	_ KeySource = (*StaticKeySet)(nil)
	_ KeySource = (*RemoteKeySet)(nil)
)

var errNoSuchKey error = &refusal{ErrSignature, errors.New("no key has the kid of the token")}

// findKey returns the key with this ID, and maps the errors of any KeySource to
// ErrSignature and ErrKeysUnavailable.
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

const (
	minTTL = 5 * time.Minute
	maxTTL = 24 * time.Hour
)

// keySet is a fetched set of keys; nil has none and never serves. It is
// immutable.
type keySet struct {
	byID      map[string]*rsa.PublicKey
	refreshAt time.Time
	expires   time.Time
}

func newKeySet(jwks []byte, expires time.Time, ttl time.Duration) (*keySet, error) {
	byID, err := jose.ParseKeys(jwks)
	if err != nil {
		return nil, err
	}
	return &keySet{byID: byID, expires: expires, refreshAt: expires.Add(-ttl / 5)}, nil
}

// fresh reports whether the keys have not expired.
func (s *keySet) fresh(now time.Time) bool { return s != nil && !reached(s.expires, now) }

// serve reports whether the keys may be used while no newer ones can be fetched.
func (s *keySet) serve(now time.Time) bool { return s != nil && !reached(s.expires.Add(maxStale), now) }

// reached reports whether t has come, by the monotonic clock or by the wall clock. The
// first may stand still while the machine sleeps, and the second can be set back.
func reached(t, now time.Time) bool { return !now.Before(t) || !now.Round(0).Before(t.Round(0)) }

// timeToLive returns how long a response may be kept (RFC 9111 section 4.2). The
// limits keep a mistake of the server from stopping sign-in, and from keeping a
// withdrawn key alive.
func timeToLive(h http.Header) time.Duration {
	var maxAge int64
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if strings.EqualFold(name, "max-age") {
			maxAge = deltaSeconds(strings.Trim(value, `"`))
			break
		}
	}
	ttl := time.Duration(maxAge-deltaSeconds(h.Get("Age"))) * time.Second
	return min(max(ttl, minTTL), maxTTL)
}

// deltaSeconds reads a number of seconds (RFC 9111 section 1.2.2). A number that
// is too large is the largest one; anything else is 0.
func deltaSeconds(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		return 1<<31 - 1
	}
	return int64(n)
}
