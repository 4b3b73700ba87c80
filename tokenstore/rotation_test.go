package tokenstore_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// rotating is a bench whose Google rotates, with nothing cached.
func rotating(t testing.TB) *bench {
	b := newBench(t)
	b.google.rotate = true
	b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
	return b
}

func TestRotatedTokenIsSavedFirst(t *testing.T) {
	b := rotating(t)
	first := b.kept(t).RefreshToken
	saved := ""
	b.store.beforeSave = func(g tokenstore.Grant) error { saved = g.RefreshToken; return nil }
	b.token(t)
	if saved == "" || saved == first || b.kept(t).RefreshToken != saved {
		t.Errorf("saved %q, kept %q", saved, b.kept(t).RefreshToken)
	}
	second := saved
	b.Invalidate(jane, "")
	b.token(t)
	if want := []string{first, second}; !slices.Equal(b.google.asked, want) {
		t.Errorf("Google was asked with %q, want %q", b.google.asked, want)
	}
	if s := b.Stats(); s.Rotated != 2 || s.Refreshed != 2 {
		t.Errorf("Stats = %+v", s)
	}
}

// The access token waits for the store; the old refresh token is history.
func TestRotatedTokenOutlivesTheStore(t *testing.T) {
	for _, c := range []struct {
		name string
		down func(*bench, bool)
	}{
		{"cannot save", func(b *bench, down bool) {
			b.store.beforeSave = func(tokenstore.Grant) error { return map[bool]error{true: errDown}[down] }
		}},
		{"cannot load either", func(b *bench, down bool) {
			b.store.beforeSave = func(tokenstore.Grant) error { return map[bool]error{true: errDown}[down] }
			asked := len(b.google.asked)
			b.store.beforeLoad = func(tokenstore.Key) error {
				return map[bool]error{true: errDown}[down && len(b.google.asked) > asked]
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := rotating(t)
				c.down(b, true)
				for range 3 {
					if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) || errors.Is(err, tokenstore.ErrNeedsConsent) {
						t.Errorf("Token: %v", err)
					}
				}
				if b.Stats().Unsaved != 1 {
					t.Errorf("Unsaved = %d", b.Stats().Unsaved)
				}
				c.down(b, false)
				b.token(t)
				if len(b.google.asked) != 1 || b.Stats().Unsaved != 0 {
					t.Errorf("Google was asked with %q; %d unsaved", b.google.asked, b.Stats().Unsaved)
				}
				if !b.google.live[b.kept(t).RefreshToken] {
					t.Error("the token kept is a refused one")
				}
			})
		})
	}
}

// While the old access token works, nobody notices.
func TestRotatedTokenUnsavedAheadOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.rotate = true
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		time.Sleep(58 * time.Minute)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		if b.token(t) != tok.AccessToken {
			t.Error("an access token was handed out before its refresh token was saved")
		}
		b.store.beforeSave = nil
		time.Sleep(time.Hour)
		b.token(t)
		if !b.google.live[b.kept(t).RefreshToken] {
			t.Error("the token kept is a refused one")
		}
	})
}

func TestRotatedTokenWithALostResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		lost := 1
		b.store.afterSave = func(tokenstore.Grant) error {
			if lost--; lost >= 0 {
				return errDown
			}
			return nil
		}
		b.token(t)
		if !b.google.live[b.kept(t).RefreshToken] || b.Stats().Unsaved != 0 || b.google.calls() != 1 {
			t.Errorf("kept %v after %d calls", b.kept(t), b.google.calls())
		}
	})
}

// The race of two processes with one refresh token that works once: the loser
// is told invalid_grant before the winner has saved.
func TestRotationAgainstARefusalElsewhere(t *testing.T) {
	b := rotating(t)
	other := join(t, b.google, &hooked{Store: b.store.Store})
	b.google.during = func(string) {
		b.google.during = nil
		_, err := other.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonInvalidGrant)
	}
	b.token(t)
	got := b.kept(t)
	if got.State != tokenstore.Active || got.Reason != "" || !b.google.live[got.RefreshToken] {
		t.Errorf("kept %v", got)
	}
	other.token(t)
}

