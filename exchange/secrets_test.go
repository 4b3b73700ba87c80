package exchange_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redacttest"
)

// Every secret in these tests has "marked" in it.
const mark = "marked"

// discreet fails the test if v shows a secret in some way of printing it.
func discreet(t *testing.T, name string, v any) {
	t.Helper()
	for how, text := range printed(v) {
		if strings.Contains(text, mark) || strings.Contains(text, url.QueryEscape(goodCode)) {
			t.Errorf("%s, %s: %s", name, how, text)
		}
	}
}

func printed(v any) map[string]string {
	var text, js bytes.Buffer
	all := map[string]any{
		"alone": v, "slice": []any{v}, "map": map[string]any{"k": v},
		"exported field": struct{ V any }{v}, "pointer to field": &struct{ V any }{v},
	}
	out := make(map[string]string)
	for where, v := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%d", "%x"} {
			out[where+" "+verb] = fmt.Sprintf(verb, v)
		}
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		b, _ := json.Marshal(v)
		out[where+" json"] = string(b)
	}
	out["slog text"], out["slog JSON"] = text.String(), js.String()
	return out
}

func TestTypesAreDiscreet(t *testing.T) {
	cfg := exchange.Config{ClientID: clientID, ClientSecret: clientSecret}
	g := scripted(says(200, tokenAnswer))
	client := newClient(t, g)
	tok, err := client.Exchange(t.Context(), goodCode, exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	discreet(t, "Config", cfg)
	discreet(t, "*Config", &cfg)
	discreet(t, "Client", client)
	discreet(t, "Client, dereferenced", *client)
	discreet(t, "Tokens", tok)
	discreet(t, "Tokens, dereferenced", *tok)
	discreet(t, "Tokens, embedded", struct {
		*exchange.Tokens
		N int
	}{tok, 1})
	discreet(t, "*Client in an unexported field", struct{ c *exchange.Client }{client})
	discreet(t, "Client in an unexported field", struct{ c exchange.Client }{*newClient(t, g)})
	for _, verb := range []string{"%v", "%+v", "%#v"} { // fmt follows a pointer for %s and %q
		hidden := fmt.Sprintf(verb, struct {
			cfg *exchange.Config
			tok *exchange.Tokens
		}{&cfg, tok})
		if strings.Contains(hidden, mark) {
			t.Errorf("pointers in unexported fields, %s: %s", verb, hidden)
		}
	}
	discreet(t, "zero Client", exchange.Client{})

}

func TestForms(t *testing.T) {
	cfg := exchange.Config{ClientID: "web", ClientSecret: "marked-secret", RedirectURIs: []string{callbackURI}}
	form := `exchange.Config{ClientID: "web", ClientSecret: [redacted], RedirectURIs: ["` + callbackURI + `"], TokenURL: "https://oauth2.googleapis.com/token"}`
	redacttest.Check(t, cfg, form, mark)
	redacttest.Check(t, &cfg, form, mark)

	client, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	form = `exchange.Client{ClientID: "web", TokenURL: "https://oauth2.googleapis.com/token"}`
	redacttest.Check(t, client, form, mark)
	redacttest.Check(t, *client, form, mark)

	tok := exchange.Tokens{
		Token:   oauth2.Token{AccessToken: "marked-access", RefreshToken: "marked-refresh", Expiry: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)},
		IDToken: "marked-id", Scopes: []string{"openid"},
	}
	form = `exchange.Tokens{AccessToken: [redacted], RefreshToken: [redacted], IDToken: [redacted], Scopes: ["openid"], Expiry: 2026-11-24T12:00:00Z, RefreshTokenExpiry: none}`
	redacttest.Check(t, tok, form, mark)
	redacttest.Check(t, &tok, form, mark)

	for _, v := range []any{new(exchange.Config), new(exchange.Tokens)} {
		encoded, err := json.Marshal(v)
		if err != nil || json.Unmarshal(encoded, v) == nil {
			t.Errorf("%T is decoded from %s, error %v", v, encoded, err)
		}
	}
}

