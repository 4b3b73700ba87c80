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
	"golang.org/x/oauth2"
)

// A sign-in whose response was lost or late, and whose token Google has replaced
// since, must not come back in place of the new one, which waits for the store.
func TestUnsavedSignInAgainstItsRotation(t *testing.T) {
	for name, lost := range map[string]error{"the response is late": nil, "the response is lost": errDown} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.google.rotate = true
				down := func(tokenstore.Grant) error { return errDown }
				b.store.afterSave = func(tokenstore.Grant) error {
					b.store.afterSave, b.store.beforeSave = nil, down
					if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) {
						t.Errorf("Token: %v", err)
					}
					b.store.beforeLoad = func(tokenstore.Key) error { return lost }
					return lost
				}
				if _, err := b.SignIn(t.Context(), jane, b.google.consent("openid")); !errors.Is(err, lost) {
					t.Errorf("SignIn: %v", err)
				}
				time.Sleep(time.Second) // what was taken along has been tried
				synctest.Wait()
				b.store.beforeSave, b.store.beforeLoad = nil, nil
				if err := b.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				b.token(t)
				if !b.google.live[b.kept(t).RefreshToken] || b.google.calls() != 1 {
					t.Errorf("kept %v after %d calls", b.kept(t), b.google.calls())
				}
			})
		})
	}
}

// Nor does the access token of one that has been revoked since come back.
func TestUnsavedSignInThatWasRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.store.afterSave = func(tokenstore.Grant) error {
			b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
			return errDown
		}
		b.signInUnsaved(t, b.google.consent("openid"))
		b.store.afterSave, b.store.beforeLoad = nil, nil
		if err := join(t, b.google, b.store).MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		_, err := b.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonRevoked)
		if b.Stats().Unsaved != 0 {
			t.Errorf("%d unsaved", b.Stats().Unsaved)
		}
	})
}

// Nor one that somebody has ended since: nothing is kept then.
func TestUnsavedSignInAgainstADisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		disconnect := func() {
			if err := join(t, b.google, b.store).Disconnect(t.Context(), jane); err != nil {
				t.Error(err)
			}
		}
		b.google.rotate = true
		b.google.during = func(string) { disconnect() }
		b.store.afterSave = func(tokenstore.Grant) error {
			b.store.afterSave = nil
			_, err := b.Token(t.Context(), jane)
			wantReason(t, err, tokenstore.ReasonNone)
			return errDown
		}
		_, err := b.SignIn(t.Context(), jane, b.google.consent("openid"))
		wantReason(t, err, tokenstore.ReasonNone)
		if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("Grant: %v", err)
		}
	})
}

// The user is disconnected and signs in again before that has deleted the record.
// The store does not take the sign-in until it has: the refresh token works, and
// is kept.
func TestUnsavedSignInDuringADisconnectElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		kept := b.kept(t)
		b.google.kill(kept.RefreshToken) // as the Disconnect does first
		tok := b.google.consent("openid")
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.signInUnsaved(t, tok)
		b.store.beforeSave = nil
		if err := b.store.Delete(t.Context(), janeKey, kept.Version); err != nil {
			t.Fatal(err)
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g, err := b.Grant(t.Context(), jane); err != nil || g.RefreshToken != tok.RefreshToken {
			t.Errorf("Grant = %v, %v", g, err)
		}
	})
}

// While a narrower sign-in waits for a refresh of the kept token, another sign-in
// is saved, and no clock says which is the later. The narrower one has been ended
// since: it does not replace one that works.
func TestSignInOvertakenByAnother(t *testing.T) {
	b := newBench(t)
	b.google.scope = "openid " + appData
	b.signIn(t, b.google.consent(b.google.scope))
	narrow, wide := b.google.consent("openid"), b.google.consent(b.google.scope)
	b.google.during = func(string) {
		b.google.during = nil
		b.google.kill(narrow.RefreshToken)
		join(t, b.google, b.store).signIn(t, wide)
	}
	b.google.fail = func(refreshToken string) error {
		if refreshToken == wide.RefreshToken {
			return errDown
		}
		return nil
	}
	if g := b.signIn(t, narrow); g.RefreshToken != wide.RefreshToken || b.kept(t).RefreshToken != wide.RefreshToken {
		t.Errorf("SignIn = %v, kept %v, which does not work", g, b.kept(t))
	}
}