// What somebody said about the user is not undone by a rotation, also where the
// token that was replaced has been refused before.
func TestRotationAgainstRevokedElsewhere(t *testing.T) {
	for name, refused := range map[string]bool{"told": false, "refused and told": true} {
		t.Run(name, func(t *testing.T) {
			b := rotating(t)
			other := join(t, b.google, &hooked{Store: b.store.Store})
			b.google.during = func(string) {
				b.google.during = nil
				if refused {
					_, err := other.Token(t.Context(), jane)
					wantReason(t, err, tokenstore.ReasonInvalidGrant)
				}
				if err := other.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
					t.Error(err)
				}
			}
			_, err := b.Token(t.Context(), jane)
			wantReason(t, err, tokenstore.ReasonRevoked)
			if got := b.kept(t); got.State != tokenstore.NeedsConsent || !b.google.live[got.RefreshToken] {
				t.Errorf("kept %v", got)
			}
		})
	}
}

// Nor does a refresh that only says that the token works hand out a token then.
func TestRefreshAgainstRevokedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(8 * 24 * time.Hour) // so that there is something to write
		other := join(t, b.google, &hooked{Store: b.store.Store})
		b.google.during = func(string) {
			if err := other.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
				t.Error(err)
			}
		}
		_, err := b.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonRevoked)
		if got := b.kept(t); got.RefreshedAt.Equal(time.Now()) {
			t.Errorf("the refresh was noted in a record that was revoked: %v", got)
		}
	})
}

// A refusal does not take the place of what MarkRevoked was told, with its reason.
func TestRefusalAgainstRevokedElsewhere(t *testing.T) {
	b := rotating(t)
	b.google.kill(b.kept(t).RefreshToken)
	b.google.during = func(string) {
		if err := join(t, b.google, b.store).MarkRevoked(t.Context(), jane, "account-disabled", time.Time{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrNeedsConsent) {
		t.Errorf("Token: %v", err)
	}
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, "account-disabled")
}

func TestRefusalAdoptsANewerToken(t *testing.T) {
	b := rotating(t)
	other := join(t, b.google, &hooked{Store: b.store.Store})
	b.google.fail = func(string) error {
		b.google.fail = nil
		other.token(t) // rotates
		return nil
	}
	b.token(t)
	if got := b.kept(t); got.State != tokenstore.Active || !b.google.live[got.RefreshToken] {
		t.Errorf("kept %v", got)
	}
}

// A refused token is not sent again, also while the store does not know.
func TestRefusalOutlivesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.kill(b.kept(t).RefreshToken)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		for range 3 {
			_, err := b.Token(t.Context(), jane)
			wantReason(t, err, tokenstore.ReasonInvalidGrant)
		}
		if b.google.calls() != 1 || b.Stats().Unsaved != 1 {
			t.Errorf("%d calls, %d unsaved", b.google.calls(), b.Stats().Unsaved)
		}
		b.store.beforeSave = nil
		_, err := b.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonInvalidGrant)
		if got := b.kept(t); got.State != tokenstore.NeedsConsent || b.google.calls() != 1 || b.Stats().Unsaved != 0 {
			t.Errorf("kept %v after %d calls", got, b.google.calls())
		}
	})
}

// Where the record cannot be read again, it may hold a newer token by now.
func TestRefusalWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.kill(b.kept(t).RefreshToken)
		b.google.during = func(string) { b.store.beforeLoad = func(tokenstore.Key) error { return errDown } }
		for range 3 {
			if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) || errors.Is(err, tokenstore.ErrNeedsConsent) {
				t.Errorf("Token: %v", err)
			}
		}
		b.store.beforeLoad = nil
		tok := b.google.consent("openid")
		join(t, b.google, &hooked{Store: b.store.Store}).signIn(t, tok)
		b.google.during = nil
		b.token(t)
		if want := tok.RefreshToken; b.google.asked[len(b.google.asked)-1] != want || b.google.calls() != 2 {
			t.Errorf("Google was asked with %q", b.google.asked)
		}
	})
}

