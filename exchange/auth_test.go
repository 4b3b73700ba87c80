package exchange_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

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

// idToken has the claims in its middle; its signature is not looked at here.
func idToken(claims string) string {
	return "eyJ0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// callbackAnswer is a token answer, with an ID token and a scope unless empty.
func callbackAnswer(idToken, scope string) answerFunc {
	body := `{"access_token":"ya29.marked-access-token","expires_in":3599,"refresh_token":"1//marked-refresh-token"`
	if idToken != "" {
		body += `,"id_token":"` + idToken + `"`
	}
	if scope != "" {
		body += `,"scope":"` + scope + `"`
	}
	return says(200, body+"}")
}

// The caller may use the memory of its strings again.
func TestScopesAreCopied(t *testing.T) {
	memory := []byte("https://www.googleapis.com/auth/drive.appdata")
	want := string(memory)
	scopes := []string{unsafe.String(&memory[0], len(memory))}
	c := newClient(t, scripted(callbackAnswer("", "")))
	req, err := c.NewAuthRequest(callbackURI, exchange.AuthParams{Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	kept := *req
	kept.Scopes = scopes
	tok, err := c.ExchangeCallback(t.Context(), url.Values{"state": {req.State}, "code": {goodCode}}, &kept)
	if err != nil {
		t.Fatal(err)
	}
	clear(memory)
	if req.Scopes[0] != want || tok.Scopes[0] != want || tok.Extra("scope") != want {
		t.Errorf("AuthRequest %q, Tokens %q, Extra %q", req.Scopes, tok.Scopes, tok.Extra("scope"))
	}
}

func TestExchangeCallback(t *testing.T) {
	for _, iss := range []string{"", "https://accounts.google.com"} {
		g := scripted(nil)
		c := newClient(t, g)
		req, _ := newAuthRequest(t, c, exchange.AuthParams{})
		g.script[0] = callbackAnswer(idToken(fmt.Sprintf(`{"NONCE":"x","nonce":%q}`, req.Nonce)), "openid")
		callback := url.Values{"state": {req.State}, "code": {goodCode}, "scope": {"openid"}, "authuser": {"0"}}
		if iss != "" {
			callback.Set("iss", iss)
		}
		tok, err := c.ExchangeCallback(t.Context(), callback, req)
		if err != nil {
			t.Fatalf("iss %q: %v", iss, err)
		}
		if got := g.got[0]; got.Get("redirect_uri") != callbackURI || !slices.Equal(got["code_verifier"], []string{req.CodeVerifier}) {
			t.Errorf("sent %v, want the redirect URI, and the verifier once", got)
		}
		if !slices.Equal(tok.Missing(req.Scopes...), []string{"email"}) {
			t.Errorf("Scopes %q: a subset is data", tok.Scopes)
		}
	}
}

func TestCallbackScopesWhereGoogleNamesNone(t *testing.T) {
	g := scripted(nil)
	c := newClient(t, g)
	req, _ := newAuthRequest(t, c, exchange.AuthParams{})
	g.script[0] = callbackAnswer(idToken(fmt.Sprintf(`{"nonce":%q}`, req.Nonce)), "")
	tok, err := c.ExchangeCallback(t.Context(), url.Values{"state": {req.State}, "code": {goodCode}}, req)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"https://www.googleapis.com/auth/userinfo.email", "openid"}
	if !slices.Equal(tok.Scopes, want) || (&tok.Token).Extra("scope") != strings.Join(want, " ") {
		t.Errorf("Scopes %q, Extra %v; want %q", tok.Scopes, tok.Extra("scope"), want)
	}
}

func TestCallbackWithoutIdentity(t *testing.T) {
	const drive = "https://www.googleapis.com/auth/drive.appdata"
	g := scripted(callbackAnswer("", drive))
	c := newClient(t, g)
	req, _ := newAuthRequest(t, c, exchange.AuthParams{Scopes: []string{drive}})
	if _, err := c.ExchangeCallback(t.Context(), url.Values{"state": {req.State}, "code": {goodCode}}, req); err != nil {
		t.Errorf("no scope asks for an ID token: %v", err)
	}
}

func TestCallbackRefused(t *testing.T) {
	set := func(pairs ...string) func(url.Values, *exchange.AuthRequest) {
		return func(v url.Values, _ *exchange.AuthRequest) {
			for i := 0; i < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
		}
	}
	refuses := func(code string) func(url.Values, *exchange.AuthRequest) {
		return func(v url.Values, _ *exchange.AuthRequest) {
			v.Del("code")
			v.Set("error", code)
		}
	}
	tests := []struct {
		name   string
		change func(url.Values, *exchange.AuthRequest)
		want   error
		status int
	}{
		{"no state", func(v url.Values, _ *exchange.AuthRequest) { v.Del("state") }, exchange.ErrState, 400},
		{"empty state", set("state", ""), exchange.ErrState, 400},
		{"another state", set("state", "x"), exchange.ErrState, 400},
		{"two states", func(v url.Values, _ *exchange.AuthRequest) { v.Add("state", "x") }, exchange.ErrState, 400},
		{"nothing kept", func(v url.Values, r *exchange.AuthRequest) { v.Set("state", ""); *r = exchange.AuthRequest{} }, exchange.ErrState, 400},
		{"no nonce kept", func(_ url.Values, r *exchange.AuthRequest) { r.Nonce = "" }, exchange.ErrState, 400},
		{"no code verifier kept", func(_ url.Values, r *exchange.AuthRequest) { r.CodeVerifier = "" }, exchange.ErrState, 400},
		{"no redirect URI kept", func(_ url.Values, r *exchange.AuthRequest) { r.RedirectURI = "" }, exchange.ErrState, 400},
		{"error of a stranger", set("error", "access_denied", "state", "x"), exchange.ErrState, 400},
		{"issuer", set("iss", "https://evil.example"), exchange.ErrState, 400},
		{"issuer with a slash", set("iss", "https://accounts.google.com/"), exchange.ErrState, 400},
		{"issuer in the short spelling", set("iss", "accounts.google.com"), exchange.ErrState, 400},
		{"empty issuer", set("iss", ""), exchange.ErrState, 400},
		{"two issuers", func(v url.Values, _ *exchange.AuthRequest) {
			v["iss"] = []string{"https://accounts.google.com", "https://evil.example"}
		}, exchange.ErrState, 400},
		{"error of another issuer", set("error", "access_denied", "iss", "https://evil.example"), exchange.ErrState, 400},
		{"error of Google", set("error", "access_denied", "iss", "https://accounts.google.com"), exchange.ErrDenied, 403},
		{"no code", func(v url.Values, _ *exchange.AuthRequest) { v.Del("code") }, exchange.ErrBadRequest, 400},
		{"two codes", func(v url.Values, _ *exchange.AuthRequest) { v.Add("code", "x") }, exchange.ErrBadRequest, 400},
		{"error and code", set("error", "access_denied"), exchange.ErrDenied, 403},
		{"access_denied", refuses("access_denied"), exchange.ErrDenied, 403},
		{"admin_policy_enforced", refuses("admin_policy_enforced"), exchange.ErrDenied, 403},
		{"policy_enforced", refuses("policy_enforced"), exchange.ErrDenied, 403},
		{"org_internal", refuses("org_internal"), exchange.ErrDenied, 403},
		{"login_required", refuses("login_required"), exchange.ErrDenied, 403},
		{"disallowed_useragent", refuses("disallowed_useragent"), exchange.ErrDenied, 403},
		{"deleted_client", refuses("deleted_client"), exchange.ErrClient, 500},
		{"invalid_client", refuses("invalid_client"), exchange.ErrClient, 500},
		{"invalid_request", refuses("invalid_request"), exchange.ErrClient, 500},
		{"invalid_grant", refuses("invalid_grant"), exchange.ErrInvalidGrant, 400},
		{"redirect_uri_mismatch", refuses("redirect_uri_mismatch"), exchange.ErrRedirectMismatch, 500},
		{"server_error", refuses("server_error"), exchange.ErrTemporary, 503},
		{"rate_limit_exceeded", refuses("rate_limit_exceeded"), exchange.ErrTemporary, 503},
		{"empty code", set("code", ""), exchange.ErrBadRequest, 400},
		{"empty error", refuses(""), exchange.ErrBadRequest, 400},
		{"empty error and code", set("error", ""), exchange.ErrBadRequest, 400},
		{"an error of no shape", refuses("<script>"), exchange.ErrClient, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := scripted(says(200, tokenAnswer))
			c := newClient(t, g)
			req, _ := newAuthRequest(t, c, exchange.AuthParams{})
			callback := url.Values{"state": {req.State}, "code": {goodCode}}
			tt.change(callback, req)
			_, err := c.ExchangeCallback(t.Context(), callback, req)
			if !errors.Is(err, tt.want) || exchange.HTTPStatus(err) != tt.status {
				t.Errorf("error %v (%d), want %v (%d)", err, exchange.HTTPStatus(err), tt.want, tt.status)
			}
			if g.posts() != 0 {
				t.Error("the code was sent")
			}
		})
	}
	t.Run("nil request", func(t *testing.T) {
		_, err := newClient(t, scripted()).ExchangeCallback(t.Context(), url.Values{"state": {""}, "code": {goodCode}}, nil)
		if !errors.Is(err, exchange.ErrState) {
			t.Errorf("error %v, want ErrState", err)
		}
	})
}

func TestCallbackNonce(t *testing.T) {
	tests := []struct{ name, token string }{
		{"no ID token", ""},
		{"no nonce", idToken(`{"sub":"1"}`)},
		{"another nonce", idToken(`{"nonce":"x"}`)},
		{"empty nonce", idToken(`{"nonce":""}`)},
		{"other spelling", idToken(`{"NONCE":"N"}`)},
		{"twice", idToken(`{"nonce":"N","nonce":"N"}`)},
		{"nested", idToken(`{"a":{"nonce":"N"}}`)},
		{"number", idToken(`{"nonce":1}`)},
		{"list", idToken(`{"nonce":["N"]}`)},
		{"claims are a list", idToken(`[{"nonce":"N"}]`)},
		{"more after the claims", idToken(`{"nonce":"N"}{}`)},
		{"four parts", idToken(`{"nonce":"N"}`) + ".x"},
		{"two parts", strings.TrimSuffix(idToken(`{"nonce":"N"}`), ".c2ln")},
		{"padded", strings.Replace(idToken(`{"nonce":"N"} `), ".c2ln", "=.c2ln", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := scripted(nil)
			c := newClient(t, g)
			req, _ := newAuthRequest(t, c, exchange.AuthParams{})
			req.Nonce = "N"
			g.script[0] = callbackAnswer(tt.token, "openid")
			tok, err := c.ExchangeCallback(t.Context(), url.Values{"state": {req.State}, "code": {goodCode}}, req)
			if tok != nil || !errors.Is(err, exchange.ErrState) {
				t.Errorf("%v, %v; want ErrState", tok, err)
			}
		})
	}
}

func TestUnaskedIDTokenNeedsTheNonceToo(t *testing.T) {
	const drive = "https://www.googleapis.com/auth/drive.appdata"
	c := newClient(t, scripted(callbackAnswer(idToken(`{"nonce":"x"}`), drive)))
	req, _ := newAuthRequest(t, c, exchange.AuthParams{Scopes: []string{drive}})
	_, err := c.ExchangeCallback(t.Context(), url.Values{"state": {req.State}, "code": {goodCode}}, req)
	if !errors.Is(err, exchange.ErrState) {
		t.Errorf("error %v, want ErrState", err)
	}
}

func TestSameCodeUnderAnotherVerifierMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := scripted(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return callbackAnswer(idToken(`{"nonce":"N"}`), "openid")(r)
		})
		c := newClient(t, g)
		req := exchange.AuthRequest{RedirectURI: callbackURI, State: "s", Nonce: "N", CodeVerifier: "one"}
		callback := url.Values{"state": {"s"}, "code": {goodCode}}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.ExchangeCallback(t.Context(), callback, &req); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		other := req
		other.CodeVerifier = "two"
		if _, err := c.ExchangeCallback(t.Context(), callback, &other); !errors.Is(err, exchange.ErrInvalidGrant) || g.posts() != 1 {
			t.Errorf("%v after %d posts, want ErrInvalidGrant after 1", err, g.posts())
		}
		wg.Wait()
	})
}

