package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
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
		b.google.kill(signIn("b-ended"))
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
		first := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 2)
		rest := swept(t.Context(), b.Manager, tokenstore.SweepOptions{After: "b-ended"}, 0)
		want := []string{"a-idle ok", "b-ended invalid_grant", "c-revoked revoked", "d-flaky failed", "e-busy ok"}
		if got := slices.Concat(first, rest); !slices.Equal(got, want) {
			t.Errorf("swept %q, want %q", got, want)
		}
		if b.google.calls() != 3 || time.Since(began) != 300*time.Millisecond {
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

		var later iter.Seq2[string, error]
		lend("d-flaky", func(after string) { later = b.Sweep(t.Context(), tokenstore.SweepOptions{After: after}) })
		var left []string
		for subject := range later {
			left = append(left, subject)
		}
		if !slices.Equal(left, []string{"e-busy"}) {
			t.Errorf("swept %q after the memory of After was used again", left)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := swept(ctx, b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{" failed"}) {
			t.Errorf("swept %q with a cancelled context", got)
		}
	})
}

// calls counts the calls of a store.
type calls struct {
	*tokenstore.Memory
	loads, saves int
}

func (c *calls) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	c.loads++
	return c.Memory.Load(ctx, key)
}

func (c *calls) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
	c.saves++
	return c.Memory.Save(ctx, key, g)
}

// TestSweepCosts checks that a sweep loads each grant once and saves only idle
// ones, and that it neither caches access tokens nor touches cached ones.
func TestSweepCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &calls{Memory: new(tokenstore.Memory)}
		for n := range 10 {
			key := tokenstore.Key{ClientID: client, Subject: strconv.Itoa(n)}
			save(t, store.Memory, key, tokenstore.Grant{RefreshToken: "1//" + key.Subject})
		}
		b := newBench(t, func(c *tokenstore.Config) { c.Store = store })
		for n := range 10 {
			b.google.live["1//"+strconv.Itoa(n)] = true
		}
		if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); len(got) != 10 || b.google.calls() != 10 {
			t.Errorf("swept %q with %d refreshes", got, b.google.calls())
		}
		if store.loads != 10 || store.saves != 10 {
			t.Errorf("%d loads and %d saves for 10 idle users, want 10 each", store.loads, store.saves)
		}
		if cached := b.Stats().Cached; cached != 0 {
			t.Errorf("%d users are in memory after a sweep, want none", cached)
		}
		store.loads, store.saves = 0, 0
		swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0)
		if store.loads != 10 || store.saves != 0 || b.google.calls() != 10 {
			t.Errorf("%d loads, %d saves and %d refreshes for 10 users who are not idle, want 10, 0 and 0", store.loads, store.saves, b.google.calls()-10)
		}

		time.Sleep(100 * 24 * time.Hour)
		tok := b.google.again("openid")
		b.signIn(t, b.google.consent("openid"))
		g := load(t, store.Memory, janeKey)
		g.RefreshedAt = time.Time{} // as after an import
		save(t, store.Memory, janeKey, g)
		b.signIn(t, tok)
		before := b.token(t)
		swept(t.Context(), b.Manager, tokenstore.SweepOptions{After: "1"}, 1)
		if b.token(t) != before {
			t.Error("the sweep has replaced the cached access token")
		}
	})
}

// A sweep in which Google refuses the refresh token also ends the access token that a
// sign-in without a refresh token has cached.
func TestSweepEndsACachedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		time.Sleep(100 * 24 * time.Hour)
		b.signIn(t, b.google.again("openid"))
		b.token(t) // cached, though the grant is idle
		b.google.kill(tok.RefreshToken)
		if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{jane + " invalid_grant"}) {
			t.Errorf("swept %q", got)
		}
		_, err := b.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonInvalidGrant)
		if b.google.calls() != 1 {
			t.Errorf("Google was asked %d times", b.google.calls())
		}
	})
}

// The same if the store is down when Google refuses, and takes the refusal later.
func TestSweepEndsACachedTokenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		store := &hooked{Store: memory}
		b := join(t, newGoogle(), store, func(c *tokenstore.Config) { c.Store = lists{store, memory} })
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		time.Sleep(100 * 24 * time.Hour)
		b.signIn(t, b.google.again("openid"))
		b.google.kill(tok.RefreshToken)
		b.google.during = func(string) { store.beforeLoad = func(tokenstore.Key) error { return errDown } }
		for subject, err := range b.Sweep(t.Context(), tokenstore.SweepOptions{}) {
			if subject != jane || !errors.Is(err, errDown) {
				t.Errorf("Sweep: %q, %v", subject, err)
			}
		}
		store.beforeLoad = nil
		if err := b.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		_, err := b.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonInvalidGrant)
	})
}