func TestAuthRequestIsDiscreet(t *testing.T) {
	req := exchange.AuthRequest{
		URL: "https://accounts.google.com/?state=marked", RedirectURI: callbackURI,
		State: "marked-state", Nonce: "marked-nonce", CodeVerifier: "marked-verifier",
	}
	form := `exchange.AuthRequest{RedirectURI: "` + callbackURI + `", Scopes: [], State: [redacted], Nonce: [redacted], CodeVerifier: [redacted]}`
	redacttest.CheckPrinted(t, req, form, mark)
	redacttest.CheckPrinted(t, &req, form, mark)
}

// discreetError looks at an error, at what it wraps, and at what others make of
// it.
func discreetError(t *testing.T, name string, err error) {
	t.Helper()
	discreet(t, name, err)
	discreet(t, name+", joined", errors.Join(errors.New("x"), err))
	discreet(t, name+", wrapped", fmt.Errorf("sign-in: %w", err))
	if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		discreet(t, name+", RetrieveError", *re)
		discreet(t, name+", RetrieveError", re)
	}
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		discreet(t, name+", dereferenced", *e)
		discreet(t, name+", hint", e.Hint())
	} else {
		t.Errorf("%s: %v is not an *Error", name, err)
	}
	for _, inner := range chain(err) {
		discreet(t, name+", inside", inner)
	}
}

func chain(err error) []error {
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		if inner := u.Unwrap(); inner != nil {
			return append([]error{inner}, chain(inner)...)
		}
	case interface{ Unwrap() []error }:
		var all []error
		for _, inner := range u.Unwrap() {
			all = append(append(all, inner), chain(inner)...)
		}
		return all
	}
	return nil
}

// Providers, proxies and transports that quote what they were sent.
func TestErrorsAreDiscreet(t *testing.T) {
	echo := func(status int, format string) answerFunc {
		return func(r *http.Request) (*http.Response, error) {
			body, _ := r.GetBody()
			var sent bytes.Buffer
			sent.ReadFrom(body)
			form, _ := url.ParseQuery(sent.String())
			all := form.Get("code") + form.Get("refresh_token") + form.Get("token") + " " + form.Get("client_secret")
			quoted, _ := json.Marshal(all)
			return says(status, strings.NewReplacer("ALL", strings.Trim(string(quoted), `"`), "FORM", sent.String()).Replace(format))(r)
		}
	}
	quoting := func(format string) answerFunc {
		return func(r *http.Request) (*http.Response, error) {
			resp, _ := echo(0, format)(r)
			text, _ := io.ReadAll(resp.Body)
			return nil, errors.New(string(text))
		}
	}
	failures := map[string]answerFunc{
		"description":        echo(400, `{"error":"invalid_grant","error_description":"Malformed: ALL"}`),
		"description, form":  echo(400, `{"error":"invalid_grant","error_description":"FORM"}`),
		"description, cut":   echo(400, `{"error":"invalid_grant","error_description":"`+strings.Repeat("x", 160)+` ALL ALL"}`),
		"error":              echo(400, `{"error":"ALL"}`),
		"other members":      echo(401, `{"error":"invalid_client","error_uri":"https://x/?ALL","debug":"ALL"}`),
		"HTML":               echo(503, "<html>ALL FORM"),
		"200 HTML":           echo(200, "<html>ALL FORM"),
		"truncated":          echo(200, `{"access_token":"ya29.marked","refresh_token":"ALL"`),
		"wrong shape":        says(200, `{"access_token":{"marked":1},"error":["marked"]}`),
		"transport":          quoting("cannot send ALL"),
		"transport, escaped": quoting("cannot send FORM"),
		"transport, long":    quoting(strings.Repeat("x", 5000) + "ALL"),
		"transport, a field": func(r *http.Request) (*http.Response, error) {
			_, err := quoting("FORM")(r)
			return nil, formError{err.Error()}
		},
		"transport, a field behind a pointer": func(r *http.Request) (*http.Response, error) {
			_, err := quoting("FORM")(r)
			return nil, &formError{err.Error()}
		},
		"transport, a field of one of two": func(r *http.Request) (*http.Response, error) {
			_, err := quoting("FORM")(r)
			return nil, errors.Join(errors.New("cannot send"), &formError{err.Error()})
		},
		"transport, a field of one of two wrapped": func(r *http.Request) (*http.Response, error) {
			_, err := quoting("FORM")(r)
			return nil, fmt.Errorf("%w: %w", &formError{err.Error()}, errors.ErrUnsupported)
		},
	}
	for _, r := range refusals {
		failures[r.name] = says(r.status, r.body)
	}
	for name, reply := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, scripted(reply))
				_, err := c.Exchange(t.Context(), goodCode, exchange.App)
				discreetError(t, "Exchange", err)
				_, err = c.Exchange(t.Context(), goodCode, exchange.Popup) // refused locally, perhaps
				discreetError(t, "Exchange again", err)
				_, err = c.Refresh(t.Context(), refreshToken)
				discreetError(t, "Refresh", err)
				if err := c.Revoke(t.Context(), refreshToken); err != nil {
					discreetError(t, "Revoke", err)
				}
			})
		})
	}
	for name, reply := range map[string]answerFunc{
		"description, with NULs": says(400, `{"error":"invalid_grant","error_description":"4/0Amar\u0000ked-autho\u0000rization-code"}`),
		"error, like a code":     says(400, `{"error":"marked-authorization-code"}`),
		"subtype":                says(400, `{"error":"invalid_grant","error_subtype":"marked-client-secret"}`),
		"redirect":               says(302, "", "Location", "https://evil.example/?code="+goodCode),
		"broken redirect":        says(302, "", "Location", "https://%zz/"+goodCode),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, scripted(reply)).Exchange(t.Context(), goodCode, exchange.App)
			discreetError(t, "Exchange", err)
		})
	}
}

