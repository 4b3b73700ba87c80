package tokenstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

const (
	calendar = "https://www.googleapis.com/auth/calendar"
	photos   = "https://www.googleapis.com/auth/photoslibrary.appendonly"
)

// A sign-in with fewer scopes replaces a wider grant only if that no longer works.
func TestNarrowerSignIn(t *testing.T) {
	internal := func(string) error { return &refusedError{code: "internal_failure"} }
	for _, c := range []struct {
		name        string
		first, then string
		prepare     func(*bench)
		allow       bool
		newKept     bool
		lost        []string
		calls       int
	}{
		{name: "the kept one works", first: "openid " + appData, then: "openid", calls: 1},
		{name: "the kept one is rotated", first: "openid " + appData, then: "openid", calls: 1,
			prepare: func(b *bench) { b.google.rotate = true }},
		{name: "the kept one is refused", first: "openid " + appData, then: "openid", calls: 1, newKept: true, lost: []string{appData},
			prepare: func(b *bench) { clear(b.google.live) }},
		{name: "it cannot be decided", first: "openid " + appData, then: "openid", calls: 1, newKept: true, lost: []string{appData},
			prepare: func(b *bench) { b.google.fail = internal }},
		{name: "narrowing is meant", first: "openid " + appData, then: "openid", newKept: true, allow: true},
		{name: "the same", first: "openid " + appData, then: appData + " openid", newKept: true},
		{name: "more", first: "openid", then: "openid " + appData, newKept: true},
		{name: "each has something else", first: "openid " + appData, then: "openid " + calendar, newKept: true, lost: []string{appData}},
		{name: "unknown before", then: "openid", newKept: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			b := newBench(t, func(config *tokenstore.Config) {
				config.AllowNarrowing = c.allow
				config.Logger = slog.New(slog.NewJSONHandler(&log, nil))
			})
			b.google.scope = c.first
			first := b.google.consent(c.first)
			first.AccessToken = "" // that of the refresh is served, if there is one
			b.signIn(t, first)
			if c.prepare != nil {
				c.prepare(b)
			}
			tok := b.google.consent(c.then)
			got := b.signIn(t, tok)
			kept := b.kept(t)
			if (kept.RefreshToken == tok.RefreshToken) != c.newKept || bytesOf(t, got) != bytesOf(t, kept) {
				t.Errorf("SignIn = %v, kept %v; want the new one: %v", got, kept, c.newKept)
			}
			if !slices.Equal(kept.Lost, c.lost) || c.lost != nil && !slices.Equal(kept.Missing(appData), []string{appData}) {
				t.Errorf("Lost = %q, want %q; Missing = %q", kept.Lost, c.lost, kept.Missing(appData))
			}
			if b.google.calls() != c.calls {
				t.Errorf("%d calls of Google, want %d", b.google.calls(), c.calls)
			}
			if logged := strings.Contains(log.String(), `"msg":"tokenstore.narrowed"`); logged != (c.lost != nil) {
				t.Errorf("logged: %v\n%s", logged, &log)
			}
			if kept.State != tokenstore.Active || !b.google.live[kept.RefreshToken] {
				t.Errorf("kept %v, a refused one", kept)
			}
			b.google.fail = nil
			if access := b.token(t); !c.newKept && access == tok.AccessToken {
				t.Error("the access token of the narrow sign-in is served for the wide grant")
			}
			if b.google.calls() != c.calls {
				t.Errorf("Token cost another refresh")
			}
		})
	}
}

