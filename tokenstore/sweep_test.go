package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// swept runs a sweep and returns what it yields, as text.
func swept(ctx context.Context, m *tokenstore.Manager, o tokenstore.SweepOptions, stop int) []string {
	var all []string
	for subject, err := range m.Sweep(ctx, o) {
		what := "ok"
		if consent, ok := errors.AsType[*tokenstore.ConsentError](err); ok {
			what = consent.Reason
		} else if err != nil {
			what = "failed"
		}
		if all = append(all, subject+" "+what); len(all) == stop {
			break
		}
	}
	return all
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
		signIn := func(subject string) string {
			tok := b.google.consent("openid")
			if _, err := b.SignIn(t.Context(), subject, tok); err != nil {
				t.Fatal(err)
			}
			return tok.RefreshToken
		}
		signIn("a-idle")
		b.google.kill(signIn("b-dead"))
		signIn("c-revoked")
		if err := b.MarkRevoked(t.Context(), "c-revoked", "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		flaky := signIn("d-flaky")
		b.google.fail = func(rt string) error {
			if rt == flaky {
				return &refusedError{code: "internal_failure"}
			}
			return nil
		}
		save(t, memory, tokenstore.Key{ClientID: "another client", Subject: "x"}, tokenstore.Grant{RefreshToken: "1//x"})
		save(t, memory, tokenstore.Key{ClientID: "a client", Subject: "x"}, tokenstore.Grant{RefreshToken: "1//x"})
		time.Sleep(100 * 24 * time.Hour)
		signIn("e-busy")
		if _, err := b.SignIn(t.Context(), "a-idle", b.google.again("openid")); err != nil { // cached, and idle all the same
			t.Fatal(err)
		}

		began := time.Now()
		first := swept(t.Context(), b.Manager, tokenstore.SweepOptions{Pace: time.Second}, 2)
		rest := swept(t.Context(), b.Manager, tokenstore.SweepOptions{Pace: time.Second, After: "b-dead"}, 0)
		want := []string{"a-idle ok", "b-dead invalid_grant", "c-revoked revoked", "d-flaky failed", "e-busy ok"}
		if got := slices.Concat(first, rest); !slices.Equal(got, want) {
			t.Errorf("swept %q, want %q", got, want)
		}
		if b.google.calls() != 3 || time.Since(began) != 3*time.Second {
			t.Errorf("%d calls in %v", b.google.calls(), time.Since(began))
		}
		g, err := b.Grant(t.Context(), "a-idle")
		if err != nil || g.RefreshedAt.Before(began) {
			t.Errorf("refreshed at %v, %v", g.RefreshedAt, err)
		}
		again := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 1)
		if fmt.Sprint(again) != "[a-idle ok]" || b.google.calls() != 3 {
			t.Errorf("swept %q again with %d calls", again, b.google.calls())
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := swept(ctx, b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{" failed"}) {
			t.Errorf("swept %q with a cancelled context", got)
		}
	})
}

// A token that works goes on working when the sweep gets no better one.
func TestSweepLeavesTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(100 * 24 * time.Hour)
		tok := b.google.again("openid")
		b.signIn(t, tok)
		b.google.fail = func(string) error { return &refusedError{code: "internal_failure"} }
		if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{jane + " failed"}) {
			t.Errorf("swept %q", got)
		}
		if b.token(t) != tok.AccessToken {
			t.Error("Token is another one")
		}
		b.google.fail = nil
		time.Sleep(time.Minute)
		if b.token(t) == tok.AccessToken {
			t.Error("Token is the one that is due")
		}
	})
}

func TestSweepNeedsALister(t *testing.T) {
	b := newBench(t)
	for subject, err := range b.Sweep(t.Context(), tokenstore.SweepOptions{}) {
		if subject != "" || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Sweep yields %q, %v", subject, err)
		}
	}
}

// A record without a refresh token, from an import for instance, is one of a user
// who has to consent.
func TestSweepReportsAnEmptyGrant(t *testing.T) {
	memory := new(tokenstore.Memory)
	b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
	save(t, memory, janeKey, tokenstore.Grant{})
	for subject, err := range b.Sweep(t.Context(), tokenstore.SweepOptions{}) {
		if subject != jane {
			t.Errorf("swept %q", subject)
		}
		wantReason(t, err, tokenstore.ReasonNone)
		return
	}
	t.Error("nothing was swept")
}
