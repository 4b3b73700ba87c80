package tokenstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

func TestImport(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *tokenstore.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	created := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	used, expiry := created.Add(time.Hour), time.Now().Add(time.Hour).UTC()
	imported := tokenstore.Grant{
		RefreshToken:       b.google.consent("").RefreshToken,
		Scopes:             []string{"openid", "email", appData, "openid"},
		CreatedAt:          created,
		RefreshedAt:        used,
		RefreshTokenExpiry: expiry,
		AccessToken:        "ya29.not-worth-taking", Expiry: expiry,
		State: tokenstore.NeedsConsent, Reason: "of another software", Version: "7",
	}
	for range 2 { // the second time, it is there
		if kept, err := b.Import(t.Context(), jane, imported); err != nil || !kept {
			t.Fatalf("Import = %t, %v", kept, err)
		}
	}
	g := b.kept(t)
	scopes := []string{appData, "https://www.googleapis.com/auth/userinfo.email", "openid"}
	if g.RefreshToken != imported.RefreshToken || !slices.Equal(g.Scopes, scopes) || !g.CreatedAt.Equal(created) || !g.RefreshTokenExpiry.Equal(expiry) ||
		g.AccessToken != "" || g.State != tokenstore.Active || g.Reason != "" || !g.RefreshedAt.Equal(used) || g.UpdatedAt.IsZero() {
		t.Errorf("the record is %v, created at %v, ends at %v", g, g.CreatedAt, g.RefreshTokenExpiry)
	}
	if got := events(t, &log); !slices.Equal(got, []string{"INFO tokenstore.imported"}) {
		t.Errorf("events are %q", got)
	}
	b.token(t)
}

// TestImportFillsScopes checks that the first refresh says what was granted.
func TestImportFillsScopes(t *testing.T) {
	b := newBench(t)
	b.google.scope = "openid"
	if kept, err := b.Import(t.Context(), jane, tokenstore.Grant{RefreshToken: b.google.consent("").RefreshToken}); err != nil || !kept {
		t.Fatal(kept, err)
	}
	if g := b.kept(t); g.Scopes != nil || g.CreatedAt.IsZero() {
		t.Errorf("the record is %v, created at %v", g, g.CreatedAt)
	}
	b.token(t)
	if g := b.kept(t); !slices.Equal(g.Scopes, []string{"openid"}) || g.Lost != nil {
		t.Errorf("after a refresh the record is %v, lost %q", g, g.Lost)
	}
}

// TestImportCreatesOnly checks that nothing that is kept or pending is replaced.
func TestImportCreatesOnly(t *testing.T) {
	older := tokenstore.Grant{RefreshToken: "1//older"}
	t.Run("kept", func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		want := bytesOf(t, b.kept(t))
		if kept, err := b.Import(t.Context(), jane, older); kept || err != nil {
			t.Errorf("Import = %t, %v", kept, err)
		}
		if bytesOf(t, b.kept(t)) != want {
			t.Error("Import has changed the record")
		}
	})
	t.Run("needs consent", func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if kept, err := b.Import(t.Context(), jane, older); kept || err != nil {
			t.Errorf("Import = %t, %v", kept, err)
		}
		wantReason(t, func() error { _, err := b.Token(t.Context(), jane); return err }(), tokenstore.ReasonRevoked)
	})
	t.Run("sealed", func(t *testing.T) {
		memory := new(tokenstore.Memory)
		save(t, &tokenstore.Sealed{Store: memory, Sealer: ring(t, 1)}, janeKey, tokenstore.Grant{RefreshToken: "1//sealed"})
		b := newBench(t, func(c *tokenstore.Config) { c.Store = &tokenstore.Sealed{Store: memory, Sealer: ring(t, 2)} })
		if kept, err := b.Import(t.Context(), jane, older); kept || err != nil {
			t.Errorf("Import over a record that cannot be unsealed = %t, %v", kept, err)
		}
	})
	t.Run("pending", func(t *testing.T) {
		b := newBench(t)
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		b.signInUnsaved(t, b.google.consent("openid"))
		if kept, err := b.Import(t.Context(), jane, older); kept || !errors.Is(err, errDown) {
			t.Errorf("Import before a pending sign-in = %t, %v", kept, err)
		}
		b.store.beforeSave = nil
		if kept, err := b.Import(t.Context(), jane, older); kept || err != nil {
			t.Errorf("Import after it = %t, %v", kept, err)
		}
	})
}