// A word that OAuth defines keeps its meaning, whatever the secrets look like.
func TestErrorCodesInsideSecrets(t *testing.T) {
	refused := func(code string) answerFunc { return says(400, `{"error":"`+code+`"}`) }
	t.Run("refresh token", func(t *testing.T) {
		_, err := newClient(t, scripted(refused("invalid_grant"))).Refresh(t.Context(), "invalid_refresh_token")
		if e, ok := errors.AsType[*exchange.Error](err); !ok || !errors.Is(err, exchange.ErrInvalidGrant) || e.Code != "invalid_grant" {
			t.Errorf("error %v, want ErrInvalidGrant with its code", err)
		}
	})
	t.Run("subtype", func(t *testing.T) {
		g := scripted(says(400, `{"error":"invalid_grant","error_subtype":"invalid_rapt"}`))
		_, err := newClient(t, g).Refresh(t.Context(), "1//invalid_rapt")
		if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Subtype != "invalid_rapt" {
			t.Errorf("error %v, want the subtype", err)
		}
	})
	t.Run("client secret", func(t *testing.T) {
		c := newClient(t, scripted(refused("invalid_request")), func(cfg *exchange.Config) { cfg.ClientSecret = "invalid_request_of_a_test" })
		_, err := c.Refresh(t.Context(), refreshToken)
		if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Code != "invalid_request" {
			t.Errorf("error %v, want the code", err)
		}
	})
	t.Run("token to revoke", func(t *testing.T) {
		if err := newClient(t, scripted(refused("invalid_token"))).Revoke(t.Context(), "invalid_token"); err != nil {
			t.Errorf("a token that is dead already: %v", err)
		}
	})
	t.Run("code", func(t *testing.T) {
		_, err := newClient(t, scripted(refused("invalid_grant"))).Exchange(t.Context(), "4/0Ainvalid_grant", exchange.App)
		if !errors.Is(err, exchange.ErrInvalidGrant) || exchange.HTTPStatus(err) != 400 {
			t.Errorf("error %v (%d), want ErrInvalidGrant (400)", err, exchange.HTTPStatus(err))
		}
	})
	t.Run("code that may be spent", func(t *testing.T) {
		g := scripted(refused("server_error"))
		c := newClient(t, g)
		for _, want := range []error{exchange.ErrTemporary, exchange.ErrInvalidGrant} {
			if _, err := c.Exchange(t.Context(), "4/0Aserver_error", exchange.App); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
		}
		if g.posts() != 1 {
			t.Errorf("%d posts, want 1", g.posts())
		}
	})
	t.Run("callback", func(t *testing.T) {
		c := newClient(t, scripted())
		req := &exchange.AuthRequest{RedirectURI: callbackURI, State: "access_denied", Nonce: "N", CodeVerifier: "v"}
		_, err := c.ExchangeCallback(t.Context(), url.Values{"state": {"access_denied"}, "error": {"access_denied"}}, req)
		if !errors.Is(err, exchange.ErrDenied) {
			t.Errorf("error %v, want ErrDenied", err)
		}
	})
	t.Run("an unknown word", func(t *testing.T) {
		_, err := newClient(t, scripted(refused("invalid_refresh"))).Refresh(t.Context(), "invalid_refresh_token")
		if e, ok := errors.AsType[*exchange.Error](err); !ok || !errors.Is(err, exchange.ErrClient) || e.Code != "" {
			t.Errorf("error %v, want ErrClient, and the word withheld", err)
		}
	})
}