func TestSameCodeUnderAnotherVerifier(t *testing.T) {
	g := scripted(callbackAnswer(idToken(`{"nonce":"N"}`), "openid"))
	c := newClient(t, g)
	req := &exchange.AuthRequest{RedirectURI: callbackURI, State: "s", Nonce: "N", CodeVerifier: "one"}
	callback := url.Values{"state": {"s"}, "code": {goodCode}}
	if _, err := c.ExchangeCallback(t.Context(), callback, req); err != nil {
		t.Fatal(err)
	}
	other := *req
	other.CodeVerifier = "two"
	if _, err := c.ExchangeCallback(t.Context(), callback, &other); !errors.Is(err, exchange.ErrInvalidGrant) || g.posts() != 1 {
		t.Errorf("%v after %d posts, want ErrInvalidGrant after 1", err, g.posts())
	}
}

// FuzzCallbackNonce: claims that pass are an object whose nonce, by that exact
// name, is the one asked for.
func FuzzCallbackNonce(f *testing.F) {
	for _, claims := range []string{`{"nonce":"N"}`, `{"nonce":"N","nonce":"x"}`, `{"NONCE":"N"}`, `{"a":[{}],"nonce":"\u004e"}`, `[]`, `{`} {
		f.Add([]byte(claims))
	}
	f.Fuzz(func(t *testing.T, claims []byte) {
		c := newClient(t, scripted(callbackAnswer(idToken(string(claims)), "openid")))
		req := &exchange.AuthRequest{RedirectURI: callbackURI, State: "s", Nonce: "N", CodeVerifier: "v"}
		_, err := c.ExchangeCallback(t.Context(), url.Values{"state": {"s"}, "code": {goodCode}}, req)
		if err != nil {
			if !errors.Is(err, exchange.ErrState) {
				t.Errorf("%q: %v", claims, err)
			}
			return
		}
		var got map[string]any
		if json.Unmarshal(claims, &got) != nil || got["nonce"] != "N" {
			t.Errorf("accepted %q", claims)
		}
	})
}

