package idtoken_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

// An endpoint is where keys are published. It serves those of an issuer, after
// a second, or fails as it is told to.
type endpoint struct {
	issuer  *idtokentest.Issuer
	fetches atomic.Int64
	open    atomic.Int64 // answers whose body has not been closed

	mu      sync.Mutex
	failure func(*http.Request) (*http.Response, error) // nil: none
	header  http.Header                                 // instead of Google's
}

func (e *endpoint) fail(failure func(*http.Request) (*http.Response, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failure = failure
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.fetches.Add(1)
	time.Sleep(time.Second)
	e.mu.Lock()
	failure, header := e.failure, e.header
	e.mu.Unlock()
	if failure != nil {
		resp, err := failure(r)
		return e.count(resp), err
	}
	w := httptest.NewRecorder()
	e.issuer.ServeHTTP(w, r)
	resp := w.Result()
	if header != nil {
		resp.Header = header
	}
	return e.count(resp), nil
}

func (e *endpoint) count(resp *http.Response) *http.Response {
	if resp != nil {
		e.open.Add(1)
		resp.Body = &countedBody{resp.Body, e}
	}
	return resp
}

type countedBody struct {
	io.ReadCloser
	at *endpoint
}

func (b *countedBody) Close() error {
	b.at.open.Add(-1)
	return b.ReadCloser.Close()
}

// remote is a verifier of tokens under the keys of an endpoint.
type remote struct {
	*endpoint
	keys     *idtoken.RemoteKeySet
	verifier *idtoken.Verifier
}

// bubbleIssuer signs in all bubbles that do not change its keys.
var bubbleIssuer = sync.OnceValue(idtokentest.NewIssuer)

// withRemote runs a test in a bubble: time passes when all wait, and a goroutine
// that is left behind fails the test, as does an answer that is not closed.
func withRemote(t *testing.T, test func(*testing.T, *remote)) {
	withIssuer(t, bubbleIssuer(), test)
}

func withIssuer(t *testing.T, i *idtokentest.Issuer, test func(*testing.T, *remote)) {
	synctest.Test(t, func(t *testing.T) {
		r := &remote{endpoint: &endpoint{issuer: i}}
		var err error
		r.keys, err = idtoken.RemoteKeys(idtoken.RemoteConfig{HTTPClient: &http.Client{Transport: r}})
		if err != nil {
			t.Fatal(err)
		}
		r.verifier = newVerifier(t, func(c *idtoken.Config) { c.Keys, c.Now = r.keys, nil })
		test(t, r)
		synctest.Wait()
		if n := r.open.Load(); n != 0 {
			t.Errorf("%d answers are not closed", n)
		}
	})
}

func (r *remote) token() string { return r.issuer.Token(profile()) }

// forged is a token under a key that nobody has. Its signature is another's.
func (r *remote) forged(kid string) string {
	_, body, signature := segments()
	return encode(json.RawMessage(`{"alg":"RS256","kid":"`+kid+`"}`)) + "." + body + "." + signature
}

func (r *remote) expect(t *testing.T, token string, want error) {
	t.Helper()
	_, err := r.verifier.Verify(t.Context(), token)
	expectOnly(t, err, want)
}

func (r *remote) expectFetches(t *testing.T, want int64) {
	t.Helper()
	if got := r.fetches.Load(); got != want {
		t.Errorf("%d fetches of the keys, want %d", got, want)
	}
}

func TestFetches(t *testing.T) {
	t.Run("200 valid tokens", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			for range 200 {
				r.expect(t, r.token(), nil)
			}
			r.expectFetches(t, 1)
		})
	})
	t.Run("50 bad signatures", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			token := r.token()
			for range 50 {
				r.expect(t, token[:len(token)-4]+"AAAA", idtoken.ErrSignature)
				time.Sleep(11 * time.Second)
			}
			r.expectFetches(t, 1)
		})
	})
	t.Run("malformed token", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			r.expect(t, r.issuer.SignHeader(map[string]string{"alg": "none", "kid": "x"}, nil), idtoken.ErrMalformed)
			r.expectFetches(t, 0)
		})
	})
	t.Run("100 goroutines, cold", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			token := r.token()
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() { r.expect(t, token, nil) })
			}
			wg.Wait()
			r.expectFetches(t, 1)
		})
	})
}

