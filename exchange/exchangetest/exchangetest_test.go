package exchangetest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

const (
	email   = "https://www.googleapis.com/auth/userinfo.email"
	profile = "https://www.googleapis.com/auth/userinfo.profile"
	appdata = "https://www.googleapis.com/auth/drive.appdata"
	gmail   = "https://www.googleapis.com/auth/gmail.readonly"
	jane    = "jane.doe@gmail.com"
)

// start starts a server at noon on a day in 2026, whose clock only Advance moves.
func start(t *testing.T, o exchangetest.Options) *exchangetest.Server {
	t.Helper()
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { return noon }
	srv := exchangetest.NewServer(o)
	t.Cleanup(srv.Close)
	return srv
}

// body is a JSON answer of an OAuth endpoint.
type body map[string]any

func (b body) str(name string) string { s, _ := b[name].(string); return s }

// send sends a request and decodes the JSON answer.
func send(t *testing.T, srv *exchangetest.Server, r *http.Request) (int, body) {
	t.Helper()
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var b body
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatalf("%s %s: %s, not JSON: %.200s", r.Method, r.URL.Path, resp.Status, raw)
	}
	return resp.StatusCode, b
}

func post(t *testing.T, srv *exchangetest.Server, path string, form url.Values) (int, body) {
	t.Helper()
	r, err := http.NewRequest("POST", srv.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(t, srv, r)
}

// exchangeForm is what a backend sends for an app's code.
func exchangeForm(srv *exchangetest.Server, code string) url.Values {
	return url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {srv.ClientID()},
		"client_secret": {srv.ClientSecret()},
		"redirect_uri":  {""},
		"code":          {code},
	}
}

func refreshForm(srv *exchangetest.Server, token string) url.Values {
	return url.Values{
		"grant_type":    {"refresh_token"},
		"client_id":     {srv.ClientID()},
		"client_secret": {srv.ClientSecret()},
		"refresh_token": {token},
	}
}

// redeem exchanges an app's code, which has to succeed.
func redeem(t *testing.T, srv *exchangetest.Server, code string) body {
	t.Helper()
	status, b := post(t, srv, "/token", exchangeForm(srv, code))
	if status != 200 {
		t.Fatalf("exchange: %d %v", status, b)
	}
	return b
}

// wantRefusal checks an answer against "400 invalid_grant: description".
func wantRefusal(t *testing.T, status int, b body, wantStatus int, wantCode, wantDescription string) {
	t.Helper()
	if status != wantStatus || b.str("error") != wantCode || b.str("error_description") != wantDescription {
		t.Errorf("answer %d %q %q, want %d %q %q", status, b["error"], b["error_description"],
			wantStatus, wantCode, wantDescription)
	}
}

// claims decodes the payload of an ID token of the server.
func claims(t *testing.T, rawIDToken string) body {
	t.Helper()
	p, err := idtoken.ParseUnverified(rawIDToken)
	if err != nil {
		t.Fatal(err)
	}
	all := body{}
	for name, raw := range p.Claims() {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		all[name] = v
	}
	return all
}

func names(b body) []string { return slices.Sorted(maps.Keys(b)) }

// TestNowCallsTheServer has a clock that calls methods of the server, which take its locks.
func TestNowCallsTheServer(t *testing.T) {
	var srv *exchangetest.Server
	serve := func(path string, form url.Values, proof string) (int, body) {
		r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if proof != "" {
			r.Header.Set("DPoP", proof)
		}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		var b body
		if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return w.Code, b
	}
	calling := false
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	srv = exchangetest.NewServer(exchangetest.Options{Now: func() time.Time {
		if !calling {
			calling = true
			srv.SetBlocked(jane, false)
			serve("/token", nil, "no proof") // is given a nonce
			calling = false
		}
		return now
	}})
	defer srv.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var tokens body
	for range 2 { // the second looks at the refresh token of the first
		var status int
		if status, tokens = serve("/token", exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{ForceConsent: true})), ""); status != 200 {
			t.Fatalf("exchange: %d %v", status, tokens)
		}
	}
	refresh := refreshForm(srv, tokens.str("refresh_token"))
	if status, b := serve("/token", refresh, ""); status != 200 {
		t.Errorf("refresh: %d %v", status, b)
	}
	if _, b := serve("/token", refresh, newJWT(srv, key, "x").sign(t, key)); b.str("error") != "use_dpop_nonce" {
		t.Errorf("refresh with a proof: %v", b)
	}
	if _, _, ok := srv.CheckAccessToken(tokens.str("access_token")); !ok || len(srv.Grants()) != 1 {
		t.Errorf("good: %t, grants: %v", ok, srv.Grants())
	}
	if status, b := serve("/revoke", url.Values{"token": {tokens.str("access_token")}}, ""); status != 200 {
		t.Errorf("revocation: %d %v", status, b)
	}
}
