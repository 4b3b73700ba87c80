package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// An older sign-in that could not be saved does not displace a rotated refresh
// token that could not be saved either.
func TestPendingRotationAndSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.rotate = true
		older := b.google.consentAt("openid", time.Now())
		time.Sleep(time.Minute)
		first := b.google.consentAt("openid", time.Now())
		first.AccessToken = ""
		b.signIn(t, first)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) {
			t.Errorf("Token: %v", err)
		}
		b.signInUnsaved(t, older)
		b.store.beforeSave = nil
		if err := b.Flush(t.Context()); err != nil || b.Stats().Unsaved != 0 {
			t.Errorf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
		}
		if kept := b.kept(t); kept.RefreshToken == older.RefreshToken || !b.google.live[kept.RefreshToken] {
			t.Errorf("kept %v, a refused one", kept)
		}
	})
}

// A newer sign-in that waits behind a rotation is kept when both can be saved.
func TestPendingSignInBehindARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		_, _ = b.Token(t.Context(), jane)
		time.Sleep(time.Second)
		tok := b.google.consent("openid")
		_, _ = b.SignIn(t.Context(), jane, tok)
		b.store.beforeSave = nil
		b.google.rotate = false
		if b.token(t) != tok.AccessToken || b.kept(t).RefreshToken != tok.RefreshToken {
			t.Errorf("kept %v", b.kept(t))
		}
	})
}

// An access token that has expired while its refresh token was pending is not
// handed out.
func TestPendingAccessTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		_, _ = b.Token(t.Context(), jane)
		time.Sleep(2 * time.Hour)
		b.store.beforeSave = nil
		tok, err := b.Token(t.Context(), jane)
		if err != nil || !tok.Expiry.After(time.Now()) || b.google.calls() != 2 {
			t.Errorf("Token expires %v, %v, after %d calls", tok.Expiry, err, b.google.calls())
		}
	})
}

// Disconnect does not go on while a rotated refresh token is not saved: it would
// leave that alive and forgotten.
func TestDisconnectWithAPendingRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		_, _ = b.Token(t.Context(), jane)
		if err := b.Disconnect(t.Context(), jane); !errors.Is(err, errDown) || len(b.google.revoked) != 0 {
			t.Errorf("Disconnect: %v; revoked %q", err, b.google.revoked)
		}
		b.store.beforeSave = nil
		if err := b.Disconnect(t.Context(), jane); err != nil || len(b.google.live) != 0 {
			t.Errorf("Disconnect: %v; alive: %v", err, b.google.live)
		}
	})
}

// A rotation that arrives while the user is disconnected is revoked, whichever
// process does which.
func TestRotationDuringADisconnect(t *testing.T) {
	for name, elsewhere := range map[string]bool{"here": false, "elsewhere": true} {
		t.Run(name, func(t *testing.T) {
			b := rotating(t)
			by := b
			if elsewhere {
				by = join(t, b.google, &hooked{Store: b.store.Store})
			}
			b.google.during = func(string) {
				if err := by.Disconnect(t.Context(), jane); err != nil {
					t.Error(err)
				}
			}
			_, err := b.Token(t.Context(), jane)
			wantReason(t, err, tokenstore.ReasonNone)
			if len(b.google.live) != 0 {
				t.Errorf("alive and forgotten: %v", b.google.live)
			}
		})
	}
}

// A sign-in whose Save got no response, and which was disconnected since, is not
// written back, also for a user who was new.
func TestSignInAgainstADisconnectElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var late tokenstore.Grant
		b.store.afterSave = func(g tokenstore.Grant) error {
			b.store.afterSave, late = nil, g
			if err := join(t, b.google, b.store).Disconnect(t.Context(), jane); err != nil {
				t.Error(err)
			}
			return errDown
		}
		_, err := b.SignIn(t.Context(), jane, b.google.consent("openid"))
		wantReason(t, err, tokenstore.ReasonNone)
		if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("Grant: %v", err)
		}
		save(t, b.store.Store, janeKey, late) // by a slow writer: Google is not asked again
		_, err = b.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonInvalidGrant)
		if b.google.calls() != 1 {
			t.Errorf("Google was asked with %q", b.google.asked)
		}
	})
}