func TestUnknownKid(t *testing.T) {
	const tokens = 10_000
	t.Run("sequential", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			r.expect(t, r.token(), nil)
			time.Sleep(time.Minute)
			for i := range tokens {
				r.expect(t, r.forged(fmt.Sprint(i)), idtoken.ErrSignature)
			}
			r.expectFetches(t, 2)
		})
	})
	t.Run("from 64 goroutines", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			r.expect(t, r.token(), nil)
			time.Sleep(time.Minute)
			var wg sync.WaitGroup
			for worker := range 64 {
				wg.Go(func() {
					for i := range tokens / 64 {
						r.expect(t, r.forged(fmt.Sprint(worker, "-", i)), idtoken.ErrSignature)
					}
				})
			}
			wg.Wait()
			r.expectFetches(t, 2)
		})
	})
	t.Run("within the window of the first fetch", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			r.expect(t, r.forged("other"), idtoken.ErrSignature)
			r.expect(t, r.forged("another"), idtoken.ErrSignature)
			r.expectFetches(t, 1)
		})
	})
	t.Run("a new key, after a flood", func(t *testing.T) {
		withIssuer(t, idtokentest.NewIssuer(), func(t *testing.T, r *remote) {
			r.expect(t, r.token(), nil)
			time.Sleep(time.Minute)
			for i := range 100 {
				r.expect(t, r.forged(fmt.Sprint(i)), idtoken.ErrSignature)
			}
			r.expectFetches(t, 2)
			r.issuer.Rotate()
			token := r.token()
			r.expect(t, token, idtoken.ErrSignature) // the window is closed
			time.Sleep(10*time.Second - time.Nanosecond)
			r.expect(t, token, idtoken.ErrSignature)
			r.expectFetches(t, 2)
			time.Sleep(time.Nanosecond)
			r.expect(t, token, nil)
			r.expectFetches(t, 3)
		})
	})
	t.Run("with the endpoint down", func(t *testing.T) {
		withRemote(t, func(t *testing.T, r *remote) {
			r.expect(t, r.token(), nil)
			time.Sleep(time.Minute)
			r.fail(refused)
			r.expect(t, r.forged("x"), idtoken.ErrKeysUnavailable) // it may be a new key's
			r.expect(t, r.forged("y"), idtoken.ErrKeysUnavailable)
			r.expect(t, r.token(), nil)
			r.expectFetches(t, 2)
		})
	})
}

func TestRefreshAhead(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		const maxAge = 23474 * time.Second // Google's
		r.expect(t, r.token(), nil)
		time.Sleep(maxAge*8/10 - 2*time.Second)
		r.expect(t, r.token(), nil)
		synctest.Wait()
		r.expectFetches(t, 1)
		time.Sleep(3 * time.Second)
		start := time.Now()
		token := r.token()
		for range 50 {
			r.expect(t, token, nil)
		}
		if time.Since(start) != 0 {
			t.Error("a refresh ahead of time was waited for")
		}
		if allocs := leastAllocs(func() { r.keys.Key(t.Context(), r.issuer.KeyID()) }); allocs > 0 {
			t.Errorf("%v allocations for each key during the refresh", allocs)
		}
		synctest.Wait()
		r.expectFetches(t, 2)
		time.Sleep(maxAge / 2) // beyond the first expiry
		r.expect(t, r.token(), nil)
		r.expectFetches(t, 2)
	})
}

