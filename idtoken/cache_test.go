package idtoken_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

// switchable is a KeySource whose keys change, and a clock.
type switchable struct {
	keys atomic.Pointer[idtoken.StaticKeySet]
	time atomic.Pointer[time.Time]
}

func (s *switchable) Key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	return s.keys.Load().Key(ctx, kid)
}

func (s *switchable) now() time.Time { return *s.time.Load() }

func newCached(t testing.TB, size int) (*idtoken.Verifier, *switchable) {
	s := new(switchable)
	s.keys.Store(staticKeys(t, issuer()))
	s.time.Store(&now)
	return newVerifier(t, func(c *idtoken.Config) { c.CacheSize, c.Keys, c.Now = size, s, s.now }), s
}

func TestCacheExpiry(t *testing.T) {
	v, s := newCached(t, 10)
	token := good()
	for _, step := range []struct {
		after time.Duration
		want  error
	}{
		{0, nil}, {time.Hour, nil}, {time.Hour + 59*time.Second, nil},
		{time.Hour + time.Minute, idtoken.ErrExpired}, {0, nil}, {-2 * time.Minute, idtoken.ErrNotYetValid},
	} {
		at := now.Add(step.after)
		s.time.Store(&at)
		_, err := v.Verify(t.Context(), token)
		expectOnly(t, err, step.want)
	}
}

func TestCacheKeyWithdrawn(t *testing.T) {
	v, s := newCached(t, 10)
	token := good()
	verify := func(want error) {
		t.Helper()
		_, err := v.Verify(t.Context(), token)
		expectOnly(t, err, want)
	}
	verify(nil)
	s.keys.Store(staticKeys(t, issuer())) // the same, fetched again
	verify(nil)
	other := idtokentest.NewIssuer()
	s.keys.Store(staticKeys(t, other))
	verify(idtoken.ErrSignature)
	impostor, err := idtoken.StaticKeys([]byte(strings.ReplaceAll(string(other.JWKS()), other.KeyID(), issuer().KeyID())))
	if err != nil {
		t.Fatal(err)
	}
	s.keys.Store(impostor) // another key under the same kid
	verify(idtoken.ErrSignature)
	s.keys.Store(staticKeys(t, issuer()))
	verify(nil)
}

// TestCacheIsOfWholeTokens pins that a signature is not taken for another token.
func TestCacheIsOfWholeTokens(t *testing.T) {
	v, _ := newCached(t, 10)
	token := good()
	for range 2 {
		_, err := v.Verify(t.Context(), token)
		expectOnly(t, err, nil)
		for i := 0; i < len(token); i += 7 {
			if _, err := v.Verify(t.Context(), token[:i]+"A"+token[i:]); err == nil {
				t.Fatalf("accepted with a byte more at %d", i)
			}
		}
	}
}

// remembered reports whether v accepts a token without checking its signature,
// by changing the key that s returns for the time of one call. If v does check
// it, the token is verified once more with the right key.
func (s *switchable) remembered(t *testing.T, v *idtoken.Verifier, token string) bool {
	t.Helper()
	key, err := s.Key(t.Context(), issuer().KeyID())
	if err != nil {
		t.Fatal(err)
	}
	key.E += 2
	_, err = v.Verify(t.Context(), token)
	key.E -= 2
	if err == nil {
		return true
	}
	expectOnly(t, err, idtoken.ErrSignature)
	_, err = v.Verify(t.Context(), token)
	expectOnly(t, err, nil)
	return false
}

// users returns tokens of n users.
func users(n int) (tokens []string) {
	for i := range n {
		p := profile()
		p.Subject = fmt.Sprint(i)
		tokens = append(tokens, issuer().Token(p))
	}
	return tokens
}