// formError keeps to itself what it could not send, as long as nobody asks with
// %#v.
type formError struct{ form string }

func (formError) Error() string { return "cannot send" }

// What ends with a context carries that context's error beside its own.
func TestErrorsOfEndedContextsAreDiscreet(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := scripted(func(r *http.Request) (*http.Response, error) {
		cancel()
		body, _ := r.GetBody()
		form, _ := io.ReadAll(body)
		return nil, &formError{string(form)}
	})
	_, err := newClient(t, g).Refresh(ctx, refreshToken)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, exchange.ErrTemporary) {
		t.Errorf("error %v, want Canceled and ErrTemporary", err)
	}
	if _, ok := errors.AsType[*formError](err); ok {
		t.Error("the transport's error, which holds the request, can be reached")
	}
	discreetError(t, "Refresh", err)
}

// Answers that net/http cannot read, and quotes.
func TestBrokenHTTPIsNotQuoted(t *testing.T) {
	for _, raw := range []string{
		`{"access_token":"marked"}` + "\r\n\r\n",
		"HTTP/1.1 abc marked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nmarked\r\n\r\n",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, raw)
			conn.Close()
		}))
		c := newClient(t, srv.Client().Transport, func(cfg *exchange.Config) { cfg.Endpoint.TokenURL = srv.URL })
		_, err := c.Exchange(t.Context(), goodCode, exchange.App)
		if !errors.Is(err, exchange.ErrTemporary) {
			t.Errorf("error %v, want ErrTemporary", err)
		}
		discreetError(t, "Exchange", err)
		srv.Close()
	}
}

func TestLocalErrorsAreDiscreet(t *testing.T) {
	c := newClient(t, scripted(callbackAnswer(idToken(`{"nonce":"marked-nonce"}`), "openid")))
	for _, code := range []string{goodCode + "\n", url.QueryEscape(goodCode), goodCode + strings.Repeat(mark, 100)} {
		_, err := c.Exchange(t.Context(), code, exchange.App)
		discreetError(t, "Exchange", err)
		_, err = c.ReadCode(httptest.NewRecorder(), codeRequest(body("text/plain", code)))
		discreetError(t, "ReadCode", err)
		_, err = c.ReadCode(httptest.NewRecorder(), codeRequest(body("application/json", `{"code":"`+code+`","code":"`)))
		discreetError(t, "ReadCode", err)
	}
	req := &exchange.AuthRequest{RedirectURI: callbackURI, State: "marked-state", Nonce: "marked-other", CodeVerifier: "marked-verifier"}
	for _, callback := range []url.Values{
		{"state": {"marked-wrong"}, "code": {goodCode}},
		{"state": {req.State}, "code": {goodCode}, "iss": {"https://marked.example"}},
		{"state": {req.State}, "error": {"marked-verifier"}, "error_description": {"marked-state marked-nonce"}},
		{"state": {req.State}, "code": {goodCode}}, // another nonce
	} {
		_, err := c.ExchangeCallback(t.Context(), callback, req)
		discreetError(t, "ExchangeCallback", err)
	}
}

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
