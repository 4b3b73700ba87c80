package tokenstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
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
	tested := map[string]bool{}
	for form, values := range map[string][]any{
		`tokenstore.Manager{ClientID: "` + client + `"}`: {m, *m},
		"tokenstore.Keyring{[redacted]}":                 {ring, *ring},
		"tokenstore.Envelope{[redacted]}":                {envelope, *envelope},
		"[redacted]":                                     {memory, reflect.ValueOf(memory).Elem().Interface()}, // go vet would not have *memory
	} {
		for _, v := range values {
			redacttest.Check(t, v, form, secrets...)
			tested[fmt.Sprintf("%T", v)] = true
		}
	}
	for _, v := range []any{sealed, reflect.ValueOf(sealed).Elem().Interface(), config, &config} { // hold no secret themselves
		noSecret(t, v, secrets...)
		tested[fmt.Sprintf("%T", v)] = true
	}

	g.RefreshedAt = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	g.State, g.Reason = tokenstore.NeedsConsent, "invalid_grant"
	form := `tokenstore.Grant{State: needs_consent, Reason: "invalid_grant", RefreshToken: [redacted], AccessToken: [redacted], Scopes: ["openid"], RefreshedAt: 2026-11-24T12:00:00Z}`
	redacttest.Check(t, g, form, secrets...)
	redacttest.Check(t, &g, form, secrets...)
	tested["tokenstore.Grant"] = true
	redacttest.Check(t, tokenstore.Grant{}, `tokenstore.Grant{State: active, Reason: "", RefreshToken: none, AccessToken: none, Scopes: [], RefreshedAt: never}`)

	// Types that never hold a token or a key.
	for _, name := range []string{"ConsentError", "Health", "Key", "PausedError", "Stats", "SweepOptions"} {
		tested["tokenstore."+name] = true
	}
	files, err := filepath.Glob("[a-z]*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^type ([A-Z]\w*) struct`).FindAllStringSubmatch(string(source), -1) {
			if !tested["tokenstore."+match[1]] && !tested["*tokenstore."+match[1]] {
				t.Errorf("%s is not tested: does it hold a secret?", match[1])
			}
		}
	}
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