// What was lost stays in the record until a sign-in has it again.
func TestLostScopesStay(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *tokenstore.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	b.signIn(t, b.google.consent("openid "+appData+" "+calendar))
	clear(b.google.live)
	b.signIn(t, b.google.consent("openid"))
	b.google.scope = "openid"
	b.Invalidate(jane, "")
	b.token(t)
	if got := b.kept(t); !slices.Equal(got.Lost, []string{calendar, appData}) {
		t.Errorf("Lost = %q", got.Lost)
	}
	if got := b.signIn(t, b.google.consent("openid "+calendar)); !slices.Equal(got.Lost, []string{appData}) {
		t.Errorf("Lost = %q", got.Lost)
	}
	if n := strings.Count(log.String(), "tokenstore.narrowed"); n != 1 {
		t.Errorf("logged %d times, want once, when the scopes were lost", n)
	}
	if got := b.signIn(t, b.google.consent("openid "+calendar+" "+appData)); got.Lost != nil || bytesOf(t, got) != bytesOf(t, b.kept(t)) {
		t.Errorf("Lost = %q", got.Lost)
	}
}

// A Handler may write a record later.
func TestLostIsLoggedAsItWas(t *testing.T) {
	var kept slog.Record
	b := newBench(t, func(c *tokenstore.Config) { c.Logger = slog.New(keepRecord{&kept}) })
	b.signIn(t, b.google.consent("openid "+appData))
	b.google.kill(b.kept(t).RefreshToken)
	g := b.signIn(t, b.google.consent("openid"))
	g.Lost[0] = "changed"
	kept.Attrs(func(a slog.Attr) bool {
		if lost, ok := a.Value.Any().([]string); ok && !slices.Equal(lost, []string{appData}) {
			t.Errorf("logged %q", lost)
		}
		return true
	})
	if kept.Message != "tokenstore.narrowed" {
		t.Errorf("kept %q", kept.Message)
	}
}

// keepRecord is a Handler that keeps the last warning.
type keepRecord struct{ last *slog.Record }

func (keepRecord) Enabled(_ context.Context, l slog.Level) bool { return l == slog.LevelWarn }
func (k keepRecord) WithAttrs([]slog.Attr) slog.Handler         { return k }
func (k keepRecord) WithGroup(string) slog.Handler              { return k }

func (k keepRecord) Handle(_ context.Context, r slog.Record) error {
	*k.last = r
	return nil
}

// A sign-in that does not say what it has may have lost everything, until a
// refresh tells.
func TestLostScopesOfUnknownSignIn(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *tokenstore.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	b.signIn(t, b.google.consent("openid "+appData))
	got := b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("").RefreshToken})
	if got.Scopes != nil || strings.Contains(log.String(), "narrowed") {
		t.Errorf("Scopes = %q\n%s", got.Scopes, &log)
	}
	b.google.scope = "openid"
	b.token(t)
	if got := b.kept(t); !slices.Equal(got.Lost, []string{appData}) || !strings.Contains(log.String(), "narrowed") {
		t.Errorf("Lost = %q\n%s", got.Lost, &log)
	}
}

// A refresh that reports fewer scopes loses some too, also where a sign-in may narrow.
func TestNarrowerRefresh(t *testing.T) {
	for name, rotate := range map[string]bool{"plain": false, "rotated": true} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			b := newBench(t, func(c *tokenstore.Config) {
				c.AllowNarrowing = rotate
				c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
			})
			b.google.rotate = rotate
			b.signIn(t, b.google.consent("openid "+appData))
			b.google.scope = "openid"
			b.Invalidate(jane, "")
			if rotate { // another call sees the record before the access token is there
				b.store.afterSave = func(tokenstore.Grant) error { _, err := b.Grant(t.Context(), jane); return err }
			}
			access := b.token(t)
			if got := b.kept(t); !slices.Equal(got.Lost, []string{appData}) || !slices.Equal(got.Scopes, []string{"openid"}) {
				t.Errorf("Scopes = %q, Lost = %q", got.Scopes, got.Lost)
			}
			if strings.Count(log.String(), "tokenstore.narrowed") != 1 {
				t.Errorf("log\n%s", &log)
			}
			if _, err := b.Grant(t.Context(), jane); err != nil || b.token(t) != access || b.google.calls() != 1 {
				t.Errorf("Grant: %v; the access token is not cached after %d refreshes", err, b.google.calls())
			}
		})
	}
}