// TestImportAfterALostResponse checks that an import whose response was lost can be
// run again.
func TestImportAfterALostResponse(t *testing.T) {
	b := newBench(t)
	b.store.afterSave = func(tokenstore.Grant) error { return errDown }
	g := tokenstore.Grant{RefreshToken: "1//imported"}
	if kept, err := b.Import(t.Context(), jane, g); kept || !errors.Is(err, errDown) {
		t.Errorf("Import = %t, %v", kept, err)
	}
	if kept, err := b.Import(t.Context(), jane, g); !kept || err != nil {
		t.Errorf("Import again = %t, %v", kept, err)
	}
}

// TestImportBesideADisconnect ends a grant while its Import waits for the response
// of the store, which then says that there is a record: the import's own.
func TestImportBesideADisconnect(t *testing.T) {
	b := newBench(t)
	b.store.afterSave = func(tokenstore.Grant) error {
		b.store.afterSave = nil
		if err := b.Disconnect(t.Context(), jane); err != nil {
			t.Error(err)
		}
		return tokenstore.ErrConflict
	}
	g := tokenstore.Grant{RefreshToken: b.google.consent("").RefreshToken}
	if kept, err := b.Import(t.Context(), jane, g); kept || err != nil {
		t.Errorf("Import = %t, %v", kept, err)
	}
	if g, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("what was disconnected is kept again: %v, %v", g, err)
	}
}

func TestImportRefuses(t *testing.T) {
	b := newBench(t)
	g := tokenstore.Grant{RefreshToken: "1//imported"}
	for _, subject := range []string{"", "jane.doe@gmail.com", "a\x00"} {
		if kept, err := b.Import(t.Context(), subject, g); kept || !errors.Is(err, tokenstore.ErrSubject) {
			t.Errorf("Import(%q) = %t, %v; want ErrSubject", subject, kept, err)
		}
	}
	kept, err := b.Import(t.Context(), jane, tokenstore.Grant{Scopes: []string{"openid"}})
	if wantReason(t, err, tokenstore.ReasonNone); kept {
		t.Error("a grant without a refresh token is kept")
	}
	if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Grant = %v, want ErrNotFound", err)
	}
}

// TestImportCopies checks that the record keeps none of the caller's memory.
func TestImportCopies(t *testing.T) {
	b := newBench(t)
	const refreshToken, thumbprint, scope = "1//imported", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "openid"
	scopes := make([]string, 1)
	lend(refreshToken, func(rt string) {
		lend(thumbprint, func(jkt string) {
			lend(scope, func(s string) {
				scopes[0] = s
				if _, err := b.Import(t.Context(), jane, tokenstore.Grant{RefreshToken: rt, KeyThumbprint: jkt, Scopes: scopes}); err != nil {
					t.Error(err)
				}
			})
		})
	})
	scopes[0] = "changed"
	if g := b.kept(t); g.RefreshToken != refreshToken || g.KeyThumbprint != thumbprint || !slices.Equal(g.Scopes, []string{scope}) {
		t.Errorf("kept %q, bound to %q, with scopes %q", g.RefreshToken, g.KeyThumbprint, g.Scopes)
	}
}

