package idtoken_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

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
		google, err := idtoken.New(idtoken.Config{Audiences: []string{web}, HTTPClient: &http.Client{Transport: r}})
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
	})
	if err := newVerifier(t, nil).Prefetch(t.Context()); err != nil {
		t.Errorf("keys that need no fetch: %v", err)
	}
}

func TestSnapshot(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		snapshot, err := r.keys.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.expectFetches(t, 1)
		second, err := idtoken.RemoteKeys(idtoken.RemoteConfig{Initial: snapshot, HTTPClient: &http.Client{Transport: r}})
		if err != nil {
			t.Fatal(err)
		}
		r.verifier = newVerifier(t, func(c *idtoken.Config) { c.Keys, c.Now = second, nil })
		r.fail(refused)
		r.expect(t, r.token(), nil)
		r.expectFetches(t, 1)
		again, err := second.Snapshot(t.Context())
		if err != nil || string(again) != string(snapshot) {
			t.Errorf("a snapshot of a snapshot is %s, %v; want the same", again, err)
		}
		time.Sleep(24 * time.Hour)
		r.expect(t, r.token(), nil) // stale, after a failed fetch
		r.expectFetches(t, 2)
		time.Sleep(24 * time.Hour)
		r.expect(t, r.token(), idtoken.ErrKeysUnavailable)
	})
}

func TestSnapshotOfAnotherClock(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		jwks := string(r.issuer.JWKS())
		keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{
			Initial:    []byte(`{"jwks":` + jwks + `,"ttl":9000000000000000000,"expires":"2999-01-01T00:00:00Z"}`),
			HTTPClient: &http.Client{Transport: r},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if err := keys.Prefetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.expectFetches(t, 1)
	})
}

func TestRemoteKeysAccepts(t *testing.T) {
	for _, address := range []string{
		"", "https://keys.example.com/certs", "http://127.0.0.1:8080/certs", "http://[::1]/certs", "http://localhost/certs",
	} {
		if _, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: address}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
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
		"RemoteConfig.Initial: no JSON":         {Initial: []byte("x")},
		"RemoteConfig.Initial: empty":           {Initial: []byte{}},
		"RemoteConfig.Initial: a bare key set":  {Initial: issuer().JWKS()},
		"RemoteConfig.Initial: without any key": {Initial: []byte(`{"jwks":{"keys":[]},"expires":"2026-11-24T12:00:00Z"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			field, _, _ := strings.Cut(name, ": ")
			if _, err := idtoken.RemoteKeys(cfg); err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("error is %v, want one that names %s", err, field)
			}
		})
	}
}