func TestRequiredIssuer(t *testing.T) {
	const other = "https://idp.example.com"
	tests := []struct {
		name, endpoint, iss string
		required, ok        bool
	}{
		{"absent", "", "", false, true},
		{"absent, required", "", "", true, false},
		{"Google's, required", "", "https://accounts.google.com", true, true},
		{"Google's", "", "https://accounts.google.com", false, true},
		{"another provider's", other, other, true, true},
		{"Google's, at another provider", other, "https://accounts.google.com", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := scripted(nil)
			c := newClient(t, g, func(cfg *exchange.Config) { cfg.RequireIssuer, cfg.Endpoint.Issuer = tt.required, tt.endpoint })
			req, _ := newAuthRequest(t, c, exchange.AuthParams{})
			g.script[0] = callbackAnswer(idToken(fmt.Sprintf(`{"nonce":%q}`, req.Nonce)), "openid")
			callback := url.Values{"state": {req.State}, "code": {goodCode}}
			if tt.iss != "" {
				callback.Set("iss", tt.iss)
			}
			_, err := c.ExchangeCallback(t.Context(), callback, req)
			if tt.ok && err != nil || !tt.ok && (!errors.Is(err, exchange.ErrState) || g.posts() != 0) {
				t.Errorf("%v after %d posts, want it accepted: %t", err, g.posts(), tt.ok)
			}
		})
	}
}