// A sign-in that comes during a refresh wins: over its writes, and in the cache.
func TestSignInDuringARefresh(t *testing.T) {
	for _, c := range []struct {
		name    string
		rotate  bool
		refused bool
		down    bool
		access  bool // the sign-in brings an access token
	}{
		{name: "plain"},
		{name: "plain, with an access token", access: true},
		{name: "rotated", rotate: true},
		{name: "rotated, with an access token", rotate: true, access: true},
		{name: "failed", down: true},
		{name: "failed, with an access token", down: true, access: true},
		{name: "refused", refused: true},
		{name: "refused, with an access token", refused: true, access: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.google.rotate = c.rotate
			b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
			if c.refused {
				b.google.kill(b.kept(t).RefreshToken)
			}
			tok := b.google.consent("openid")
			if !c.access {
				tok = &oauth2.Token{RefreshToken: tok.RefreshToken}
			}
			b.google.during = func(string) {
				b.google.during = nil
				b.signIn(t, tok)
				b.google.rotate = false
			}
			if c.down {
				b.google.fail = func(rt string) error {
					b.google.fail = nil
					b.google.during(rt)
					return &refusedError{code: "internal_failure"}
				}
			}
			got := b.token(t)
			if kept := b.kept(t); kept.RefreshToken != tok.RefreshToken || kept.State != tokenstore.Active {
				t.Errorf("kept %v", kept)
			}
			if c.access && got != tok.AccessToken {
				t.Errorf("Token = %q, not that of the newer sign-in", got)
			}
			if !c.access && b.google.asked[len(b.google.asked)-1] != tok.RefreshToken {
				t.Error("the access token is of the older grant")
			}
			if b.token(t) != got {
				t.Error("Token is not cached")
			}
		})
	}
}

// So does one in another process, as far as the store is asked.
func TestSignInElsewhereDuringARefresh(t *testing.T) {
	for name, refused := range map[string]bool{"rotated": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			b := rotating(t)
			if refused {
				b.google.kill(b.kept(t).RefreshToken)
			}
			tok := b.google.consent("openid")
			b.google.during = func(string) {
				b.google.during = nil
				b.google.rotate = false
				join(t, b.google, b.store).signIn(t, tok)
			}
			b.token(t)
			if got := b.kept(t); got.RefreshToken != tok.RefreshToken || got.State != tokenstore.Active {
				t.Errorf("kept %v", got)
			}
			if b.google.asked[len(b.google.asked)-1] != tok.RefreshToken {
				t.Error("the access token is of the older grant")
			}
		})
	}
}

// A response that repeats the refresh token rotates nothing.
func TestRefreshTokenIsRepeated(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	b.google.respond = func(tok *oauth2.Token) *oauth2.Token {
		tok.RefreshToken = b.google.asked[0]
		return tok
	}
	for range 3 {
		b.Invalidate(jane, "")
		b.token(t)
	}
	if s := b.Stats(); s.Refreshed != 3 || s.Rotated != 0 || b.store.saves != 1 {
		t.Errorf("Stats = %+v after %d writes", s, b.store.saves)
	}
}