// Of two sign-ins that the store would not take from two processes, the newer one
// is kept, whichever is saved first.
func TestUnsavedSignInsOfTwo(t *testing.T) {
	for _, test := range []struct {
		name                 string
		returning, newerLast bool
		between              time.Duration
	}{
		{"new user, older last", false, false, time.Minute},
		{"new user, newer last", false, true, time.Minute},
		{"older last", true, false, time.Minute},
		{"newer last", true, true, time.Minute},
		{"newer last, close together", true, true, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				newer := join(t, b.google, b.store)
				if test.returning {
					b.signIn(t, b.google.consent("openid"))
				}
				b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
				b.signInUnsaved(t, b.google.consent("openid"))
				time.Sleep(test.between)
				tok := b.google.consent("openid email")
				if _, err := newer.SignIn(t.Context(), jane, tok); !errors.Is(err, errDown) {
					t.Errorf("SignIn: %v", err)
				}
				b.store.beforeSave = nil
				order := []*bench{newer, b}
				if test.newerLast {
					slices.Reverse(order)
				}
				for _, m := range order {
					if err := m.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if kept := b.kept(t); kept.RefreshToken != tok.RefreshToken || kept.Missing("email") != nil {
					t.Errorf("kept %v, of the older one", kept)
				}
			})
		})
	}
}

// One that another, saved at once, has outrun stays past, whatever has become of
// that one, and whatever the clocks say.
func TestUnsavedSignInAgainstOneThatWasSaved(t *testing.T) {
	for name, rotate := range map[string]bool{"rotated": true, "refreshed": false} {
		for _, share := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", shared: ", share), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t)
					b.google.rotate = rotate
					newer := join(t, b.google, &hooked{Store: b.store.Store}, func(c *tokenstore.Config) {
						c.ShareAccessTokens = share
						c.Now = func() time.Time { return time.Now().Add(-5 * time.Minute) }
					})
					newer.signIn(t, b.google.consentAt("openid", time.Now()))
					b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
					_, _ = b.SignIn(t.Context(), jane, b.google.consentAt("openid", time.Now()))
					time.Sleep(time.Minute)
					newer.signIn(t, b.google.consentAt("openid email", time.Now()))
					time.Sleep(2 * time.Hour)
					newer.token(t)
					want := b.kept(t).RefreshToken
					b.store.beforeSave = nil
					if err := b.Flush(t.Context()); err != nil {
						t.Error(err)
					}
					if kept := b.kept(t); kept.RefreshToken != want || !b.google.live[want] {
						t.Errorf("kept %v, of the older one", kept)
					}
				})
			})
		}
	}
}

// A client of the store that sends again what got no response meets a conflict with
// its own write, and what has come of that meanwhile.
func TestSignInAgainstItsOwnWrite(t *testing.T) {
	for name, then := range map[string]func(t *testing.T, other *bench){
		"kept":    func(*testing.T, *bench) {},
		"rotated": func(t *testing.T, other *bench) { other.token(t) },
		"replaced": func(t *testing.T, other *bench) {
			other.signIn(t, other.google.consentAt("openid", time.Now().Add(time.Minute)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.google.rotate = true
			other := join(t, b.google, &hooked{Store: b.store.Store})
			var want string
			b.store.afterSave = func(tokenstore.Grant) error {
				b.store.afterSave = nil
				then(t, other)
				want = b.kept(t).RefreshToken
				return tokenstore.ErrConflict
			}
			got := b.signIn(t, b.google.consentAt("openid", time.Now()))
			if kept := b.kept(t); kept.RefreshToken != want || got.RefreshToken != want {
				t.Errorf("SignIn = %v, kept %v", got, kept)
			}
		})
	}
}

// A sign-in replaces an imported record also where it brings the same token.
func TestSignInWithAnImportedToken(t *testing.T) {
	b := newBench(t)
	tok := b.google.consent("openid email")
	save(t, b.store.Store, janeKey, tokenstore.Grant{RefreshToken: tok.RefreshToken, State: tokenstore.NeedsConsent, Reason: "imported"})
	if got := b.signIn(t, tok); got.State != tokenstore.Active || got.Missing("email") != nil || b.kept(t).State != tokenstore.Active {
		t.Errorf("SignIn = %v, kept %v", got, b.kept(t))
	}
}

// The refresh token that is kept, brought by another sign-in, is alive again.
func TestSignInWithTheKeptToken(t *testing.T) {
	for _, failures := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			tok := b.google.consent("openid")
			b.signIn(t, tok)
			if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
				t.Fatal(err)
			}
			b.store.beforeSave = func(tokenstore.Grant) error {
				if failures--; failures >= 0 {
					return errDown
				}
				return nil
			}
			if got := b.signIn(t, tok); got.State != tokenstore.Active || b.kept(t).State != tokenstore.Active {
				t.Errorf("SignIn = %v, kept %v", got, b.kept(t))
			}
		})
	}
}