// TestRefreshAheadFails pins that a failure costs nobody anything while the keys
// are good, and is tried again.
func TestRefreshAheadFails(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		r.expect(t, r.token(), nil)
		r.fail(refused)
		time.Sleep(23474 * time.Second * 9 / 10)
		for range 3 {
			start := time.Now()
			r.expect(t, r.token(), nil)
			r.expect(t, r.token(), nil)
			if time.Since(start) != 0 {
				t.Error("somebody waited")
			}
			time.Sleep(2 * time.Second) // it has failed, and the next is not due
			r.expect(t, r.token(), nil)
			time.Sleep(10 * time.Second)
		}
		r.expectFetches(t, 4)
	})
}

// TestRefreshAheadPanics pins that a transport that panics in the background is
// one that fails.
func TestRefreshAheadPanics(t *testing.T) {
	for name, broken := range map[string]func(){
		"panic":  func() { panic("broken transport") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			withRemote(t, func(t *testing.T, r *remote) {
				r.expect(t, r.token(), nil)
				r.fail(func(*http.Request) (*http.Response, error) { broken(); return nil, nil })
				time.Sleep(23474 * time.Second * 9 / 10)
				r.expect(t, r.token(), nil)
				time.Sleep(2 * time.Second)
				r.expect(t, r.forged("unheard-of"), idtoken.ErrKeysUnavailable)
				time.Sleep(10 * time.Second)
				r.fail(nil)
				r.expect(t, r.token(), nil)
				time.Sleep(2 * time.Second)
				r.expect(t, r.forged("unheard-of"), idtoken.ErrSignature)
				r.expectFetches(t, 3)
			})
		})
	}
}

func TestWithdrawnKey(t *testing.T) {
	withIssuer(t, idtokentest.NewIssuer(), func(t *testing.T, r *remote) {
		old := r.issuer.KeyID()
		r.expect(t, r.token(), nil)
		r.issuer.Withdraw(old)
		claims := r.issuer.Claims(profile())
		claims["exp"] = time.Now().Add(20 * time.Hour).Unix()
		token := r.issuer.Sign(claims)
		r.issuer.Rotate()
		r.expect(t, token, nil) // nobody could know yet
		time.Sleep(23474 * time.Second)
		r.expect(t, token, idtoken.ErrSignature)
		r.expect(t, r.token(), nil)
		r.expectFetches(t, 2)
	})
}

func TestFirstCallerLeaves(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		token := r.token()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := r.verifier.Verify(ctx, token)
			expectOnly(t, err, idtoken.ErrKeysUnavailable)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v, want the caller's own", err)
			}
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() { r.expect(t, token, nil) })
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		r.expectFetches(t, 1)
	})
}

func TestDeadCallerFetchesNothing(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := r.verifier.Verify(ctx, r.token())
		expectOnly(t, err, idtoken.ErrKeysUnavailable)
		r.expectFetches(t, 0)
		r.expect(t, r.token(), nil)
		if _, err := r.verifier.Verify(ctx, r.token()); err != nil {
			t.Errorf("with keys at hand: %v", err)
		}
	})
}

// TestLateCaller holds a caller up after it has seen that keys are needed, until
// another has fetched them.
func TestLateCaller(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		var hold atomic.Bool
		release := make(chan struct{})
		keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{
			HTTPClient: &http.Client{Transport: r},
			Now: func() time.Time { // is asked after the look at the keys
				if hold.CompareAndSwap(true, false) {
					<-release
				}
				return time.Now()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		prefetch := func() {
			if err := keys.Prefetch(t.Context()); err != nil {
				t.Error(err)
			}
		}
		hold.Store(true)
		var late sync.WaitGroup
		late.Go(prefetch)
		synctest.Wait()
		prefetch()
		close(release)
		late.Wait()
		r.expectFetches(t, 1)
	})
}