func TestCacheRemembers(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5, 8, 100} {
		v, s := newCached(t, size)
		tokens := users(size + 1)
		last, tokens := tokens[size], tokens[:size]
		for round := range 3 {
			for i, token := range tokens {
				if got := s.remembered(t, v, token); got != (round > 0) {
					t.Errorf("size %d, round %d, token %d: remembered: %v", size, round, i, got)
				}
			}
		}
		if s.remembered(t, v, last) || !s.remembered(t, v, last) {
			t.Errorf("size %d: one more is not remembered in its turn", size)
		}
	}
}

// TestCacheKeepsACopy pins that a token is remembered although its memory, such as that
// of a request, is used again.
func TestCacheKeepsACopy(t *testing.T) {
	v, s := newCached(t, 10)
	memory := []byte(good())
	_, err := v.Verify(t.Context(), unsafe.String(&memory[0], len(memory)))
	expectOnly(t, err, nil)
	clear(memory)
	if !s.remembered(t, v, good()) {
		t.Error("the token is not remembered")
	}
}

func TestCacheHit(t *testing.T) {
	v, _ := newCached(t, 1)
	token, ctx := good(), t.Context()
	allocs := leastAllocs(func() {
		if _, err := v.Verify(ctx, token); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 2 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestCacheKeeps pins that what is asked for stays, among many that are not.
func TestCacheKeeps(t *testing.T) {
	v, s := newCached(t, 4)
	tokens := users(40)
	for i, token := range tokens {
		s.remembered(t, v, token)
		if !s.remembered(t, v, tokens[0]) {
			t.Errorf("after %d others the one always asked for is forgotten", i)
		}
	}
}

// TestCacheExpired pins that an expired token does not stay by being asked for.
func TestCacheExpired(t *testing.T) {
	v, s := newCached(t, 2)
	later := now.Add(90 * time.Minute)
	fresh := func(name string) string {
		return issuer().SignHeader(header(), payload(set("name", name), set("iat", seconds(time.Hour)), set("exp", seconds(2*time.Hour))))
	}
	a, b, expired := fresh(`"a"`), fresh(`"b"`), good()
	s.remembered(t, v, expired)
	s.time.Store(&later)
	s.remembered(t, v, a)
	_, err := v.Verify(t.Context(), expired)
	expectOnly(t, err, idtoken.ErrExpired)
	s.remembered(t, v, b)
	if !s.remembered(t, v, a) {
		t.Error("a good token made room for another, and an expired one did not")
	}
}

// TestCacheShared has many callers drive one another's tokens out.
func TestCacheShared(t *testing.T) {
	v, _ := newCached(t, 3)
	tokens := users(6)
	var wg sync.WaitGroup
	for first := range 8 {
		wg.Go(func() {
			for i := range 200 {
				n := (first + i*i) % len(tokens)
				p, err := v.Verify(t.Context(), tokens[n])
				if err != nil || p.Subject != fmt.Sprint(n) {
					t.Errorf("user %d: %v, %v", n, p, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestCacheIsBounded fills a cache many times over with large tokens.
func TestCacheIsBounded(t *testing.T) {
	const size = 10
	v, _ := newCached(t, size)
	fill := strings.Repeat("x", 9<<10)
	var tokens []string
	for i := range 10 * size {
		tokens = append(tokens, issuer().SignHeader(header(), payload(add("fill", fmt.Sprintf("%q", fmt.Sprint(i, fill))))))
	}
	before := heap()
	for _, token := range tokens {
		for range 2 {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
	}
	if grown := heap() - before; grown > 2*size*40<<10 {
		t.Errorf("%d entries take %d KiB", size, grown>>10)
	}
	runtime.KeepAlive(v)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestCacheSizes(t *testing.T) {
	for size := range 8 {
		v, _ := newCached(t, size)
		for round := range 3 {
			for i := range 2 * size {
				p := profile()
				p.Subject = string(rune('a' + i))
				got, err := v.Verify(t.Context(), issuer().Token(p))
				if err != nil || got.Subject != p.Subject {
					t.Fatalf("size %d, round %d: %v, %v", size, round, got, err)
				}
			}
		}
	}
}