// outage makes n users whose sign-ins are pending.
func outage(t *testing.T, n int) *bench {
	b := newBench(t)
	b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
	for i := range n {
		if _, err := b.SignIn(t.Context(), fmt.Sprint(1000000+i), b.google.consent("openid")); !errors.Is(err, errDown) {
			t.Fatal(err)
		}
	}
	if got := b.Stats().Unsaved; got != n {
		t.Fatalf("%d unsaved, want %d", got, n)
	}
	return b
}

func TestFlushSavesSixteenAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := outage(t, 160)
		var saving, most atomic.Int32
		b.store.beforeSave = func(tokenstore.Grant) error {
			most.Store(max(most.Load(), saving.Add(1)))
			defer saving.Add(-1)
			time.Sleep(10 * time.Millisecond)
			return nil
		}
		began := time.Now()
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 150*time.Millisecond || b.Stats().Unsaved != 0 {
			t.Errorf("took %v with up to %d at a time; %d unsaved", took, most.Load(), b.Stats().Unsaved)
		}
		synctest.Wait()
	})
}

// A write that succeeds takes pending ones of other users along, who may never
// call this process again.
func TestSaveTakesOthersAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := outage(t, 50)
		b.store.beforeSave = nil
		b.signIn(t, b.google.consent("openid"))
		synctest.Wait()
		time.Sleep(time.Second)
		if got := b.Stats().Unsaved; got != 0 {
			t.Errorf("%d users are still unsaved", got)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := outage(t, 20)
		b.store.beforeSave = nil
		b.google.rotate = true
		if _, err := b.SignIn(t.Context(), john, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // what that has taken along
		b.google.fail = func(string) error { time.Sleep(10 * time.Second); return nil }
		hurry, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Token(hurry, john); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Token: %v", err)
		}
		stopped := errors.New("the server stops")
		short, cancel := context.WithTimeoutCause(t.Context(), time.Second, stopped)
		defer cancel()
		if err := b.Close(short); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, stopped) {
			t.Errorf("Close in a hurry: %v", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		g := load(t, b.store.Store, johnKey)
		if b.Stats().Unsaved != 0 || !b.google.live[g.RefreshToken] {
			t.Errorf("%d unsaved, kept %v", b.Stats().Unsaved, g)
		}
		b.signIn(t, b.google.consent("openid")) // it goes on working
		if err := b.Close(t.Context()); err != nil {
			t.Errorf("Close again: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// Close saves what becomes pending while it waits.
func TestCloseWaitsBeforeItSaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		b.google.fail = func(string) error { time.Sleep(10 * time.Second); return nil }
		saves := 0
		b.store.beforeSave = func(tokenstore.Grant) error {
			if saves++; saves <= 4 { // all the tries of the refresh
				return errDown
			}
			return nil
		}
		hurry, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Token(hurry, jane); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Token: %v", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if b.Stats().Unsaved != 0 || !b.google.live[b.kept(t).RefreshToken] {
			t.Errorf("%d unsaved, kept %v", b.Stats().Unsaved, b.kept(t))
		}
	})
}

func TestCloseWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := outage(t, 3)
		if err := b.Close(t.Context()); !errors.Is(err, errDown) || statusOf(err) != 503 || b.Stats().Unsaved != 3 {
			t.Errorf("Close: %v", err)
		}
	})
}

// SignIn returns at its caller's deadline, and goes on saving.
func TestSignInReturnsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.store.loadDelay = 10 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		tok := b.google.consent("openid")
		_, err := b.SignIn(ctx, jane, tok)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second || statusOf(err) != 503 {
			t.Errorf("SignIn: %v after %v", err, time.Since(began))
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if b.kept(t).RefreshToken != tok.RefreshToken || b.token(t) != tok.AccessToken {
			t.Errorf("kept %v", b.kept(t))
		}
	})
}