func TestTimeToLive(t *testing.T) {
	for _, tc := range []struct {
		name    string
		control []string
		age     string
		want    time.Duration
	}{
		{"as Google sends it", []string{"public, max-age=23474, must-revalidate, no-transform"}, "", 23474 * time.Second},
		{"with Age", []string{"public, max-age=23474"}, "3474", 20000 * time.Second},
		{"in capitals", []string{"Public, MAX-AGE=3600"}, "", time.Hour},
		{"quoted", []string{`max-age="3600"`}, "", time.Hour},
		{"in a second line", []string{"public", "max-age=3600"}, "", time.Hour},
		{"twice", []string{"max-age=3600, max-age=7200"}, "", time.Hour},
		{"absent", nil, "", 5 * time.Minute},
		{"without a value", []string{"max-age"}, "", 5 * time.Minute},
		{"zero", []string{"max-age=0"}, "", 5 * time.Minute},
		{"negative", []string{"max-age=-3600"}, "", 5 * time.Minute},
		{"words", []string{"max-age=an hour"}, "", 5 * time.Minute},
		{"s-maxage is not for us", []string{"s-maxage=3600"}, "", 5 * time.Minute},
		{"Age beyond it", []string{"max-age=3600"}, "7200", 5 * time.Minute},
		{"Age absurd", []string{"max-age=3600"}, "99999999999999999999", 5 * time.Minute},
		{"Age negative", []string{"max-age=3600"}, "-3600", time.Hour},
		{"a year", []string{"max-age=31536000"}, "", 24 * time.Hour},
		{"beyond any integer", []string{"max-age=99999999999999999999"}, "", 24 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withRemote(t, func(t *testing.T, r *remote) {
				r.header = http.Header{"Cache-Control": tc.control}
				if tc.age != "" {
					r.header.Set("Age", tc.age)
				}
				r.expect(t, r.token(), nil)
				r.fail(refused)
				time.Sleep(tc.want*8/10 - 2*time.Second) // the fetch itself took one
				r.expect(t, r.token(), nil)
				synctest.Wait()
				r.expectFetches(t, 1)
				time.Sleep(time.Second)
				r.expect(t, r.token(), nil)
				synctest.Wait()
				r.expectFetches(t, 2)
				time.Sleep(time.Second)
			})
		})
	}
}

func TestPrefetch(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		r.fail(refused)
		expectOnly(t, r.keys.Prefetch(t.Context()), idtoken.ErrKeysUnavailable)
		r.fail(nil)
		for range 3 {
			if err := r.keys.Prefetch(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.expect(t, r.token(), nil)
		r.expectFetches(t, 2)
		r.fail(refused)
		time.Sleep(24 * time.Hour)
		if err := r.keys.Prefetch(t.Context()); err != nil {
			t.Errorf("with keys that may still serve: %v", err)
		}
	})
}