func TestSubjects(t *testing.T) {
	memory := new(tokenstore.Memory)
	b := newBench(t, func(c *tokenstore.Config) { c.Store = memory })
	for _, key := range []tokenstore.Key{
		{ClientID: "a client", Subject: "1"}, {ClientID: client, Subject: "1"}, {ClientID: client, Subject: "2"},
		{ClientID: client, Subject: "3"}, {ClientID: "z", Subject: "4"},
	} {
		save(t, memory, key, tokenstore.Grant{State: tokenstore.NeedsConsent})
	}
	list := func(ctx context.Context, m *tokenstore.Manager, after string) (all []string, last error) {
		for subject, err := range m.Subjects(ctx, after) {
			if last = err; err == nil {
				all = append(all, subject)
			} else if subject != "" {
				t.Errorf("an error comes with subject %q", subject)
			}
		}
		return all, last
	}
	if got, err := list(t.Context(), b.Manager, ""); err != nil || !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("Subjects = %q, %v", got, err)
	}
	if got, err := list(t.Context(), b.Manager, "2"); err != nil || !slices.Equal(got, []string{"3"}) {
		t.Errorf("Subjects after 2 = %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := list(ctx, b.Manager, ""); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Subjects with a canceled context = %q, %v", got, err)
	}
	if _, err := list(t.Context(), newBench(t).Manager, ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Subjects of a store without a list = %v", err)
	}
}

func TestHealth(t *testing.T) {
	b := newBench(t)
	if _, err := b.Health(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Health of nobody = %v, want ErrNotFound", err)
	}
	b.signIn(t, withExtra(b.google.consent("openid email"), "refresh_token_expires_in", 3600.0))
	b.store.beforeSave = func(tokenstore.Grant) error { t.Error("Health writes"); return errDown }
	g := b.kept(t)
	h, err := b.Health(t.Context(), jane, "email", appData, "profile")
	if err != nil || h.State != tokenstore.Active || h.Reason != "" || !slices.Equal(h.Missing, []string{appData, "profile"}) ||
		!h.Expiry.Equal(g.RefreshTokenExpiry) || h.Expiry.IsZero() || !h.LastUsed.Equal(g.RefreshedAt) || h.LastUsed.IsZero() || !h.CreatedAt.Equal(g.CreatedAt) {
		t.Errorf("Health = %+v, %v", h, err)
	}
	b.store.beforeSave = nil
	if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if h, err := b.Health(t.Context(), jane); err != nil || h.State != tokenstore.NeedsConsent || h.Reason != tokenstore.ReasonRevoked || h.Missing != nil {
		t.Errorf("Health of a revoked grant = %+v, %v", h, err)
	}
	b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
	if _, err := b.Health(t.Context(), jane); !errors.Is(err, errDown) {
		t.Errorf("Health while the store is down = %v", err)
	}
	b.store.beforeLoad = nil
	b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
	_, _ = b.SignIn(t.Context(), jane, b.google.consent("openid")) // pending
	b.store.beforeSave = func(tokenstore.Grant) error { t.Error("Health saves what is pending"); return errDown }
	if _, err := b.Health(t.Context(), jane); err != nil {
		t.Errorf("Health with a pending sign-in = %v", err)
	}
	if n := b.google.calls(); n != 0 {
		t.Errorf("Google was asked %d times", n)
	}
}

// A revocation of an imported grant counts also if Google replaces its refresh
// token at the same time.
func TestImportedGrantIsRevokedDuringARotation(t *testing.T) {
	b := newBench(t)
	b.google.rotate = true
	imported := tokenstore.Grant{RefreshToken: b.google.consent("openid").RefreshToken}
	if kept, err := b.Import(t.Context(), jane, imported); err != nil || !kept {
		t.Fatalf("Import = %t, %v", kept, err)
	}
	b.store.beforeSave = func(g tokenstore.Grant) error {
		if g.State == tokenstore.NeedsConsent {
			b.store.beforeSave = nil
			join(t, b.google, b.store).token(t)
		}
		return nil
	}
	if err := b.MarkRevoked(t.Context(), jane, "tokens-revoked", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := b.kept(t); got.State != tokenstore.NeedsConsent || got.RefreshToken == imported.RefreshToken {
		t.Errorf("kept %v", got)
	}
}
