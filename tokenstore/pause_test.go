package tokenstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// withDeadline asks for a token as a request of a person does.
func (b *bench) withDeadline(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := b.Token(ctx, jane)
	return err
}

func statusOf(err error) int {
	if says, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err); ok {
		return says.HTTPStatus()
	}
	return 500
}

// After a failure that does not pass by itself, or repeated ones, Google is not
// asked again for a while, and callers are told at once.
func TestPauseAfterFailures(t *testing.T) {
	for code, free := range map[string]int{"admin_policy_enforced": 0, "invalid_client": 0, "internal_failure": 1, "": 1} {
		t.Run("code "+code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
				cause := &refusedError{code: code}
				b.google.fail = func(string) error { time.Sleep(time.Second); return cause }
				for range free {
					err := b.withDeadline(t)
					if _, paused := errors.AsType[*tokenstore.PausedError](err); paused || !errors.Is(err, cause) || statusOf(err) != 503 {
						t.Errorf("the first failure: %v", err)
					}
				}
				before := time.Duration(0)
				for n := range 12 {
					err := b.withDeadline(t)
					calls := b.google.calls()
					paused, ok := errors.AsType[*tokenstore.PausedError](err)
					if !ok || !errors.Is(err, cause) || statusOf(err) != 503 {
						t.Fatalf("failure %d: %v", n, err)
					}
					pause := paused.RetryAfter()
					if pause <= 0 || pause > time.Minute || !paused.Until.Equal(time.Now().Add(pause)) || n > 7 && pause < 30*time.Second || n < 1 && pause > time.Second {
						t.Errorf("pause %d: %v until %v", n, pause, paused.Until)
					}
					if n < 6 && pause < before/2 {
						t.Errorf("pause %d of %v after one of %v", n, pause, before)
					}
					before = pause
					began := time.Now()
					for range 50 {
						if err := b.withDeadline(t); !errors.Is(err, cause) {
							t.Errorf("during a pause: %v", err)
						}
					}
					if b.google.calls() != calls || time.Since(began) != 0 {
						t.Errorf("%d calls and %v during a pause", b.google.calls()-calls, time.Since(began))
					}
					time.Sleep(pause)
				}
				b.google.fail = nil
				b.token(t)
				b.Invalidate(jane, "")
				b.google.fail = func(string) error { return &refusedError{code: "internal_failure"} }
				if _, paused := errors.AsType[*tokenstore.PausedError](b.withDeadline(t)); paused {
					t.Error("a success did not end the failures in a row")
				}
			})
		})
	}
}

// A job without a deadline waits for the end of the pause, and for a sign-in that
// ends it.
func TestJobsWaitForThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.fail = func(string) error { return &refusedError{code: "policy_enforced"} }
		for range 12 {
			_ = b.withDeadline(t)
			time.Sleep(time.Minute)
		}
		err := b.withDeadline(t)
		paused, ok := errors.AsType[*tokenstore.PausedError](err)
		if !ok {
			t.Fatal(err)
		}
		b.google.fail = nil
		began := time.Now()
		b.token(t)
		if waited := time.Since(began); waited != paused.RetryAfter() {
			t.Errorf("waited %v, want %v", waited, paused.RetryAfter())
		}

		b.google.fail = func(string) error { return &refusedError{code: "policy_enforced"} }
		b.Invalidate(jane, "")
		_ = b.withDeadline(t)
		b.google.fail = nil
		began = time.Now()
		tok := b.google.consent("openid")
		calls := b.google.calls()
		go func() {
			synctest.Wait() // until the call below waits
			if _, err := b.SignIn(context.Background(), jane, tok); err != nil {
				t.Error(err)
			}
		}()
		if got := b.token(t); got != tok.AccessToken || b.google.calls() != calls || time.Since(began) != 0 {
			t.Errorf("Token = %q after %v", got, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.google.fail = func(string) error { return &refusedError{code: "policy_enforced"} }
		b.Invalidate(jane, "")
		_ = b.withDeadline(t)
		time.AfterFunc(time.Millisecond, cancel)
		if _, err := b.Token(ctx, jane); !errors.Is(err, context.Canceled) || !errors.Is(err, &refusedError{code: "policy_enforced"}) && statusOf(err) != 503 {
			t.Errorf("Token: %v", err)
		}
	})
}

