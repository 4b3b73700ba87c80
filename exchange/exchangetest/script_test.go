package exchangetest_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

const (
	pageOrigin = "http://localhost:3000"
	loginURI   = pageOrigin + "/login"
)

func startForPage(t *testing.T) *exchangetest.Server {
	return start(t, exchangetest.Options{
		Users:   []exchangetest.User{{Email: "jane.doe@gmail.com"}},
		Clients: []exchangetest.Client{{RedirectURIs: []string{loginURI}, JavaScriptOrigins: []string{pageOrigin}}},
	})
}

// ask returns what the server answers to a request of a page.
func ask(t *testing.T, srv *exchangetest.Server, origin, path string, form url.Values) (string, http.Header) {
	t.Helper()
	r, err := http.NewRequest("GET", srv.URL+path, nil)
	if form != nil {
		r, err = http.NewRequest("POST", srv.URL+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", origin)
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), resp.Header
}

// fields returns the hidden fields of a page.
func fields(page string) url.Values {
	form := make(url.Values)
	for _, m := range regexp.MustCompile(`type="hidden" name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

func TestJavaScriptOrigins(t *testing.T) {
	tests := []struct {
		origin, want string // what is wrong; "" is registered
	}{
		{"https://app.example.com", ""},
		{"https://app.example.com:8443", ""},
		{"http://localhost:3000", ""},
		{"http://127.0.0.1:3000", ""},
		{"http://app.example.com", "https"},
		{"https://192.0.2.7", "raw IP"},
		{"https://*.example.com", "wildcard"},
		{"https://app.example.com/", "after the host"},
		{"https://app.example.com/login", "after the host"},
		{"https://app.example.com?x", "after the host"},
		{"app.example.com", "absolute"},
	}
	for _, tt := range tests {
		err := exchangetest.Options{Clients: []exchangetest.Client{{JavaScriptOrigins: []string{tt.origin}}}}.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.origin, err, tt.want)
		}
	}
}

func TestPageScript(t *testing.T) {
	srv := startForPage(t)
	script, header := ask(t, srv, pageOrigin, "/gsi/client", nil)
	if header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || !strings.HasPrefix(header.Get("Content-Type"), "text/javascript") || !strings.Contains(script, `fake = "`+srv.URL+`"`) {
		t.Errorf("the script does not know its server: %.300s", script)
	}
	if file := string(srv.ClientSecretJSON()); !strings.Contains(file, `"javascript_origins":["`+pageOrigin+`"]`) {
		t.Error(file)
	}
}

// The code of a popup is for "postmessage", and only for pages of a registered origin.
func TestPopupOfPageScript(t *testing.T) {
	srv := startForPage(t)
	client, err := exchange.New(srv.Config())
	if err != nil {
		t.Fatal(err)
	}
	at := func(relay string) string {
		return srv.URL + "/o/oauth2/v2/auth?" + url.Values{
			"client_id": {srv.ClientID()}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {relay},
		}.Encode()
	}
	answer, err := srv.Authorize(at("storagerelay://http/localhost:3000?id=auth1"), exchangetest.Choice{})
	if err != nil || answer.Query().Get("id") != "auth1" {
		t.Fatal(answer, err)
	}
	if _, err := client.Exchange(t.Context(), answer.Query().Get("code"), exchange.Popup); err != nil {
		t.Error(err)
	}
	for _, relay := range []string{
		"storagerelay://https/localhost:3000?id=auth1", "storagerelay://http/localhost:3001", "storagerelay://http/localhost:3000/x", "storagerelay://",
	} {
		if _, err := srv.Authorize(at(relay), exchangetest.Choice{}); err == nil || !strings.Contains(err.Error(), "origin_mismatch") {
			t.Errorf("%s: %v", relay, err)
		}
	}
}

func TestButtonOfPageScript(t *testing.T) {
	srv := startForPage(t)
	query := url.Values{
		"client_id": {srv.ClientID()}, "origin": {pageOrigin}, "redirect_uri": {loginURI},
		"g_csrf_token": {"c"}, "nonce": {"n"}, "state": {"s"},
	}
	page, header := ask(t, srv, pageOrigin, "/gsi/select?"+query.Encode(), nil)
	if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Error(policy)
	}
	form := fields(page)
	form.Set("action", "deny")
	if page, _ := ask(t, srv, pageOrigin, "/gsi/select/consent", form); !strings.Contains(page, "cancelled") {
		t.Errorf("cancelled: %s", page)
	}
	form.Set("action", "allow")
	page, _ = ask(t, srv, pageOrigin, "/gsi/select/consent", form)
	if !strings.Contains(page, `action="`+loginURI+`"`) {
		t.Fatal(page)
	}
	form = fields(page)
	if form.Get("g_csrf_token") != "c" || form.Get("state") != "s" || form.Get("select_by") != "btn_confirm" {
		t.Error(form)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{srv.ClientID()}, Keys: srv.KeySource(), Now: srv.Now})
	if err != nil {
		t.Fatal(err)
	}
	user, err := verifier.Verify(t.Context(), form.Get("credential"), idtoken.Nonce("n"))
	if err != nil {
		t.Fatal(err)
	}
	if claims := user.Claims(); claims["at_hash"] != nil || claims["jti"] == nil || string(claims["nbf"]) >= string(claims["iat"]) {
		t.Error(claims)
	}
	if _, err := srv.Authorize(srv.URL+"/gsi/select?"+query.Encode(), exchangetest.Choice{}); err == nil {
		t.Error("Authorize walks through the pages of the button, which end with no redirect")
	}
	query.Set("origin", "https://app.example.com")
	if page, _ := ask(t, srv, pageOrigin, "/gsi/select?"+query.Encode(), nil); !strings.Contains(page, "origin_mismatch") {
		t.Error(page)
	}
	query.Set("origin", pageOrigin)
	query.Set("redirect_uri", pageOrigin+"/other")
	if page, _ := ask(t, srv, pageOrigin, "/gsi/select?"+query.Encode(), nil); !strings.Contains(page, "redirect_uri_mismatch") {
		t.Error(page)
	}
}

// An ID token has the claims of one profile, even if SetUser changes it at that moment: here
// whenever the server looks at the clock.
func TestOneProfileInIDToken(t *testing.T) {
	var srv *exchangetest.Server
	changes := 0
	srv = exchangetest.NewServer(exchangetest.Options{
		Users:   []exchangetest.User{{Email: jane, Subject: "1"}},
		Clients: []exchangetest.Client{{RedirectURIs: []string{loginURI}, JavaScriptOrigins: []string{pageOrigin}}},
		Now: func() time.Time {
			changes++
			name := strconv.Itoa(changes)
			srv.SetUser(exchangetest.User{Subject: "1", Email: jane, Name: name, Claims: map[string]any{"locale": name}})
			return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		},
	})
	defer srv.Close()
	serve := func(method, target string, form url.Values) url.Values {
		r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return fields(w.Body.String())
	}
	query := url.Values{"client_id": {srv.ClientID()}, "origin": {pageOrigin}, "redirect_uri": {loginURI}}
	form := serve("GET", "/gsi/select?"+query.Encode(), nil)
	form.Set("action", "allow")
	c := claims(t, serve("POST", "/gsi/select/consent", form).Get("credential"))
	if c["name"] == nil || c["name"] != c["locale"] {
		t.Errorf("name %v, locale %v", c["name"], c["locale"])
	}
}

// Only One Tap is in a frame, and only in pages of the origin that is registered.
func TestPromptOfPageScript(t *testing.T) {
	srv := startForPage(t)
	query := url.Values{"client_id": {srv.ClientID()}, "prompted": {"true"}, "redirect_uri": {"storagerelay://http/localhost:3000?id=auth1"}}
	_, header := ask(t, srv, pageOrigin, "/gsi/select?"+query.Encode(), nil)
	if policy := header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors "+pageOrigin) {
		t.Error(policy)
	}
}

func TestRevokeOfPageScript(t *testing.T) {
	srv := startForPage(t)
	const path = "/gsi/revoke"
	revoke := func(origin string, form url.Values) (done bool) {
		t.Helper()
		b, header := ask(t, srv, origin, path, form)
		var answer struct{ Successful bool }
		if err := json.Unmarshal([]byte(b), &answer); err != nil || header.Get("Access-Control-Allow-Origin") != origin || header.Get("Vary") != "Origin" {
			t.Error(b, header, err)
		}
		return answer.Successful
	}
	srv.AppCode(exchangetest.CodeRequest{})
	form := url.Values{"client_id": {srv.ClientID()}, "hint": {"jane.doe@gmail.com"}}
	if revoke("https://app.example.com", form) || len(srv.Grants()) != 1 {
		t.Error("a page of another origin revoked a grant")
	}
	if !revoke(pageOrigin, form) || len(srv.Grants()) != 0 {
		t.Error("the grant is still there")
	}
	if revoke(pageOrigin, form) {
		t.Error("a grant that is gone was revoked")
	}
	client, err := exchange.New(srv.Config())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := client.Exchange(t.Context(), srv.PopupCode(exchangetest.CodeRequest{}), exchange.Popup)
	if err != nil {
		t.Fatal(err)
	}
	if form := (url.Values{"token": {tokens.AccessToken}}); !revoke(pageOrigin, form) || revoke(pageOrigin, form) || len(srv.Grants()) != 0 {
		t.Error("oauth2.revoke does not revoke once")
	}
}