// A narrower sign-in during an outage of the store waits with its question.
func TestNarrowerSignInSavedLate(t *testing.T) {
	for name, refused := range map[string]bool{"works": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.google.rotate = true
				b.google.scope = "openid " + appData
				b.signIn(t, b.google.consent("openid "+appData))
				b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
				b.Invalidate(jane, "")
				if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) { // a pending rotation
					t.Errorf("Token: %v", err)
				}
				time.Sleep(time.Second)
				narrow := b.google.consent("openid")
				b.signInUnsaved(t, narrow)
				if refused {
					clear(b.google.live)
					b.google.live[narrow.RefreshToken] = true
				}
				b.store.beforeSave = nil
				if err := b.Flush(t.Context()); err != nil || b.Stats().Unsaved != 0 {
					t.Errorf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
				}
				kept := b.kept(t)
				if wide := kept.Missing(appData) == nil; wide == refused || !b.google.live[kept.RefreshToken] {
					t.Errorf("kept %v", kept)
				}
			})
		})
	}
}

// The kept refresh token works, as its rotation shows, but the store does not take
// that at first: a narrower sign-in does not displace it.
func TestNarrowerSignInAfterAnUnsavedRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.scope = "openid " + appData
		b.signIn(t, b.google.consent(b.google.scope))
		b.google.rotate = true
		failures := 4 // each try to save the rotation
		b.store.beforeSave = func(tokenstore.Grant) error {
			if failures--; failures >= 0 {
				return errDown
			}
			return nil
		}
		b.signInUnsaved(t, b.google.consent("openid"))
		if err := b.Flush(t.Context()); err != nil || b.Stats().Unsaved != 0 {
			t.Errorf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
		}
		if kept := b.kept(t); kept.Missing(appData) != nil || !b.google.live[kept.RefreshToken] {
			t.Errorf("kept %v", kept)
		}
	})
}

// Both sign-ins wait for the store: the narrower one displaces the other only if that
// no longer works.
func TestNarrowerPendingSignIn(t *testing.T) {
	for name, refused := range map[string]bool{"works": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.google.scope = "openid " + appData
				b.signIn(t, b.google.consent("openid"))
				b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
				wide, narrow := b.google.consent(b.google.scope), b.google.consent("openid")
				_, _ = b.SignIn(t.Context(), jane, wide)
				time.Sleep(time.Minute)
				_, _ = b.SignIn(t.Context(), jane, narrow)
				b.store.beforeSave = nil
				want := wide
				if refused {
					b.google.kill(wide.RefreshToken)
					want = narrow
				}
				if err := b.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if kept := b.kept(t); kept.RefreshToken != want.RefreshToken || kept.State != tokenstore.Active {
					t.Errorf("kept %v", kept)
				}
			})
		})
	}
}

// The scopes of sign-ins that another one displaced before they were saved are lost
// too. Of those that wait only one is saved.
func TestLostScopesOfADisplacedSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consentAt("openid", time.Now()))
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		for _, scope := range []string{appData, photos, calendar} {
			time.Sleep(time.Second)
			if _, err := b.SignIn(t.Context(), jane, b.google.consentAt("openid "+scope, time.Now())); !errors.Is(err, errDown) {
				t.Fatalf("SignIn: %v", err)
			}
		}
		b.store.beforeSave = nil
		saves := b.store.saves
		if err := b.Flush(t.Context()); err != nil || b.store.saves != saves+1 {
			t.Fatalf("Flush: %v, %d writes", err, b.store.saves-saves)
		}
		if g := b.kept(t); g.Missing(calendar) != nil || !slices.Equal(g.Lost, []string{appData, photos}) {
			t.Errorf("kept %v, lost %q", g, g.Lost)
		}
	})
}
