package tokenstore_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

func TestSignInKeepsTheRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		tok := withExtra(b.google.consent("openid email "+appData), "refresh_token_expires_in", 604799.0)
		got := b.signIn(t, tok)
		now := time.Now().UTC()
		if got.RefreshToken != tok.RefreshToken || got.State != tokenstore.Active || got.Version == "" {
			t.Errorf("SignIn = %v with version %q", got, got.Version)
		}
		if want := []string{appData, "https://www.googleapis.com/auth/userinfo.email", "openid"}; !slices.Equal(got.Scopes, want) {
			t.Errorf("Scopes = %q, want %q", got.Scopes, want)
		}
		if want := now.Add(604799 * time.Second); !got.RefreshTokenExpiry.Equal(want) {
			t.Errorf("RefreshTokenExpiry = %v, want %v", got.RefreshTokenExpiry, want)
		}
		if got.CreatedAt != now || got.UpdatedAt != now || got.RefreshedAt != now {
			t.Errorf("times %v, %v, %v; want %v", got.CreatedAt, got.UpdatedAt, got.RefreshedAt, now)
		}
		if got.AccessToken != "" {
			t.Error("the access token is in the record")
		}
		if bytesOf(t, got) != bytesOf(t, b.kept(t)) {
			t.Error("what SignIn returns is not what is kept")
		}
		if got := b.token(t); got != tok.AccessToken || b.google.calls() != 0 {
			t.Errorf("Token = %q after %d refreshes, want the one of the sign-in", got, b.google.calls())
		}
	})
}

// What exchange makes of lifetimes that cannot be read.
func TestSignInWithAnExpiredAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		tok := withExtra(b.google.consent("openid"), "refresh_token_expires_in", "soon")
		tok.Expiry, tok.ExpiresIn = time.Now(), 0
		got := b.signIn(t, tok)
		if got.RefreshToken != tok.RefreshToken || got.State != tokenstore.Active || !got.RefreshTokenExpiry.IsZero() {
			t.Errorf("SignIn = %v, want the refresh token kept, and no end of it", got)
		}
		if got := b.token(t); got == tok.AccessToken || b.google.calls() != 1 {
			t.Errorf("Token = %q after %d refreshes, want another one after 1", got, b.google.calls())
		}
	})
}

func TestSignInAgainWithConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first := b.signIn(t, b.google.consent("openid "+appData))
		time.Sleep(time.Hour)
		second := b.signIn(t, b.google.consent("openid calendar"))
		if second.RefreshToken == first.RefreshToken || !slices.Equal(second.Scopes, []string{"calendar", "openid"}) {
			t.Errorf("SignIn = %v, want the second token with its own scopes", second)
		}
		if !second.CreatedAt.Equal(first.CreatedAt) || !second.UpdatedAt.Equal(time.Now()) {
			t.Errorf("created %v, updated %v", second.CreatedAt, second.UpdatedAt)
		}
	})
}

// A repeated sign-in brings no refresh token: the record stays byte for byte.
func TestSignInWithoutRefreshToken(t *testing.T) {
	for _, c := range []struct {
		name, scope string
		cached      bool
	}{
		{"same scopes", "openid " + appData, true},
		{"more scopes", "openid email " + appData, true},
		{"fewer scopes", "openid", false},
		{"unknown scopes", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.signIn(t, b.google.consent("openid "+appData))
				before := bytesOf(t, b.kept(t))
				time.Sleep(2 * time.Hour)
				tok := b.google.again(c.scope)
				if got := b.signIn(t, tok); bytesOf(t, got) != before {
					t.Errorf("SignIn = %v", got)
				}
				if bytesOf(t, b.kept(t)) != before || b.store.saves != 1 {
					t.Error("the record was written")
				}
				if got := b.token(t) == tok.AccessToken; got != c.cached {
					t.Errorf("its access token is served: %v, want %v", got, c.cached)
				}
			})
		})
	}
}

// Where it is not known which scopes are kept, its access token may have fewer.
func TestSignInWithoutRefreshTokenOverUnknownScopes(t *testing.T) {
	b := newBench(t)
	first := b.google.consent("")
	first.AccessToken = ""
	b.signIn(t, first)
	tok := b.google.again("openid")
	b.signIn(t, tok)
	if b.token(t) == tok.AccessToken {
		t.Error("its access token is served")
	}
}

func TestSignInWithoutRefreshTokenAndNoneKept(t *testing.T) {
	b := newBench(t)
	_, err := b.SignIn(t.Context(), jane, b.google.again("openid"))
	wantReason(t, err, tokenstore.ReasonNone)
	if !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("SignIn: %v, want ErrNotFound too", err)
	}
	if _, err := b.store.Store.Load(t.Context(), janeKey); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
}