// The same if another pause begins while it waits: a sign-in that covers less asks
// about the kept grant, and fails like the job.
func TestJobsSeeTheNextPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, withExtra(&oauth2.Token{RefreshToken: b.google.consent("openid " + appData).RefreshToken}, "scope", "openid "+appData))
		b.google.fail = func(string) error { return &refusedError{code: "policy_enforced"} }
		_ = b.withDeadline(t)
		tok := b.google.consent("openid")
		go func() {
			synctest.Wait() // until the call below waits
			b.signIn(t, tok)
		}()
		began := time.Now()
		if got := b.token(t); got != tok.AccessToken || time.Since(began) != 0 {
			t.Errorf("Token = %q after %v", got, time.Since(began))
		}
	})
}

// Errors that are not about the grant are for now: 503, with user and cause.
func TestFailuresForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		cause := &refusedError{code: "internal_failure"}
		b.google.fail = func(string) error { return cause }
		_ = b.withDeadline(t)
		b.google.fail = func(string) error { time.Sleep(time.Hour); return cause }
		err := b.withDeadline(t)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) || statusOf(err) != 503 {
			t.Errorf("a caller who leaves: %v", err)
		}
		noSecret(t, err, b.kept(t).RefreshToken)
		b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
		_, grantErr := b.Grant(t.Context(), jane)
		_, signInErr := b.SignIn(t.Context(), jane, b.google.consent("openid"))
		_, againErr := b.SignIn(t.Context(), john, b.google.again("openid"))
		for what, err := range map[string]error{
			"Grant": grantErr, "SignIn": signInErr, "SignIn again": againErr,
			"MarkRevoked": b.MarkRevoked(t.Context(), john, "", time.Time{}), "Disconnect": b.Disconnect(t.Context(), john),
		} {
			if !errors.Is(err, errDown) || statusOf(err) != 503 {
				t.Errorf("%s without the store: status %d, %v", what, statusOf(err), err)
			}
		}
		time.Sleep(2 * time.Hour)
	})
}

// A response without an access token that can be used is a failure like others,
// and what it says of the refresh token is kept.
func TestResponseWithoutAnAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *tokenstore.Config) {
			google := c.Refresher
			c.Refresher = refresher(func(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
				tok, err := google.Refresh(ctx, refreshToken)
				if err == nil {
					tok.Expiry = time.Now().Add(-time.Second) // the clock of this machine is wrong
				}
				return tok, err
			})
		})
		b.google.rotate = true
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		for n := range 5 {
			err := b.withDeadline(t)
			if _, paused := errors.AsType[*tokenstore.PausedError](err); paused != (n > 0) || statusOf(err) != 503 {
				t.Errorf("response %d: status %d, %v", n, statusOf(err), err)
			}
		}
		if s := b.Stats(); b.google.calls() != 2 || s.Failed != 2 || !b.google.live[b.kept(t).RefreshToken] {
			t.Errorf("%d calls, %+v, kept %v", b.google.calls(), s, b.kept(t))
		}
	})
}

// A test of a user makes a PausedError by itself.
func TestPausedErrorMadeByHand(t *testing.T) {
	err := error(&tokenstore.PausedError{Until: time.Unix(1790000000, 0)})
	if errors.Is(err, tokenstore.ErrNeedsConsent) || !strings.Contains(err.Error(), "14:13:20 UTC") || statusOf(err) != 503 {
		t.Errorf("%v, with status %d", err, statusOf(err))
	}
}

// The Refresher fails while the cached token still works: no caller waits for the pause.
// Minutes later the next failure counts as the first one again.
func TestFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *tokenstore.Config) { c.RefreshAhead = 12 * time.Minute })
		b.signIn(t, b.google.consent("openid"))
		code := "invalid_client"
		b.google.fail = func(string) error { return &refusedError{code: code} }
		time.Sleep(54 * time.Minute)
		for range 10 { // the pauses grow to a minute
			began := time.Now()
			b.token(t)
			if waited := time.Since(began); waited != 0 {
				t.Errorf("waited %v", waited)
			}
			time.Sleep(31 * time.Second)
		}
		time.Sleep(6 * time.Minute)
		code = "internal_failure"
		err := b.withDeadline(t)
		if _, paused := errors.AsType[*tokenstore.PausedError](err); err == nil || paused {
			t.Errorf("the first failure after a while: %v", err)
		}
	})
}
