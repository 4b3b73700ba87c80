package tokenstore_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// A sign-in whose answer was lost, and whose token Google has replaced since,
// must not come back in place of the new one.
func TestUnsavedSignInAgainstItsRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.rotate = true
		down := func(tokenstore.Grant) error { return errDown }
		b.store.afterSave = func(tokenstore.Grant) error {
			b.store.afterSave, b.store.beforeSave = nil, down
			if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) {
				t.Errorf("Token: %v", err)
			}
			b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
			return errDown
		}
		if _, err := b.SignIn(t.Context(), jane, b.google.consent("openid")); !errors.Is(err, errDown) {
			t.Errorf("SignIn: %v", err)
		}
		b.store.beforeSave, b.store.beforeLoad = nil, nil
		b.token(t)
		if !b.google.live[b.kept(t).RefreshToken] || b.google.calls() != 1 {
			t.Errorf("kept %v after %d calls", b.kept(t), b.google.calls())
		}
	})
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

// A record that comes back from a backup does not bring a dead token back.
func TestDeadTokensStayDead(t *testing.T) {
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
			b.Invalidate(jane)
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
