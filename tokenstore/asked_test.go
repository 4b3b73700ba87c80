package tokenstore_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// While Google is asked about the kept refresh token, because of a sign-in that
// covers less, another process changes the record: the sign-in is weighed again
// against the record as it is then.
func TestRecordChangesWhileGoogleIsAsked(t *testing.T) {
	const wide = "openid " + appData
	signIn := func(t *testing.T, other *bench) { other.signIn(t, other.google.consent(wide)) }
	rotate := func(t *testing.T, other *bench) {
		other.google.rotate = true
		other.token(t)
		other.google.rotate = false
	}
	revoke := func(t *testing.T, other *bench) {
		if err := other.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
			t.Error(err)
		}
	}
	disconnect := func(t *testing.T, other *bench) {
		if err := other.Disconnect(t.Context(), jane); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		name       string
		change     func(*testing.T, *bench)
		narrowKept bool
		calls      int
	}{
		{"another sign-in", signIn, false, 3},
		{"a rotation", rotate, false, 3},
		{"a revocation", revoke, true, 1},
		{"a Disconnect", disconnect, true, 1},
	} {
		for _, refused := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: ", and a refusal"}[refused], func(t *testing.T) {
				b := newBench(t)
				b.google.scope = wide
				first := &oauth2.Token{RefreshToken: b.google.consent(wide).RefreshToken}
				b.signIn(t, withExtra(first, "scope", wide))
				change := func(string) {
					b.google.fail, b.google.during = nil, nil
					c.change(t, join(t, b.google, &hooked{Store: b.store.Store}))
				}
				if refused {
					b.google.fail = func(string) error { change(""); b.google.kill(first.RefreshToken); return nil }
				} else {
					b.google.during = change
				}
				narrow := b.google.consent("openid")
				got, kept := b.signIn(t, narrow), b.kept(t)
				if (kept.RefreshToken == narrow.RefreshToken) != c.narrowKept || bytesOf(t, got) != bytesOf(t, kept) {
					t.Errorf("SignIn = %v, kept %v; want the narrow one: %v", got, kept, c.narrowKept)
				}
				if kept.State != tokenstore.Active || !b.google.live[kept.RefreshToken] {
					t.Errorf("kept %v, which does not work", kept)
				}
				if got := b.google.calls(); got != c.calls {
					t.Errorf("%d calls of Google, want %d", got, c.calls)
				}
			})
		}
	}
}

// The record changes once more when the refusal is in it, before it is read again.
func TestRecordChangesAfterARefusal(t *testing.T) {
	b := newBench(t)
	b.google.scope = "openid " + appData
	b.google.kill(b.signIn(t, b.google.consent(b.google.scope)).RefreshToken)
	wide := b.google.consent(b.google.scope)
	b.store.afterSave = func(tokenstore.Grant) error {
		b.store.afterSave = nil
		join(t, b.google, &hooked{Store: b.store.Store}).signIn(t, wide)
		return nil
	}
	if got := b.signIn(t, b.google.consent("openid")); got.RefreshToken != wide.RefreshToken || b.kept(t).RefreshToken != wide.RefreshToken {
		t.Errorf("SignIn = %v, kept %v", got, b.kept(t))
	}
}

// A sign-in that could not be saved, and that no clock orders, waits until Google can
// be asked: it neither replaces a grant that may work nor is it dropped.
func TestUnsavedSignInWaitsForGoogle(t *testing.T) {
	for name, another := range map[string]bool{"about the sign-in": false, "about the kept one": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				down := func() error { return errDown }
				b.signIn(t, b.google.consent("openid"))
				time.Sleep(time.Minute)
				if another {
					b.store.beforeSave = func(tokenstore.Grant) error { return down() }
				} else {
					b.store.beforeLoad = func(tokenstore.Key) error { return down() }
				}
				tok := b.google.consent("openid")
				b.signInUnsaved(t, tok)
				b.store.beforeSave, b.store.beforeLoad = nil, nil
				before := b.kept(t).RefreshToken
				if another {
					before = b.google.consent("openid").RefreshToken
					join(t, b.google, &hooked{Store: b.store.Store}).signIn(t, &oauth2.Token{RefreshToken: before})
				}
				b.google.fail = func(refreshToken string) error {
					if another == (refreshToken == before) {
						return &refusedError{code: "internal_failure"}
					}
					return nil
				}
				if err := b.Flush(t.Context()); err == nil || b.Stats().Unsaved != 1 || b.kept(t).RefreshToken != before {
					t.Errorf("Flush: %v, %d unsaved, kept %v", err, b.Stats().Unsaved, b.kept(t))
				}
				b.google.fail = nil
				if err := b.Flush(t.Context()); err != nil || b.Stats().Unsaved != 0 {
					t.Errorf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
				}
				if got := b.kept(t).RefreshToken; another != (got == before) || !another && got != tok.RefreshToken {
					t.Errorf("kept %q", got)
				}
			})
		})
	}
}

