package tokenstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/redact/redacttest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// noSecret prints v in every way there is, and looks for the secrets.
func noSecret(t *testing.T, v any, secrets ...string) {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%o", "%b", "%U"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	fmt.Fprintln(&out, struct{ Inside any }{v}, []any{v}, map[string]any{"in": v})
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("log", "v", v, slog.Group("g", "v", v))
	}
	if b, err := json.Marshal(map[string]any{"v": v}); err == nil {
		out.Write(b)
	}
	for _, secret := range secrets {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprint([]byte(secret))} {
			if strings.Contains(out.String(), strings.Trim(form, "[]")) {
				t.Errorf("%T shows %q", v, secret)
			}
		}
	}
}

func TestForms(t *testing.T) {
	b := newBench(t)
	tok := b.google.consent("openid")
	g := b.signIn(t, tok)
	g.AccessToken = tok.AccessToken
	key := bytes.Repeat([]byte{0xA7}, 32)
	secrets := []string{tok.RefreshToken, tok.AccessToken, string(key)}
	ring, err := tokenstore.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	memory := b.store.Store.(*tokenstore.Memory)
	sealed := &tokenstore.Sealed{Store: memory, Sealer: ring}
	envelope, _ := newKeyService().envelope(t)
	seal(t, envelope, "text")
	config := tokenstore.Config{ClientID: client, Store: sealed, Refresher: refresher(b.google.Refresh)}
	m, err := tokenstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.SignIn(t.Context(), jane, tok); err != nil {
		t.Fatal(err)
	}
	for form, values := range map[string][]any{
		`tokenstore.Manager{ClientID: "` + client + `"}`: {m, *m},
		"tokenstore.Keyring{[redacted]}":                 {ring, *ring},
		"tokenstore.Envelope{[redacted]}":                {envelope, *envelope},
		"[redacted]":                                     {memory, reflect.ValueOf(memory).Elem().Interface()}, // go vet would not have *memory
	} {
		for _, v := range values {
			redacttest.Check(t, v, form, secrets...)
		}
	}
	for _, v := range []any{sealed, reflect.ValueOf(sealed).Elem().Interface(), config, &config} { // hold no secret themselves
		noSecret(t, v, secrets...)
	}

	g.RefreshedAt = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	g.State, g.Reason = tokenstore.NeedsConsent, "invalid_grant"
	form := `tokenstore.Grant{State: needs_consent, Reason: "invalid_grant", RefreshToken: [redacted], AccessToken: [redacted], Scopes: ["openid"], RefreshedAt: 2026-11-24T12:00:00Z}`
	redacttest.Check(t, g, form, secrets...)
	redacttest.Check(t, &g, form, secrets...)
	redacttest.Check(t, tokenstore.Grant{}, `tokenstore.Grant{State: active, Reason: "", RefreshToken: none, AccessToken: none, Scopes: [], RefreshedAt: never}`)
}

type refresher func(context.Context, string) (*oauth2.Token, error)

func (f refresher) Refresh(ctx context.Context, rt string) (*oauth2.Token, error) { return f(ctx, rt) }

// What was redacted must not come back as a token.
func TestGrantIsNotReadFromJSON(t *testing.T) {
	var g tokenstore.Grant
	if err := json.Unmarshal([]byte(asJSON(t, tokenstore.Grant{RefreshToken: "1//secret"})), &g); err == nil {
		t.Error("Unmarshal succeeded")
	}
}