// One whose response was lost, and that another has replaced since, stays past, also
// where the clock of the other is behind.
func TestUnsavedSignInAgainstALaterOne(t *testing.T) {
	for name, disconnected := range map[string]bool{"replaced": false, "disconnected between": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			late := join(t, b.google, b.store, func(c *tokenstore.Config) {
				c.Now = func() time.Time { return time.Now().Add(-5 * time.Minute) }
			})
			b.signIn(t, b.google.consentAt("openid", time.Now()))
			tok := b.google.consentAt("openid", time.Now().Add(time.Minute))
			b.store.afterSave = func(tokenstore.Grant) error {
				b.store.afterSave = nil
				if disconnected {
					if err := late.Disconnect(t.Context(), jane); err != nil {
						t.Error(err)
					}
				}
				tok = b.google.consentAt("openid", time.Now().Add(2*time.Minute))
				if _, err := late.SignIn(t.Context(), jane, tok); err != nil {
					t.Error(err)
				}
				return errDown
			}
			_, _ = b.SignIn(t.Context(), jane, tok)
			_ = b.Flush(t.Context())
			if kept := b.kept(t); kept.RefreshToken != tok.RefreshToken {
				t.Errorf("kept %v, of the older one", kept)
			}
		})
	}
}

// A sign-in makes what was unsaved a thing of the past.
func TestSignInOverAnUnsavedRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) {
			t.Errorf("Token: %v", err)
		}
		b.store.beforeSave = nil
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		if b.Stats().Unsaved != 0 || b.token(t) != tok.AccessToken || b.kept(t).RefreshToken != tok.RefreshToken {
			t.Errorf("kept %v, %d unsaved", b.kept(t), b.Stats().Unsaved)
		}
	})
}

// A record that comes back from a backup does not bring a refused token back.
func TestRefusedTokensStayRefused(t *testing.T) {
	for name, rotate := range map[string]bool{"replaced": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.google.rotate = rotate
			backup := b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
			if !rotate {
				b.google.kill(backup.RefreshToken)
			}
			_, _ = b.Token(t.Context(), jane)
			backup.Version = b.kept(t).Version
			save(t, b.store.Store, janeKey, backup)
			b.Invalidate(jane, "")
			_, err := b.Token(t.Context(), jane)
			wantReason(t, err, tokenstore.ReasonInvalidGrant)
			if b.google.calls() != 1 {
				t.Errorf("Google was asked with %q", b.google.asked)
			}
			// Fresh from a sign-in it is alive, whatever is remembered.
			b.google.live[backup.RefreshToken] = true
			b.signIn(t, &oauth2.Token{RefreshToken: backup.RefreshToken})
			b.token(t)
		})
	}
}