// Google rotates the refresh token of a sign-in that it is asked about, or repeats
// it: that is the one to keep, and the access token is used.
func TestUnsavedSignInIsRotated(t *testing.T) {
	for name, rotate := range map[string]bool{"rotated": true, "repeated": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.signIn(t, b.google.consent("openid"))
				b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
				time.Sleep(time.Minute)
				tok := b.google.consent("openid")
				b.signInUnsaved(t, tok)
				time.Sleep(2 * time.Hour)
				b.store.beforeLoad = nil
				b.google.rotate = rotate
				if !rotate {
					b.google.respond = func(next *oauth2.Token) *oauth2.Token {
						next.RefreshToken = tok.RefreshToken
						return next
					}
				}
				b.token(t)
				kept := b.kept(t)
				if !b.google.live[kept.RefreshToken] || !rotate && kept.RefreshToken != tok.RefreshToken || b.google.calls() != 1 {
					t.Errorf("kept %v after %d calls", kept, b.google.calls())
				}
				b.Invalidate(jane, "")
				b.token(t)
				if !rotate {
					return
				}
				backup := b.kept(t) // a record from before comes back: what was replaced is refused
				backup.RefreshToken = tok.RefreshToken
				save(t, b.store.Store, janeKey, backup)
				b.Invalidate(jane, "")
				_, err := b.Token(t.Context(), jane)
				wantReason(t, err, tokenstore.ReasonInvalidGrant)
				if b.google.calls() != 2 {
					t.Errorf("Google was asked with %q", b.google.asked)
				}
			})
		})
	}
}

// For one user Google is asked one question at a time: a refresh token may work only
// once.
func TestOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		time.Sleep(time.Minute)
		var asking, most atomic.Int32
		b.google.fail = func(string) error {
			most.Store(max(most.Load(), asking.Add(1)))
			time.Sleep(10 * time.Second)
			asking.Add(-1)
			return nil
		}
		go func() { _, _ = b.Token(t.Context(), jane) }()
		synctest.Wait()
		failures := 1
		b.store.beforeLoad = func(tokenstore.Key) error {
			if failures--; failures >= 0 {
				return errDown
			}
			return nil
		}
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		if b.kept(t).RefreshToken != tok.RefreshToken || most.Load() != 1 || b.google.calls() != 2 {
			t.Errorf("kept %v after %d questions, %d at a time", b.kept(t), b.google.calls(), most.Load())
		}
	})
}

// A Google that does not respond leaves time to save the sign-in.
func TestSignInWhileGoogleHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *tokenstore.Config) { c.Refresher = hangs{} })
		b.signIn(t, b.google.consent("openid "+appData))
		narrow := b.google.consent("openid")
		if got := b.signIn(t, narrow); got.RefreshToken != narrow.RefreshToken || b.kept(t).RefreshToken != narrow.RefreshToken {
			t.Errorf("SignIn = %v, kept %v", got, b.kept(t))
		}
	})
}

type hangs struct{}

func (hangs) Refresh(ctx context.Context, _ string) (*oauth2.Token, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Where Google's clock does not put two sign-ins in an order, the one that comes in
// is the later one.
func TestSignInsWithoutAnOrder(t *testing.T) {
	const none = time.Duration(-1) // no ID token
	for name, c := range map[string]struct {
		skew, first, second time.Duration // the ID tokens, against now
	}{
		"only the kept one has Google's time": {-5 * time.Minute, 0, none},
		"only the new one has Google's time":  {5 * time.Minute, none, 0},
		"in the same second":                  {0, 0, 0},
		"the kept one has a time to come":     {0, 48 * time.Hour, 0},
		"the new one has a time before 1970":  {0, 0, -50 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(config *tokenstore.Config) {
					config.Now = func() time.Time { return time.Now().Add(c.skew) }
				})
				consent := func(at time.Duration) *oauth2.Token {
					if at == none {
						return b.google.consent("openid")
					}
					return b.google.consentAt("openid", time.Now().Add(at))
				}
				b.signIn(t, consent(c.first))
				tok := consent(c.second)
				if got := b.signIn(t, tok); got.RefreshToken != tok.RefreshToken || b.kept(t).RefreshToken != tok.RefreshToken {
					t.Errorf("SignIn = %v, kept %v", got, b.kept(t))
				}
			})
		})
	}
}

// Of two sign-ins of one second, from two processes, one could not be saved at once:
// it does not replace the other, which works, and less so if it has been revoked.
func TestUnsavedSignInOfTheSameSecond(t *testing.T) {
	for name, revoked := range map[string]bool{"both work": false, "the unsaved one is revoked": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.signIn(t, b.google.consentAt("openid", time.Now()))
				time.Sleep(time.Minute)
				at := time.Now()
				if revoked {
					b.store.beforeLoad = func(tokenstore.Key) error { return errDown } // no Save is tried
				} else {
					b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
				}
				tok := b.google.consentAt("openid", at)
				b.signInUnsaved(t, tok)
				b.store.beforeLoad, b.store.beforeSave = nil, nil
				other := b.google.consentAt("openid", at)
				join(t, b.google, &hooked{Store: b.store.Store}).signIn(t, other)
				if revoked {
					b.google.kill(tok.RefreshToken)
				}
				if err := b.Flush(t.Context()); err != nil || b.kept(t).RefreshToken != other.RefreshToken {
					t.Errorf("Flush: %v, kept %v", err, b.kept(t))
				}
			})
		})
	}
}

// A sign-in that meets a Disconnect at the store is kept only if Google says that its
// token still works.
func TestSignInMeetsADisconnectElsewhere(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	tok := b.google.consent("openid")
	b.store.beforeSave = func(tokenstore.Grant) error {
		b.store.beforeSave = nil
		if err := join(t, b.google, b.store).Disconnect(t.Context(), jane); err != nil {
			t.Error(err)
		}
		b.google.kill(tok.RefreshToken) // to revoke one of a user's tokens ends all of them
		return nil
	}
	_, err := b.SignIn(t.Context(), jane, tok)
	wantReason(t, err, tokenstore.ReasonNone)
	if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Grant: %v", err)
	}
	if !slices.Equal(b.google.asked, []string{tok.RefreshToken}) {
		t.Errorf("Google was asked with %q", b.google.asked)
	}
}