func TestVerifierPrefetch(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		ahead := time.Duration(0)
		google, err := idtoken.New(idtoken.Config{
			Audiences: []string{web}, HTTPClient: &http.Client{Transport: r},
			Now: func() time.Time { return time.Now().Add(ahead) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]*idtoken.Verifier{"Google's keys": google, "keys of Config": r.verifier} {
			r.fail(refused)
			expectOnly(t, v.Prefetch(t.Context()), idtoken.ErrKeysUnavailable)
			r.fail(nil)
			if err := v.Prefetch(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		r.expectFetches(t, 4)
		ahead = 3 * 24 * time.Hour
		r.fail(refused)
		expectOnly(t, google.Prefetch(t.Context()), idtoken.ErrKeysUnavailable)
	})
	if err := newVerifier(t, nil).Prefetch(t.Context()); err != nil {
		t.Errorf("keys that need no fetch: %v", err)
	}
}

func TestRemoteKeysAccepts(t *testing.T) {
	for _, address := range []string{
		"", "https://keys.example.com/certs", "http://127.0.0.1:8080/certs", "http://[::1]/certs", "http://localhost/certs",
	} {
		if _, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: address}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	client := new(http.Client)
	if _, err := idtoken.RemoteKeys(idtoken.RemoteConfig{HTTPClient: client}); err != nil || client.CheckRedirect != nil {
		t.Errorf("error %v, or the caller's client is changed", err)
	}
}

func TestRemoteKeysRefuses(t *testing.T) {
	for name, cfg := range map[string]idtoken.RemoteConfig{
		"RemoteConfig.URL: relative":            {URL: "/oauth2/v3/certs"},
		"RemoteConfig.URL: another scheme":      {URL: "file:///etc/passwd"},
		"RemoteConfig.URL: none":                {URL: "::"},
		"RemoteConfig.URL: http":                {URL: "http://www.googleapis.com/oauth2/v3/certs"},
		"RemoteConfig.URL: http, a private one": {URL: "http://10.0.0.1/certs"},
		"RemoteConfig.Timeout: negative":        {Timeout: -1},
	} {
		t.Run(name, func(t *testing.T) {
			field, _, _ := strings.Cut(name, ": ")
			if _, err := idtoken.RemoteKeys(cfg); err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("error is %v, want one that names %s", err, field)
			}
		})
	}
}

// TestKeysAge pins that keys age by the clock that is ahead: the monotonic clock stands
// still while a machine sleeps, and the wall clock can be set.
func TestKeysAge(t *testing.T) {
	const maxAge = 23474 * time.Second // Google's
	began := time.Now()                // with a reading of the monotonic clock, which a bubble's has not
	if set := wallSet(began, time.Hour); set.Sub(began) != 0 || set.Round(0).Sub(began.Round(0)) != time.Hour {
		t.Fatal("wallSet does not know this Go's time.Time")
	}
	for _, tc := range []struct {
		name          string
		passes, ahead time.Duration // by the monotonic clock; how far the wall clock is ahead then
		fetches       int64
		setRight      int64 // more fetches when the wall clock is as before
	}{
		{"asleep, but not for long", 0, maxAge / 2, 1, 0},
		{"asleep until a refresh is due", 0, maxAge * 9 / 10, 2, 0},
		{"asleep until the keys have expired", 0, maxAge, 2, 0},
		{"asleep for a month", 0, 30 * 24 * time.Hour, 2, 0},
		{"set back by a year, and not for long", maxAge / 2, -365 * 24 * time.Hour, 1, 0},
		{"set back by a year, until a refresh is due", maxAge * 9 / 10, -365 * 24 * time.Hour, 2, 1},
		{"set back by a year, until the keys have expired", maxAge, -365 * 24 * time.Hour, 2, 1},
		{"set ahead by a year", 0, 365 * 24 * time.Hour, 2, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withRemote(t, func(t *testing.T, r *remote) {
				start, ahead := time.Now(), time.Duration(0)
				keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{
					HTTPClient: &http.Client{Transport: r},
					Now:        func() time.Time { return wallSet(began.Add(time.Since(start)), ahead) },
				})
				if err != nil {
					t.Fatal(err)
				}
				key := func(kid string, want error) {
					t.Helper()
					_, err := keys.Key(t.Context(), kid)
					expectOnly(t, err, want)
				}
				key(r.issuer.KeyID(), nil)
				time.Sleep(tc.passes)
				ahead = tc.ahead
				for range 20 {
					key(r.issuer.KeyID(), nil)
					time.Sleep(time.Second)
				}
				r.expectFetches(t, tc.fetches)
				ahead = 0
				for range 20 {
					key(r.issuer.KeyID(), nil)
					time.Sleep(time.Second)
				}
				r.expectFetches(t, tc.fetches+tc.setRight)
				key("new", idtoken.ErrSignature)
				r.expectFetches(t, tc.fetches+tc.setRight+1)
			})
		})
	}
}

// wallSet returns t as time.Now would if the wall clock were ahead by whole
// seconds, at the same reading of the monotonic clock.
func wallSet(t time.Time, ahead time.Duration) time.Time {
	// A Time with a monotonic reading begins with a word that has the wall
	// seconds above 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&t)) += uint64(ahead/time.Second) << 30
	return t
}