// There is an end to how many refused tokens are remembered: the oldest go first.
func TestManyRefusedTokens(t *testing.T) {
	b := newBench(t)
	subjects := b.many(t, 0, 5000)
	backups := make([]tokenstore.Grant, len(subjects))
	for i, subject := range subjects {
		key := tokenstore.Key{ClientID: client, Subject: subject}
		backups[i] = load(t, b.store.Store, key)
		b.google.kill(backups[i].RefreshToken)
		b.Invalidate(subject, "")
		if _, err := b.Token(t.Context(), subject); !errors.Is(err, tokenstore.ErrNeedsConsent) {
			t.Fatalf("Token: %v", err)
		}
	}
	for i, calls := range map[int]int{0: 1, len(subjects) - 1: 0} {
		before := b.google.calls()
		key := tokenstore.Key{ClientID: client, Subject: subjects[i]}
		backups[i].Version = load(t, b.store.Store, key).Version
		save(t, b.store.Store, key, backups[i])
		if _, err := b.Token(t.Context(), subjects[i]); !errors.Is(err, tokenstore.ErrNeedsConsent) {
			t.Errorf("Token: %v", err)
		}
		if got := b.google.calls() - before; got != calls {
			t.Errorf("refused token %d was sent %d times, want %d", i, got, calls)
		}
	}
}

// One call is just saving a sign-in that was unsaved, when another ends it.
func TestCatchingUpDuringADisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.signInUnsaved(t, b.google.consent("openid"))
		saving, slow := make(chan struct{}), make(chan struct{})
		b.store.beforeSave = func(tokenstore.Grant) error {
			b.store.beforeSave = nil
			close(saving)
			<-slow
			return nil
		}
		go func() { _, _ = b.Token(t.Context(), jane) }()
		<-saving
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Disconnect(ctx, jane); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Disconnect: %v; it has to wait for the save", err)
		}
		time.AfterFunc(time.Second, func() { close(slow) })
		if err := b.Disconnect(t.Context(), jane); err != nil {
			t.Errorf("Disconnect: %v", err)
		}
		synctest.Wait()
		if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) || b.Stats().Unsaved != 0 {
			t.Errorf("after Disconnect, Grant: %v, %d unsaved", err, b.Stats().Unsaved)
		}
	})
}

// What this process has revoked it does not send again, though the record could
// not be deleted.
func TestRevokedTokensStayRefused(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	b.store.beforeDelete = func() error { return errDown }
	if err := b.Disconnect(t.Context(), jane); !errors.Is(err, errDown) {
		t.Errorf("Disconnect: %v", err)
	}
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonRevoked)
	if b.google.calls() != 0 {
		t.Errorf("Google was asked with %q", b.google.asked)
	}
	b.store.beforeDelete = nil
	if err := b.Disconnect(t.Context(), jane); err != nil {
		t.Errorf("Disconnect again: %v", err)
	}
}

// The same token from another sign-in is alive, also for a process that knows it
// as refused from the former one.
func TestRefusedTokenFromAnotherSignIn(t *testing.T) {
	b := newBench(t)
	other := join(t, b.google, b.store)
	tok := &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken}
	other.signIn(t, tok)
	b.google.kill(tok.RefreshToken)
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonInvalidGrant)
	b.google.live[tok.RefreshToken] = true
	other.signIn(t, tok)
	b.token(t)
}

// The refusal of a token is of one sign-in: it does not end a later one that has
// brought the same token, which was saved while Google refused the former.
func TestRefusalDuringASignInWithTheSameToken(t *testing.T) {
	b := newBench(t)
	tok := &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken}
	b.signIn(t, tok)
	b.google.kill(tok.RefreshToken)
	b.google.during = func(string) {
		b.google.during = nil
		b.google.live[tok.RefreshToken] = true
		join(t, b.google, b.store).signIn(t, tok)
	}
	b.token(t)
	if got := b.kept(t); got.State != tokenstore.Active {
		t.Errorf("kept %v", got)
	}
}

// A user is disconnected while Google rotates the token. The new token is revoked, and
// is not used even if a slow writer saves its record afterwards.
func TestRevokedRotationStaysRefused(t *testing.T) {
	b := rotating(t)
	var late tokenstore.Grant
	b.store.beforeSave = func(g tokenstore.Grant) error { late = g; return nil }
	b.google.during = func(string) {
		if err := join(t, b.google, b.store).Disconnect(t.Context(), jane); err != nil {
			t.Error(err)
		}
	}
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonNone)
	late.Version = ""
	save(t, b.store.Store, janeKey, late)
	_, err = b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonRevoked)
	if b.google.calls() != 1 {
		t.Errorf("Google was asked with %q", b.google.asked)
	}
}

