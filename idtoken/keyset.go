package idtoken

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

const (
	minTTL = 5 * time.Minute
	maxTTL = 24 * time.Hour
)

// keySet is a fetched set of keys; nil has none and never serves. It is
// immutable.
type keySet struct {
	byID      map[string]*rsa.PublicKey
	jwks      []byte
	refreshAt time.Time
	expires   time.Time
}

func newKeySet(jwks []byte, expires time.Time, ttl time.Duration) (*keySet, error) {
	byID, err := jose.ParseKeys(jwks)
	if err != nil {
		return nil, err
	}
	return &keySet{byID: byID, jwks: jwks, expires: expires, refreshAt: expires.Add(-ttl / 5)}, nil
}

// fresh reports whether the keys are as good as just fetched.
func (s *keySet) fresh(now time.Time) bool { return s != nil && now.Before(s.expires) }

// serve reports whether the keys may serve, be it for want of better ones.
func (s *keySet) serve(now time.Time) bool { return s != nil && now.Before(s.expires.Add(maxStale)) }

// A snapshot is a keySet between processes.
type snapshot struct {
	JWKS    json.RawMessage `json:"jwks"`
	TTL     time.Duration   `json:"ttl"` // in nanoseconds
	Expires time.Time       `json:"expires"`
}

func (s *keySet) snapshot() ([]byte, error) {
	return json.Marshal(snapshot{JWKS: s.jwks, TTL: 5 * s.expires.Sub(s.refreshAt), Expires: s.expires})
}

// parseSnapshot limits what another clock, or a hand, may have written.
func parseSnapshot(data []byte, now time.Time) (*keySet, error) {
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil || s.Expires.IsZero() {
		return nil, errors.New("not a snapshot of keys")
	}
	if latest := now.Add(maxTTL); s.Expires.After(latest) {
		s.Expires = latest
	}
	return newKeySet(s.JWKS, s.Expires, min(max(s.TTL, 0), maxTTL))
}

// timeToLive returns for how long a response may be kept (RFC 9111 section 4.2),
// within the limits that keep a mistake of the server from stopping sign-in, or
// from keeping a withdrawn key alive.
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

// deltaSeconds reads a number of seconds as RFC 9111 section 1.2.2 asks: one too
// large is as large as can be. What is none is 0.
func deltaSeconds(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		return 1<<31 - 1
	}
	return int64(n)
}