// A plain refresh writes no row, but once a week and where something has changed.
func TestPlainRefreshWritesNoRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.scope = "openid"
		first := b.signIn(t, b.google.consent("openid"))
		for range 6 * 24 / 2 {
			time.Sleep(2 * time.Hour)
			b.token(t)
		}
		if b.store.saves != 1 {
			t.Errorf("%d writes within a week", b.store.saves)
		}
		time.Sleep(25 * time.Hour)
		b.token(t)
		got := b.kept(t)
		if b.store.saves != 2 || !got.RefreshedAt.Equal(time.Now()) || !got.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("%d writes after a week, refreshed at %v", b.store.saves, got.RefreshedAt)
		}
		b.google.scope = "openid email"
		time.Sleep(2 * time.Hour)
		b.token(t)
		if got := b.kept(t); b.store.saves != 3 || len(got.Scopes) != 2 {
			t.Errorf("scopes %q after %d writes", got.Scopes, b.store.saves)
		}
		b.google.respond = func(tok *oauth2.Token) *oauth2.Token {
			return withExtra(tok, "refresh_token_expires_in", (30 * 24 * time.Hour).Seconds())
		}
		for range 3 {
			time.Sleep(2 * time.Hour)
			b.token(t)
		}
		got = b.kept(t)
		if b.store.saves != 4 || got.RefreshTokenExpiry.IsZero() {
			t.Errorf("expires %v after %d writes", got.RefreshTokenExpiry, b.store.saves)
		}
		got.RefreshedAt = time.Now().Add(30 * 24 * time.Hour) // by a clock that was wrong
		save(t, b.store.Store, janeKey, got)
		time.Sleep(2 * time.Hour)
		b.token(t)
		if got := b.kept(t); !got.RefreshedAt.Equal(time.Now()) {
			t.Errorf("refreshed at %v, which is to come", got.RefreshedAt)
		}
	})
}

// To note that a refresh went well is no reason to fail.
func TestPlainRefreshNeedsNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(8 * 24 * time.Hour)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.token(t)
		if b.Stats().Unsaved != 0 || b.store.saves != 2 {
			t.Errorf("%d unsaved after %d writes", b.Stats().Unsaved, b.store.saves)
		}
	})
}

// A Refresher that takes all the time there is leaves some for the store.
func TestRotatedTokenAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		b.google.during = func(string) { time.Sleep(2 * time.Minute) } // longer than Config.Timeout
		b.token(t)
		if !b.google.live[b.kept(t).RefreshToken] || b.Stats().Unsaved != 0 {
			t.Error("the token kept is a refused one")
		}
	})
}

// TestRotationOfASaveWithoutResponse lets other processes act while a sign-in waits
// for the response to its Save: the saved token is rotated, and the grant that it
// replaced is kept again, as by a pending write. Its refresh token works, and that
// of the sign-in no longer does.
func TestRotationOfASaveWithoutResponse(t *testing.T) {
	for name, here := range map[string]bool{"rotated elsewhere": false, "rotated here": true} {
		t.Run(name, func(t *testing.T) { testRotationOfASaveWithoutResponse(t, here) })
	}
}

func testRotationOfASaveWithoutResponse(t *testing.T, here bool) {
	b := newBench(t)
	b.signIn(t, b.google.consent(appData))
	before, err := b.store.Load(t.Context(), janeKey)
	if err != nil {
		t.Fatal(err)
	}
	b.store.afterSave = func(tokenstore.Grant) error {
		b.store.afterSave = nil
		b.google.rotate = true
		if here {
			b.Invalidate(jane, "")
			b.token(t)
		} else {
			join(t, b.google, b.store).token(t)
		}
		b.google.rotate = false
		g, err := b.store.Load(t.Context(), janeKey)
		if err != nil {
			t.Error(err)
		}
		before.Version = g.Version
		if _, err := b.store.Save(t.Context(), janeKey, before); err != nil {
			t.Error(err)
		}
		return tokenstore.ErrConflict
	}
	tok := b.google.consent(appData)
	b.signIn(t, &oauth2.Token{RefreshToken: tok.RefreshToken})
	if here && len(b.google.asked) != 1 {
		t.Errorf("Google was asked with %q, and again with one that it has replaced", b.google.asked)
	}
	if g := b.kept(t); g.RefreshToken != before.RefreshToken || !b.google.live[g.RefreshToken] {
		t.Error("the refused refresh token of the sign-in replaced one that works")
	}
	b.token(t)
}