// TestSweepOnce checks that one process of a cluster sweeps at a time, and that
// leases that fail keep none from it.
func TestSweepOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		shared := func(c *tokenstore.Config) { c.Store = memory }
		a := newBench(t, shared)
		b := join(t, a.google, a.store, shared)
		a.signIn(t, a.google.consent("openid"))
		for _, err := range a.Sweep(t.Context(), tokenstore.SweepOptions{}) {
			if err != nil {
				t.Error(err)
			}
			if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); got != nil {
				t.Errorf("a second process sweeps %q at the same time", got)
			}
		}
		if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); len(got) != 1 {
			t.Errorf("after the first sweep, a second process sweeps %q", got)
		}
		down := join(t, a.google, a.store, shared, func(c *tokenstore.Config) {
			c.Leaser = leaser(func() (func(), bool, error) { return nil, false, errDown })
		})
		if got := swept(t.Context(), down.Manager, tokenstore.SweepOptions{}, 0); len(got) != 1 {
			t.Errorf("without leases, a process sweeps %q", got)
		}
	})
}

// TestSweepCanceled checks that a refresh token that Google rotates is kept if
// the sweep ends meanwhile.
func TestSweepCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(t, func(c *tokenstore.Config) {
			google := c.Refresher
			c.Store = memory
			c.Refresher = refresher(func(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
				tok, err := google.Refresh(ctx, refreshToken)
				cancel()
				return tok, errors.Join(err, ctx.Err())
			})
		})
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(100 * 24 * time.Hour)
		b.google.rotate = true
		if got := swept(ctx, b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{" failed"}) {
			t.Errorf("swept %q", got)
		}
		g := load(t, memory, janeKey)
		if !b.google.live[g.RefreshToken] {
			t.Errorf("the kept refresh token is %q, which Google no longer takes", g.RefreshToken)
		}
	})
}

// TestSweepMeetsARefresh checks that a sweep that has read a record before it was
// rotated does not end the grant.
func TestSweepMeetsARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		store := &hooked{Store: memory}
		b := join(t, newGoogle(), store, func(c *tokenstore.Config) { c.Store = lists{store, memory} })
		other := join(t, b.google, &hooked{Store: memory})
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(100 * 24 * time.Hour)
		b.google.rotate = true
		store.afterLoad = func() {
			store.afterLoad = nil
			other.token(t)
		}
		if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{jane + " ok"}) {
			t.Errorf("swept %q", got)
		}
		if g := load(t, memory, janeKey); g.State != tokenstore.Active || !b.google.live[g.RefreshToken] {
			t.Errorf("the kept grant is %v", g)
		}
	})
}

// A sweep leaves out a user who has disconnected since the Store has listed them.
func TestSweepMeetsADisconnect(t *testing.T) {
	memory := new(tokenstore.Memory)
	store := &hooked{Store: memory}
	b := join(t, newGoogle(), store, func(c *tokenstore.Config) { c.Store = lists{store, memory} })
	b.signIn(t, b.google.consent("openid"))
	store.beforeLoad = func(key tokenstore.Key) error {
		return memory.Delete(t.Context(), key, tokenstore.AnyVersion)
	}
	if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{jane + " ok"}) {
		t.Errorf("swept %q", got)
	}
}

// A sweep asks Google for no user during a pause, and does not wait for its end.
func TestSweepMeetsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
		b.google.fail = func(string) error { return &refusedError{code: "invalid_client"} }
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		time.Sleep(100 * 24 * time.Hour)
		if _, err := b.Token(t.Context(), jane); err == nil {
			t.Error("Token succeeded")
		}
		for subject, err := range b.Sweep(t.Context(), tokenstore.SweepOptions{}) {
			if _, ok := errors.AsType[*tokenstore.PausedError](err); subject != jane || !ok {
				t.Errorf("Sweep: %q, %v", subject, err)
			}
		}
		if b.google.calls() != 1 {
			t.Errorf("Google was asked %d times", b.google.calls())
		}
	})
}

// A grant that a sweep was too late for is no reason to pause with its successor.
func TestSweepMeetsASignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		time.Sleep(100 * 24 * time.Hour)
		b.google.fail = func(string) error {
			b.google.fail = nil
			b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
			return &refusedError{code: "invalid_client"}
		}
		if got := swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0); !slices.Equal(got, []string{jane + " ok"}) {
			t.Errorf("swept %q", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.Token(ctx, jane); err != nil {
			t.Error(err)
		}
	})
}

// Close waits for the refresh of a sweep: it may bring a new refresh token.
func TestCloseWaitsForASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
		b.google.rotate = true
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(100 * 24 * time.Hour)
		b.google.during = func(string) { time.Sleep(time.Second) }
		go swept(t.Context(), b.Manager, tokenstore.SweepOptions{}, 0)
		synctest.Wait() // Google is asked
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if g := load(t, memory, janeKey); !b.google.live[g.RefreshToken] {
			t.Errorf("kept %v", g)
		}
	})
}

// lists is a Store with another one's list.
type lists struct {
	tokenstore.Store
	tokenstore.Lister
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