// A sign-in that is saved makes the pending writes before it pointless.
func TestSignInSettlesWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		clear(b.google.live)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		if _, err := b.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrNeedsConsent) {
			t.Errorf("Token: %v", err)
		}
		b.signInUnsaved(t, b.google.consent("openid"))
		saves := 0
		b.store.beforeSave = func(tokenstore.Grant) error {
			if saves++; saves <= 4 { // all the tries of the refusal
				return errDown
			}
			return nil
		}
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		if b.Stats().Unsaved != 0 || b.kept(t).RefreshToken != tok.RefreshToken {
			t.Errorf("%d unsaved, kept %v", b.Stats().Unsaved, b.kept(t))
		}
	})
}

// While a sign-in waits behind a rotation, another process saves a later one: the sign-in
// does not replace that.
func TestSignInOvertakenWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rotating(t)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		_, _ = b.Token(t.Context(), jane)
		b.google.rotate = false
		tok, later := b.google.consent("openid"), b.google.consent("openid")
		b.store.beforeSave = func(tokenstore.Grant) error {
			b.store.beforeSave = nil
			time.Sleep(time.Second)
			join(t, b.google, &hooked{Store: b.store.Store}).signIn(t, later)
			return nil
		}
		if got := b.signIn(t, tok); got.RefreshToken != later.RefreshToken || b.kept(t).RefreshToken != later.RefreshToken {
			t.Errorf("SignIn = %v, kept %v", got, b.kept(t))
		}
	})
}

// A sign-in that waits behind a rotation ends the access token of the former grant.
func TestWaitingSignInEndsTheFormerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.rotate = true
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(58 * time.Minute)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.token(t) // that of the sign-in: the rotation is pending
		tok := b.google.consent("openid")
		b.signInUnsaved(t, tok)
		b.store.beforeSave, b.google.rotate = nil, false
		if b.token(t) != tok.AccessToken {
			t.Error("Token is that of the former grant")
		}
	})
}

// sealedRotation is a bench whose rotated refresh token is pending, because the record
// was sealed again by another process, with a key that is not there while the store is
// closed.
func sealedRotation(t *testing.T, store *unopened, scope string) *bench {
	store.Memory = new(tokenstore.Memory)
	b := join(t, newGoogle(), &hooked{Store: store})
	b.google.scope = scope
	b.signIn(t, withExtra(&oauth2.Token{RefreshToken: b.google.consent(scope).RefreshToken}, "scope", scope))
	b.google.rotate = true
	b.google.during = func(string) {
		save(t, store.Memory, janeKey, load(t, store.Memory, janeKey))
		store.closed = true
	}
	if _, err := b.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Token: %v", err)
	}
	b.google.during = nil
	return b
}

// With the key back it is saved.
func TestSealedRotationIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(unopened)
		b := sealedRotation(t, store, "openid")
		if err := b.Flush(t.Context()); !errors.Is(err, tokenstore.ErrSealed) || b.Stats().Unsaved != 1 {
			t.Errorf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
		}
		store.closed = false
		b.token(t)
		if got := load(t, store.Memory, janeKey); !b.google.live[got.RefreshToken] || b.google.calls() != 1 {
			t.Errorf("kept %v after %d calls", got, b.google.calls())
		}
	})
}

// A sign-in that waits beside it goes first only while the record is sealed. With the
// key back the rotation does: the sign-in, which covers less, is set aside.
func TestSealedRotationGoesFirstAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(unopened)
		b := sealedRotation(t, store, "openid "+appData)
		store.closed = false
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.signInUnsaved(t, b.google.consent("openid"))
		b.store.beforeSave = nil
		if err := b.Flush(t.Context()); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if got := load(t, store.Memory, janeKey); got.Missing(appData) != nil || !b.google.live[got.RefreshToken] {
			t.Errorf("kept %v", got)
		}
	})
}