// Between Google's response and the Save there is no Load.
func TestRotationIsSavedWithoutALoad(t *testing.T) {
	b := rotating(t)
	loads := 0
	b.store.beforeLoad = func(tokenstore.Key) error { loads++; return nil }
	b.token(t)
	if loads != 1 || b.Stats().Rotated != 1 {
		t.Errorf("%d loads for a rotation", loads)
	}
}

// Nothing stays in memory of users without a token, a failure or a pending write.
func TestUsersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range 20 {
			subject := fmt.Sprint(1000000 + i)
			_, _ = b.Token(t.Context(), subject)
			_, _ = b.Grant(t.Context(), subject)
			_ = b.Disconnect(t.Context(), subject)
			_ = b.MarkRevoked(t.Context(), subject, "", time.Time{})
			b.Invalidate(subject, "")
			tok := &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken}
			if _, err := b.SignIn(t.Context(), subject, tok); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Token(t.Context(), subject); err != nil {
				t.Fatal(err)
			}
			if err := b.Disconnect(t.Context(), subject); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := b.Stats().Cached; got != 0 {
			t.Errorf("%d users in memory", got)
		}
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.fail = func(string) error { return &refusedError{code: "internal_failure"} }
		_ = b.withDeadline(t)
		synctest.Wait()
		if got := b.Stats().Cached; got != 1 { // the failure counts for a while
			t.Errorf("%d users in memory", got)
		}
		time.Sleep(10 * time.Minute)
		_, _ = b.Token(t.Context(), john)
		synctest.Wait()
		if got := b.Stats().Cached; got != 0 {
			t.Errorf("%d users in memory", got)
		}
	})
}

// The number of users in memory is bounded; those whose tokens end first leave
// first, and pending writes never.
func TestCacheSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *tokenstore.Config) { c.CacheSize = 100 })
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		if _, err := b.SignIn(t.Context(), john, b.google.consent("openid")); !errors.Is(err, errDown) {
			t.Fatal(err)
		}
		b.store.beforeSave = nil
		b.google.life = 10 * time.Hour
		long := b.many(t, 0, 50)
		synctest.Wait() // for the pending sign-in, which they took along
		b.google.life = time.Hour
		b.many(t, 1000, 500)
		time.Sleep(time.Second)
		if got := b.Stats(); got.Cached != 100 {
			t.Errorf("%d users in memory", got.Cached)
		}
		before := b.google.calls()
		for _, subject := range long {
			if _, err := b.Token(t.Context(), subject); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.google.calls() - before; got != 0 {
			t.Errorf("%d of the tokens that last longest had left", got)
		}
		if g := load(t, b.store.Store, johnKey); g.RefreshToken == "" {
			t.Error("the pending sign-in is lost")
		}
	})
}

// A subject that cannot be one touches nothing: an empty one once emptied the
// cache of others.
func TestImpossibleSubjects(t *testing.T) {
	b := newBench(t)
	subjects := b.many(t, 0, 100)
	for _, subject := range []string{"", "a\nb", "\xff"} {
		b.Invalidate(subject, "")
		_, tokenErr := b.Token(t.Context(), subject)
		_, grantErr := b.Grant(t.Context(), subject)
		_, signInErr := b.SignIn(t.Context(), subject, b.google.consent("openid"))
		for _, err := range []error{tokenErr, grantErr, signInErr, b.Disconnect(t.Context(), subject), b.MarkRevoked(t.Context(), subject, "", time.Time{})} {
			if !errors.Is(err, tokenstore.ErrSubject) {
				t.Errorf("%q: %v", subject, err)
			}
		}
	}
	for _, subject := range subjects {
		if _, err := b.Token(t.Context(), subject); err != nil {
			t.Fatal(err)
		}
	}
	if b.google.calls() != 0 || b.Stats().Cached != 100 {
		t.Errorf("%d refreshes, %d cached", b.google.calls(), b.Stats().Cached)
	}
}