func TestSignInOverARefusedGrant(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	if err := b.MarkRevoked(t.Context(), jane, "account-disabled", time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, err := b.SignIn(t.Context(), jane, b.google.again("openid"))
	wantReason(t, err, "account-disabled")
	_, err = b.Token(t.Context(), jane)
	wantReason(t, err, "account-disabled")

	tok := b.google.consent("openid")
	got := b.signIn(t, tok)
	if got.State != tokenstore.Active || got.Reason != "" || got.RefreshToken != tok.RefreshToken {
		t.Errorf("SignIn = %v", got)
	}
	if b.token(t) != tok.AccessToken {
		t.Error("Token is not that of the new sign-in")
	}
}

func TestSignInChecksTheSubject(t *testing.T) {
	good := `{"iss":"https://accounts.google.com","sub":"` + jane + `"}`
	for _, c := range []struct {
		name, claims string
		ok           bool
	}{
		{"the same", good, true},
		{"another user's", `{"sub":"` + john + `"}`, false},
		{"nobody's", `{"iss":"https://accounts.google.com"}`, false},
		{"another spelling of sub", `{"SUB":"` + jane + `"}`, false},
		{"a number", `{"sub":108365719284610937465}`, false},
		{"null", `{"sub":null}`, false},
		{"no JSON", `sub`, false},
		{"twice, the last one the same", `{"sub":"` + john + `","sub":"` + jane + `"}`, false},
		{"an iat that cannot be", `{"sub":"` + jane + `","iat":1e999}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			_, err := b.SignIn(t.Context(), jane, withExtra(b.google.consent("openid"), "id_token", idToken(c.claims)))
			if c.ok && err == nil {
				return
			}
			if c.ok || !errors.Is(err, tokenstore.ErrSubject) {
				t.Errorf("SignIn: %v, want ErrSubject: %v", err, !c.ok)
			}
			if b.store.saves != 0 {
				t.Error("something was written")
			}
		})
	}
	t.Run("no ID token at all", func(t *testing.T) {
		b := newBench(t)
		_, err := b.SignIn(t.Context(), jane, withExtra(b.google.consent("openid"), "id_token", "gibberish"))
		if !errors.Is(err, tokenstore.ErrSubject) {
			t.Errorf("SignIn: %v, want ErrSubject", err)
		}
	})
	t.Run("empty subject", func(t *testing.T) {
		b := newBench(t)
		if _, err := b.SignIn(t.Context(), "", b.google.consent("openid")); !errors.Is(err, tokenstore.ErrSubject) {
			t.Errorf("SignIn: %v, want ErrSubject", err)
		}
	})
	t.Run("nil token", func(t *testing.T) {
		if _, err := newBench(t).SignIn(t.Context(), jane, nil); err == nil {
			t.Error("SignIn took nil")
		}
	})
}

// A phone that hangs up must not cost the user's consent.
func TestSignInIsDetachedFromItsCaller(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tok := b.google.consent("openid")
	if _, err := b.SignIn(ctx, jane, tok); err != nil {
		t.Fatal(err)
	}
	if got := b.kept(t); got.RefreshToken != tok.RefreshToken {
		t.Errorf("kept %v", got)
	}
}

// Without a refresh token nothing can be lost, and the caller decides how long
// it takes.
func TestSignInAgainLeavesWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		b.store.loadDelay = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := b.SignIn(ctx, jane, b.google.again("openid"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 50*time.Millisecond {
			t.Errorf("SignIn: %v after %v", err, time.Since(began))
		}
	})
}

func TestSignInOutlivesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid")) // and its access token is cached
		down := true
		b.store.beforeLoad = func(tokenstore.Key) error {
			if down {
				return errDown
			}
			return nil
		}
		tok := b.google.consent("openid")
		b.signInUnsaved(t, tok)
		if got := b.Stats().Unsaved; got != 1 {
			t.Errorf("Unsaved = %d", got)
		}
		if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) {
			t.Errorf("Token: %v", err)
		}
		if err := b.Flush(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("Flush: %v", err)
		}
		down = false
		if b.token(t) != tok.AccessToken {
			t.Error("Token is not that of the sign-in")
		}
		// No clock orders the two sign-ins, so Google is asked once whether the token works.
		if got := b.kept(t); got.RefreshToken != tok.RefreshToken || b.Stats().Unsaved != 0 || b.google.calls() != 1 {
			t.Errorf("kept %v, %d unsaved, %d refreshes", got, b.Stats().Unsaved, b.google.calls())
		}
	})
}

// What could not be saved gives way to what somebody else saved later.
func TestUnsavedSignInGivesWay(t *testing.T) {
	signInElsewhere := func(t *testing.T, other *bench) { other.signIn(t, other.google.consent("openid")) }
	disconnectElsewhere := func(t *testing.T, other *bench) {
		if err := other.Disconnect(t.Context(), jane); err != nil {
			t.Fatal(err)
		}
		clear(other.google.live) // to revoke one of a user's tokens ends all of them
	}
	nothing := func(*testing.T, *bench) {}
	cannotSave := func(b *bench) { b.store.beforeSave = func(tokenstore.Grant) error { return errDown } }
	cannotLoad := func(b *bench) { b.store.beforeLoad = func(tokenstore.Key) error { return errDown } }
	for _, c := range []struct {
		name  string
		first bool // something is kept before
		fault func(*bench)
		then  func(*testing.T, *bench)
		kept  bool
	}{
		{"nothing happened, none before", false, cannotSave, nothing, true},
		{"nothing happened, one before", true, cannotSave, nothing, true},
		{"signed in elsewhere, none before", false, cannotSave, signInElsewhere, false},
		{"signed in elsewhere, one before", true, cannotSave, signInElsewhere, false},
		{"disconnected elsewhere", true, cannotSave, disconnectElsewhere, false},
		{"nothing happened, unknown before", true, cannotLoad, nothing, true},
		{"nothing happened, unknown that none before", false, cannotLoad, nothing, true},
		{"signed in elsewhere, unknown before", true, cannotLoad, signInElsewhere, false},
		{"disconnected elsewhere, unknown before", true, cannotLoad, disconnectElsewhere, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				if c.first {
					b.signIn(t, b.google.consent("openid"))
				}
				time.Sleep(time.Minute)
				c.fault(b)
				tok := b.google.consent("openid")
				b.signInUnsaved(t, tok)
				b.store.beforeSave, b.store.beforeLoad = nil, nil
				c.then(t, join(t, b.google, b.store))
				if err := b.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				g, err := b.Grant(t.Context(), jane)
				if err != nil && !errors.Is(err, tokenstore.ErrNotFound) {
					t.Fatal(err)
				}
				if got := g.RefreshToken == tok.RefreshToken; got != c.kept || b.Stats().Unsaved != 0 {
					t.Errorf("kept the unsaved token: %v, want %v; %d unsaved", got, c.kept, b.Stats().Unsaved)
				}
			})
		})
	}
}

// A sign-in that was saved late, and of which not even the record before it is
// known, is ordered by Google's clock: those of the two processes may disagree.
func TestUnsavedSignInByTheClocks(t *testing.T) {
	refused := func(t *testing.T, other *bench) {
		other.google.kill(other.kept(t).RefreshToken)
		_, err := other.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonInvalidGrant)
	}
	revoked := func(t *testing.T, other *bench) {
		if err := other.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
			t.Error(err)
		}
	}
	refreshed := func(t *testing.T, other *bench) {
		other.Invalidate(jane, "")
		other.token(t)
	}
	rotated := func(t *testing.T, other *bench) {
		other.google.rotate = true
		refreshed(t, other)
	}
	signedIn := func(t *testing.T, other *bench) { other.signIn(t, other.google.consentAt("openid", time.Now())) }
	for _, c := range []struct {
		name  string
		clock time.Duration // of the process that could not save, against the other's
		since time.Duration // the sign-in before, at the other
		then  func(*testing.T, *bench)
		kept  bool
	}{
		{"the former token is refused", 0, time.Hour, refused, true},
		{"the former token is refreshed", 0, time.Hour, refreshed, true},
		{"the former token is rotated", 0, time.Hour, rotated, true},
		{"a slow clock", -5 * time.Minute, 2 * time.Minute, nil, true},
		{"a slow clock, close together", -5 * time.Minute, time.Second, nil, true},
		{"a fast clock, and a newer sign-in", 5 * time.Minute, time.Hour, signedIn, false},
		{"a slow clock, and a revocation", -5 * time.Minute, time.Hour, revoked, true},
		{"a slow clock, and the record is written", -5 * time.Minute, time.Hour, refreshed, true},
		{"a newer sign-in", 0, time.Hour, signedIn, false},
		{"a newer sign-in by clocks a little apart", -20 * time.Second, time.Hour, signedIn, false},
		{"a newer sign-in, rotated", 0, time.Hour, func(t *testing.T, other *bench) { signedIn(t, other); rotated(t, other) }, false},
		{"a slow clock, and a sign-in long after", -5 * time.Minute, time.Hour, func(t *testing.T, other *bench) {
			time.Sleep(time.Hour)
			signedIn(t, other)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := newBench(t, func(c *tokenstore.Config) { c.ShareAccessTokens = true })
				b := join(t, other.google, &hooked{Store: other.store.Store}, func(config *tokenstore.Config) {
					config.Now = func() time.Time { return time.Now().Add(c.clock) }
				})
				first := other.google.consentAt("openid", time.Now())
				first.AccessToken = ""
				other.signIn(t, first)
				time.Sleep(c.since)
				b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
				tok := b.google.consentAt("openid", time.Now())
				b.signInUnsaved(t, tok)
				time.Sleep(time.Second)
				if c.then != nil {
					c.then(t, other)
				}
				time.Sleep(time.Second)
				b.store.beforeLoad = nil
				if err := b.Flush(t.Context()); err != nil || b.Stats().Unsaved != 0 {
					t.Fatalf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
				}
				if got := b.kept(t).RefreshToken == tok.RefreshToken; got != c.kept {
					t.Errorf("kept the unsaved token: %v, want %v", got, c.kept)
				}
			})
		})
	}
}

func TestSignInWithALostResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		lost := 1
		b.store.afterSave = func(tokenstore.Grant) error {
			if lost--; lost >= 0 {
				return errDown
			}
			return nil
		}
		tok := b.google.consent("openid")
		got := b.signIn(t, tok)
		if kept := b.kept(t); kept.Version != got.Version || kept.RefreshToken != tok.RefreshToken {
			t.Errorf("SignIn = %q, kept %q", got.Version, kept.Version)
		}
	})
}

// Nobody knows whether the store took the first one before the second came; the
// second is there, and stays.
func TestSignInGivesWayAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first, second := b.google.consent("openid"), b.google.consent("openid email")
		b.store.beforeSave = func(tokenstore.Grant) error {
			b.store.beforeSave = nil
			join(t, b.google, b.store).signIn(t, second)
			return errDown
		}
		if got := b.signIn(t, first); got.RefreshToken != second.RefreshToken || bytesOf(t, got) != bytesOf(t, b.kept(t)) {
			t.Errorf("SignIn = %v", got)
		}
		if b.token(t) == first.AccessToken {
			t.Error("the access token is not that of the grant that is kept")
		}
	})
}

func TestSignInGivesWayToNoConflict(t *testing.T) {
	b := newBench(t)
	other := join(t, b.google, &hooked{Store: b.store.Store})
	conflicts := 3
	b.store.beforeSave = func(tokenstore.Grant) error {
		if conflicts--; conflicts >= 0 {
			other.signIn(t, b.google.consent("openid"))
		}
		return nil
	}
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	if got := b.kept(t); got.RefreshToken != tok.RefreshToken {
		t.Errorf("kept %v", got)
	}
}

// Of two sign-ins at once the later in the store wins, and the access token of
// the other is not served, whichever returns last.
func TestTwoSignInsAtOnce(t *testing.T) {
	b := newBench(t)
	first, second := b.google.consent("openid"), b.google.consent("openid email")
	b.store.afterSave = func(tokenstore.Grant) error {
		b.store.afterSave = nil
		b.signIn(t, second)
		return nil
	}
	b.signIn(t, first)
	if got := b.kept(t); got.RefreshToken != second.RefreshToken {
		t.Errorf("kept %v", got)
	}
	if b.token(t) == first.AccessToken {
		t.Error("the access token is of the older grant")
	}
}

func TestTokenExtraOfEveryKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, v := range []any{3600.0, int64(3600), 3600} {
			b := newBench(t)
			got := b.signIn(t, withExtra(b.google.consent("openid"), "refresh_token_expires_in", v))
			if !got.RefreshTokenExpiry.Equal(time.Now().Add(time.Hour)) {
				t.Errorf("%T: RefreshTokenExpiry = %v", v, got.RefreshTokenExpiry)
			}
		}
		for _, v := range []any{-1.0, 0.0, 1e300, "soon", true} {
			b := newBench(t)
			got := b.signIn(t, withExtra(b.google.consent("openid"), "refresh_token_expires_in", v))
			if !got.RefreshTokenExpiry.IsZero() {
				t.Errorf("%v: RefreshTokenExpiry = %v, want none", v, got.RefreshTokenExpiry)
			}
		}
	})
}