// So it does when the key comes back while both wait, even between the two.
func TestSealedRotationGoesFirstAfterASignIn(t *testing.T) {
	for name, loads := range map[string]int{"before the rotation": 0, "after the rotation": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := new(unopened)
				b := sealedRotation(t, store, "openid "+appData)
				if _, err := b.SignIn(t.Context(), jane, b.google.consent("openid")); !errors.Is(err, tokenstore.ErrSealed) {
					t.Errorf("SignIn: %v", err)
				}
				b.store.beforeLoad = func(tokenstore.Key) error {
					store.closed = loads > 0
					loads--
					return nil
				}
				_ = b.Flush(t.Context()) // in the second case the sign-in has to wait
				if err := b.Flush(t.Context()); err != nil {
					t.Errorf("Flush: %v", err)
				}
				if got := load(t, store.Memory, janeKey); got.Missing(appData) != nil || !b.google.live[got.RefreshToken] {
					t.Errorf("kept %v", got)
				}
			})
		})
	}
}

// A sign-in waits behind a rotation, and the record turns out to be sealed: the sign-in is
// saved all the same, at once.
func TestSignInBehindASealedRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &unopened{Memory: new(tokenstore.Memory)}
		b := join(t, newGoogle(), &hooked{Store: store})
		b.google.rotate = true
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		_, _ = b.Token(t.Context(), jane)
		tok := b.google.consent("openid")
		b.signInUnsaved(t, tok)
		b.store.beforeSave, store.closed = nil, true
		b.store.beforeLoad = func(tokenstore.Key) error {
			b.store.beforeLoad = nil
			go func() { _ = b.Flush(t.Context()) }() // it looks what is pending, while that changes
			time.Sleep(time.Second)
			return nil
		}
		if err := b.Flush(t.Context()); err != nil || b.Stats().Unsaved != 0 {
			t.Errorf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
		}
		if got := load(t, store.Memory, janeKey); got.RefreshToken != tok.RefreshToken {
			t.Errorf("kept %v", got)
		}
	})
}

// A sign-in that Google refuses by now takes no pending rotation along, which works.
func TestRefusedSignInBesideASealedRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(unopened)
		b := sealedRotation(t, store, "openid")
		tok := b.google.consent("openid")
		if _, err := b.SignIn(t.Context(), jane, tok); !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("SignIn: %v", err)
		}
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		if err := b.Flush(t.Context()); !errors.Is(err, errDown) { // the response may be lost
			t.Errorf("Flush: %v", err)
		}
		b.store.beforeSave = nil
		save(t, store.Memory, janeKey, load(t, store.Memory, janeKey))
		b.google.kill(tok.RefreshToken)
		if err := b.Flush(t.Context()); !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("Flush: %v", err)
		}
		store.closed = false
		if err := b.Flush(t.Context()); err != nil || b.Stats().Unsaved != 0 {
			t.Errorf("Flush: %v, %d unsaved", err, b.Stats().Unsaved)
		}
		if got := load(t, store.Memory, janeKey); !b.google.live[got.RefreshToken] {
			t.Errorf("kept %v, a refused one", got)
		}
	})
}

// unopened is a store whose records cannot be unsealed while closed is set.
type unopened struct {
	*tokenstore.Memory
	closed bool
}

func (s *unopened) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	g, err := s.Memory.Load(ctx, key)
	if err == nil && s.closed {
		return tokenstore.Grant{Version: g.Version}, tokenstore.ErrSealed
	}
	return g, err
}

// A rotation whose record cannot be unsealed does not stand in the way of a
// sign-in, which replaces both.
func TestSignInOverASealedRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &unopened{Memory: new(tokenstore.Memory)}
		b := newBench(t, func(c *tokenstore.Config) { c.Store = store })
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.rotate = true
		b.google.during = func(string) { // another process seals it with a key that is not here
			save(t, store.Memory, janeKey, load(t, store.Memory, janeKey))
			store.closed = true
		}
		if _, err := b.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("Token: %v", err)
		}
		b.google.during = nil
		tok := b.google.consent("openid")
		_, _ = b.SignIn(t.Context(), jane, tok) // it may be pending
		if err := b.Close(t.Context()); err != nil || b.Stats().Unsaved != 0 {
			t.Errorf("Close: %v, %d unsaved", err, b.Stats().Unsaved)
		}
		if got := load(t, store.Memory, janeKey); got.RefreshToken != tok.RefreshToken {
			t.Errorf("kept %v", got)
		}
	})
}
