package tokenstore_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// reused is memory of a server that the next request overwrites, as under
// frameworks whose strings are their request's buffer.
type reused []byte

func (r reused) string() string { return unsafe.String(&r[0], len(r)) }

func (r reused) overwrite() {
	for i := range r {
		r[i] = 'x'
	}
}

// lend calls f with a string that changes once f has returned.
func lend(s string, f func(string)) {
	memory := reused(s)
	f(memory.string())
	memory.overwrite()
}

// What a call leaves behind has copies of its strings.
func TestStringsAreCopied(t *testing.T) {
	b := newBench(t, onHosts("127.0.0.1"))
	tok := b.google.consent("openid " + appData)
	want := *tok
	lend(jane, func(subject string) {
		lend(tok.AccessToken, func(access string) {
			lend(tok.RefreshToken, func(refresh string) {
				lend("openid "+appData, func(scope string) {
					lent := (&oauth2.Token{AccessToken: access, RefreshToken: refresh, Expiry: tok.Expiry}).WithExtra(map[string]any{"scope": scope})
					lend("of some kind", func(kind string) {
						lent.TokenType = kind
						if _, err := b.SignIn(t.Context(), subject, lent); err != nil {
							t.Error(err)
						}
					})
				})
			})
		})
	})
	got, err := b.Token(t.Context(), jane)
	if err != nil || got.AccessToken != want.AccessToken || got.TokenType != "of some kind" || b.google.calls() != 0 {
		t.Errorf("Token = %v after %d refreshes", err, b.google.calls())
	}
	if g := b.kept(t); g.RefreshToken != want.RefreshToken || g.Missing("openid", appData) != nil {
		t.Errorf("kept %v", g)
	}

	lend("of a key", func(thumbprint string) {
		if _, err := b.SignIn(t.Context(), john, withExtra(b.google.consent("openid"), "dpop_jkt", thumbprint)); err != nil {
			t.Error(err)
		}
	})
	if g := load(t, b.store.Store, johnKey); g.KeyThumbprint != "of a key" {
		t.Errorf("John's refresh token is bound to %q", g.KeyThumbprint)
	}

	var source oauth2.TokenSource
	var httpClient *http.Client
	lend(jane, func(subject string) {
		source, httpClient = b.TokenSource(t.Context(), subject), b.HTTPClient(subject)
		b.Invalidate(subject, "")
	})
	if _, err := source.Token(); err != nil {
		t.Errorf("TokenSource: %v", err)
	}
	a := newAPI(t, nil)
	if resp, err := httpClient.Get(a.URL); err != nil {
		t.Errorf("HTTPClient: %v", err)
	} else {
		resp.Body.Close()
	}

	var consent *tokenstore.ConsentError
	lend(jane, func(subject string) {
		lend("hijacking", func(reason string) {
			if err := b.MarkRevoked(t.Context(), subject, reason, time.Time{}); err != nil {
				t.Error(err)
			}
		})
		_, err := b.Token(t.Context(), subject)
		consent, _ = errors.AsType[*tokenstore.ConsentError](err)
	})
	if consent == nil || consent.Subject != jane || consent.Reason != "hijacking" {
		t.Errorf("Token: %v", consent)
	}
	lend("112233", func(subject string) {
		if _, err := b.Grant(t.Context(), subject); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Error(err)
		}
		if err := b.Disconnect(t.Context(), subject); err != nil {
			t.Error(err)
		}
	})
	if g := b.kept(t); g.Reason != "hijacking" {
		t.Errorf("kept %v", g)
	}
}

// A refresh goes on when its caller leaves, for the user that was asked for.
func TestRefreshOutlivesTheMemoryOfItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.fail = func(string) error { time.Sleep(10 * time.Second); return nil }
		memory := reused(jane)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Token(ctx, memory.string()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Token: %v", err)
		}
		copy(memory, john) // the next request
		time.Sleep(time.Minute)
		if _, err := b.Token(t.Context(), jane); err != nil || b.google.calls() != 1 {
			t.Errorf("Token: %v after %d refreshes", err, b.google.calls())
		}
		if _, err := b.Token(t.Context(), john); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("Token of another user: %v", err)
		}
	})
}

// So does a sign-in that its caller's deadline has left behind.
func TestSignInOutlivesTheMemoryOfItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.store.loadDelay = 10 * time.Second
		tok := b.google.consent("openid")
		memory, refresh := reused(jane), reused(tok.RefreshToken)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.SignIn(ctx, memory.string(), &oauth2.Token{AccessToken: "ya29", RefreshToken: refresh.string()})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SignIn: %v", err)
		}
		memory.overwrite()
		refresh.overwrite()
		time.Sleep(time.Minute)
		if got := b.kept(t); got.RefreshToken != tok.RefreshToken {
			t.Errorf("kept %v", got)
		}
	})
}

// A context of a request may serve the next one: work that outlives a call asks
// it for nothing.
func TestContextsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		b := newBench(t)
		b.google.watch = func(ctx context.Context) {
			if ctx.Value(key{}) != nil {
				t.Error("Refresh has a value of the caller's context")
			}
		}
		ctx := context.WithValue(t.Context(), key{}, "request")
		if _, err := b.SignIn(ctx, jane, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken}); err != nil {
			t.Fatal(err)
		}
		for _, ctx := range []context.Context{ctx, context.WithoutCancel(ctx)} {
			b.Invalidate(jane, "")
			if _, err := b.Token(ctx, jane); err != nil {
				t.Fatal(err)
			}
		}
	})
}
