package exchange_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

// A response's words reach the log as one printable line, or not at all.
func TestWordsOfAResponse(t *testing.T) {
	tests := []struct{ name, code, wantCode, description, want string }{
		{"Google's", "quota_project_gone", "quota_project_gone", "Bad Request", "Bad Request"},
		{"line end", "a\nlevel=INFO", "", "Bad\r\nlevel=INFO msg=forged", "Badlevel=INFO msg=forged"},
		{"terminal sequence", "a\x1b[2J", "", "\x1b]0;title\x07\x1b[31mred", "]0;title[31mred"},
		{"NUL and DEL", "a\x00", "", "a\x00b\x7fc", "abc"},
		{"C1 control", "a\u009b", "", "a\u009bb", "ab"},
		{"direction override", "a\u202e", "", "a\u202eb", "ab"},
		{"line separator", "a\u2028", "", "a\u2028b", "ab"},
		{"not UTF-8", "", "", "a\xffb", "ab"},
		{"letters", "größe", "", "Größe", "Größe"},
		{"space", "a b", "", "a b", "a b"},
		{"quote", `a"b`, "", `a"b`, `a"b`},
		{"markup", "<b>", "", "<b>", "<b>"},
		{"dots and dashes", "A-z_0.9", "A-z_0.9", "", ""},
		{"64 bytes", strings.Repeat("a", 64), strings.Repeat("a", 64), "", ""},
		{"65 bytes", strings.Repeat("a", 65), "", "", ""},
		{"long", "", "", strings.Repeat("é", 101), strings.Repeat("é", 100) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := fmt.Sprintf(`{"error":%s,"error_subtype":%[1]s,"error_description":%s}`, quoted(tt.code), quoted(tt.description))
			_, err := newClient(t, scripted(says(400, body))).Refresh(t.Context(), refreshToken)
			e, ok := errors.AsType[*exchange.Error](err)
			if !ok || e.Code != tt.wantCode || e.Subtype != tt.wantCode || e.Description != tt.want {
				t.Errorf("code %q, subtype %q, description %q; want %q and %q", e.Code, e.Subtype, e.Description, tt.wantCode, tt.want)
			}
		})
	}
}

// quoted returns s as a JSON string, with invalid UTF-8 left as it is.
func quoted(s string) string {
	if strings.ToValidUTF8(s, "") != s {
		return `"` + s + `"`
	}
	b, _ := json.Marshal(s)
	return string(b)
}

// Whatever of a request a response quotes is withheld, each secret by itself.
func TestEachSecretIsWithheld(t *testing.T) {
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	for _, name := range []string{"code", "code_verifier", "client_secret"} {
		t.Run(name, func(t *testing.T) {
			var secret string
			g := scripted(func(*http.Request) (*http.Response, error) { return nil, nil })
			g.script[0] = func(r *http.Request) (*http.Response, error) {
				secret = g.got[0].Get(name)
				return says(400, fmt.Sprintf(`{"error":%q,"error_description":"wrong: %s"}`, secret, secret))(r)
			}
			_, err := newClient(t, g).ExchangePKCE(t.Context(), goodCode, "http://127.0.0.1/", verifier)
			e, ok := errors.AsType[*exchange.Error](err)
			if !ok || secret == "" || e.Code != "" || e.Description != "" {
				t.Errorf("code %q, description %q; want both withheld", e.Code, e.Description)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
}

// The text of an error names the package once.
func TestErrorsNameThePackageOnce(t *testing.T) {
	c := newClient(t, scripted(says(400, `{"error":"invalid_grant"}`)))
	_, exchangeErr := c.Exchange(t.Context(), goodCode, exchange.App)
	_, refreshErr := c.Refresh(t.Context(), refreshToken)
	_, codeErr := c.Exchange(t.Context(), "", exchange.App)
	_, newErr := exchange.New(exchange.Config{})
	_, fileErr := exchange.ConfigFromJSON(nil)
	for _, err := range []error{exchangeErr, refreshErr, codeErr, newErr, fileErr} {
		if text := err.Error(); !strings.HasPrefix(text, "exchange: ") || strings.Count(text, "exchange:") != 1 {
			t.Errorf("%q", text)
		}
	}
}