// A second refresh with the same record waits for the first. If that has brought a
// refresh token that could not be saved, the second must not take its place with
// the refusal of the former one.
func TestRefreshBehindAnUnsavedRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(tokenstore.Memory)
		store := &hooked{Store: memory}
		b := join(t, newGoogle(), store, func(c *tokenstore.Config) { c.Store = lists{store, memory} })
		b.google.rotate = true
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		time.Sleep(time.Second) // so that it is idle
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.google.during = func(string) { time.Sleep(time.Second) }
		go func() { _, _ = b.Token(t.Context(), jane) }()
		synctest.Wait()
		for subject, err := range b.Sweep(t.Context(), tokenstore.SweepOptions{Idle: time.Nanosecond}) {
			if subject != jane || err != nil {
				t.Errorf("Sweep: %q, %v", subject, err)
			}
		}
		b.store.beforeSave = nil
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g := b.kept(t); g.State != tokenstore.Active || !b.google.live[g.RefreshToken] || b.google.calls() != 1 {
			t.Errorf("kept %v after %d refreshes", g, b.google.calls())
		}
	})
}

// The later of two sign-ins that wait for the store is kept: by Google's clock, and in
// the order in which they came where that does not say.
func TestPendingSignInsInTheirOrder(t *testing.T) {
	for name, c := range map[string]struct {
		skew   time.Duration
		first  func(*google) *oauth2.Token
		second func(*google) *oauth2.Token
		want   int
	}{
		"by Google's clock": {0,
			func(g *google) *oauth2.Token { return g.consentAt("openid", time.Now()) },
			func(g *google) *oauth2.Token { return g.consentAt("openid", time.Now().Add(-time.Hour)) }, 0},
		"by a fast clock and Google's": {5 * time.Minute,
			func(g *google) *oauth2.Token { return g.consent("openid") },
			func(g *google) *oauth2.Token { return g.consentAt("openid", time.Now()) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(config *tokenstore.Config) {
					config.Now = func() time.Time { return time.Now().Add(c.skew) }
				})
				b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
				toks := []*oauth2.Token{c.first(b.google), c.second(b.google)}
				for _, tok := range toks {
					b.signInUnsaved(t, tok)
					time.Sleep(time.Second)
				}
				b.store.beforeSave = nil
				if err := b.Flush(t.Context()); err != nil || b.kept(t).RefreshToken != toks[c.want].RefreshToken {
					t.Errorf("Flush: %v, kept %v", err, b.kept(t))
				}
			})
		})
	}
}

// A sign-in that waits for the store outlives a rotation that is saved after it came.
func TestPendingSignInOutlivesARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		time.Sleep(time.Second)
		tok := b.google.consent("openid")
		b.google.during = func(string) {
			b.google.during, b.google.rotate = nil, false
			b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
			b.signInUnsaved(t, tok)
			b.store.beforeSave = nil
		}
		_, _ = b.Token(t.Context(), jane)
		if err := b.Flush(t.Context()); err != nil || b.kept(t).RefreshToken != tok.RefreshToken {
			t.Errorf("Flush: %v, kept %v", err, b.kept(t))
		}
	})
}

// A refresh that begins with a save is shared all the same.
func TestRefreshAfterAPendingSignInIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		tok := &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken}
		b.signInUnsaved(t, tok)
		b.store.beforeSave = nil
		b.google.fail = func(string) error { time.Sleep(time.Second); return nil }
		go func() { _, _ = b.Token(t.Context(), jane) }()
		synctest.Wait() // it has saved the sign-in, and asks Google
		b.token(t)
		if !slices.Equal(b.google.asked, []string{tok.RefreshToken}) {
			t.Errorf("Google was asked with %q", b.google.asked)
		}
	})
}
