package exchange_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

const callbackURI = "https://example.com/oauth2/callback"

func newAuthRequest(t testing.TB, c *exchange.Client, p exchange.AuthParams) (*exchange.AuthRequest, url.Values) {
	t.Helper()
	if p.Scopes == nil {
		p.Scopes = []string{"openid", "email"}
	}
	req, err := c.NewAuthRequest(callbackURI, p)
	if err != nil {
		t.Fatal(err)
	}
	page, query, _ := strings.Cut(req.URL, "?")
	if page != "https://accounts.google.com/o/oauth2/v2/auth" {
		t.Errorf("the page is %q", page)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return req, values
}

func TestAuthRequestURL(t *testing.T) {
	c := newClient(t, scripted())
	req, got := newAuthRequest(t, c, exchange.AuthParams{})
	sum := sha256.Sum256([]byte(req.CodeVerifier))
	base := url.Values{
		"client_id": {clientID}, "redirect_uri": {callbackURI}, "response_type": {"code"}, "scope": {"openid email"},
		"access_type": {"offline"}, "include_granted_scopes": {"true"}, "state": {req.State}, "nonce": {req.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if !reflect.DeepEqual(got, base) {
		t.Errorf("query %v, want %v", got, base)
	}
	if len(req.CodeVerifier) < 43 || len(req.State) < 22 || len(req.Nonce) < 22 {
		t.Errorf("too short: verifier %d, state %d, nonce %d", len(req.CodeVerifier), len(req.State), len(req.Nonce))
	}
	again, _ := newAuthRequest(t, c, exchange.AuthParams{})
	if again.State == req.State || again.Nonce == req.Nonce || again.CodeVerifier == req.CodeVerifier || req.State == req.Nonce {
		t.Error("a secret was used twice")
	}

	tests := []struct {
		name   string
		params exchange.AuthParams
		want   url.Values // besides, or instead of, base
	}{
		{"consent", exchange.AuthParams{ForceConsent: true}, url.Values{"prompt": {"consent"}}},
		{"account", exchange.AuthParams{SelectAccount: true}, url.Values{"prompt": {"select_account"}}},
		{"both", exchange.AuthParams{ForceConsent: true, SelectAccount: true}, url.Values{"prompt": {"consent select_account"}}},
		{"online", exchange.AuthParams{OnlineOnly: true}, url.Values{"access_type": {"online"}}},
		{"only these scopes", exchange.AuthParams{OnlyTheseScopes: true}, url.Values{"include_granted_scopes": nil}},
		{"hint", exchange.AuthParams{LoginHint: "jane.doe@gmail.com"}, url.Values{"login_hint": {"jane.doe@gmail.com"}}},
		{"domain", exchange.AuthParams{HostedDomain: "example.com"}, url.Values{"hd": {"example.com"}}},
		{"auth_time", exchange.AuthParams{AuthTime: true}, url.Values{"claims": {`{"id_token":{"auth_time":{"essential":true}}}`}}},
		{"amr", exchange.AuthParams{Methods: true}, url.Values{"claims": {`{"id_token":{"amr":{"essential":true}}}`}}},
		{"auth_time and amr", exchange.AuthParams{AuthTime: true, Methods: true}, url.Values{"claims": {`{"id_token":{"auth_time":{"essential":true},"amr":{"essential":true}}}`}}},
		{"extra", exchange.AuthParams{Extra: url.Values{"prompt": {"none"}, "hl": {"de"}}}, url.Values{"prompt": {"none"}, "hl": {"de"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got := newAuthRequest(t, c, tt.params)
			for name := range base {
				if _, ok := tt.want[name]; !ok && !got.Has(name) {
					t.Errorf("%s is missing", name)
				}
			}
			for name, values := range got {
				if _, ok := base[name]; !ok && tt.want[name] == nil {
					t.Errorf("%s = %q was not asked for", name, values)
				}
			}
			for name, values := range tt.want {
				if !slices.Equal(got[name], values) {
					t.Errorf("%s = %q, want %q", name, got[name], values)
				}
			}
		})
	}
}

func TestAuthURLKeepsItsOwnQuery(t *testing.T) {
	c := newClient(t, scripted(), func(cfg *exchange.Config) { cfg.Endpoint.AuthURL = "https://idp.example.com/auth?tenant=7&state=x" })
	req, err := c.NewAuthRequest(callbackURI, exchange.AuthParams{Scopes: []string{"openid"}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(req.URL)
	if err != nil || u.Query().Get("tenant") != "7" || !reflect.DeepEqual(u.Query()["state"], []string{req.State}) {
		t.Errorf("URL %q", req.URL)
	}
}

func TestNewAuthRequestRefuses(t *testing.T) {
	registered := func(c *exchange.Config) { c.RedirectURIs = []string{callbackURI} }
	tests := []struct {
		name, uri string
		params    exchange.AuthParams
		want      error
	}{
		{"trailing slash", callbackURI + "/", exchange.AuthParams{Scopes: []string{"openid"}}, exchange.ErrRedirectMismatch},
		{"other host", "https://evil.example/oauth2/callback", exchange.AuthParams{Scopes: []string{"openid"}}, exchange.ErrRedirectMismatch},
		{"relative", "/oauth2/callback", exchange.AuthParams{Scopes: []string{"openid"}}, nil},
		{"no scopes", callbackURI, exchange.AuthParams{}, nil},
		{"empty scope", callbackURI, exchange.AuthParams{Scopes: []string{"openid", ""}}, nil},
		{"two scopes in one", callbackURI, exchange.AuthParams{Scopes: []string{"openid email"}}, nil},
		{"quoted scope", callbackURI, exchange.AuthParams{Scopes: []string{`"openid"`}}, nil},
		{"backslash in a scope", callbackURI, exchange.AuthParams{Scopes: []string{`open\id`}}, nil},
		{"scope not ASCII", callbackURI, exchange.AuthParams{Scopes: []string{"openıd"}}, nil},
		{"state in Extra", callbackURI, exchange.AuthParams{Scopes: []string{"openid"}, Extra: url.Values{"state": {"x"}}}, nil},
		{"prompt twice", callbackURI, exchange.AuthParams{Scopes: []string{"openid"}, ForceConsent: true, Extra: url.Values{"prompt": {"none"}}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newClient(t, scripted(), registered).NewAuthRequest(tt.uri, tt.params)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if exchange.HTTPStatus(err) != 500 {
				t.Errorf("HTTPStatus = %d, want 500", exchange.HTTPStatus(err))
			}
		})
	}
}

func TestApprovalPrompt(t *testing.T) {
	_, err := newClient(t, scripted()).NewAuthRequest(callbackURI, exchange.AuthParams{
		Scopes: []string{"openid"}, Extra: url.Values{"approval_prompt": {"force"}},
	})
	if err == nil || !strings.Contains(err.Error(), "ForceConsent") {
		t.Errorf("error %v, want one that names ForceConsent", err)
	}
}

func TestAuthRequestRoundTrip(t *testing.T) {
	req, _ := newAuthRequest(t, newClient(t, scripted()), exchange.AuthParams{})
	b, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var back exchange.AuthRequest
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(&back, req) {
		t.Errorf("%v: %s does not come back as it was", err, b)
	}
}
