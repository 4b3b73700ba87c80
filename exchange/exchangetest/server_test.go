package exchangetest_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

func TestDiscovery(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	status, doc := send(t, srv, request("GET", srv.URL+"/.well-known/openid-configuration", nil))
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	e := srv.Endpoint()
	for name, want := range map[string]string{
		"issuer":                 "https://accounts.google.com",
		"authorization_endpoint": e.AuthURL,
		"token_endpoint":         e.TokenURL,
		"revocation_endpoint":    e.RevokeURL,
		"userinfo_endpoint":      srv.URL + "/v1/userinfo",
		"jwks_uri":               srv.CertsURL(),
	} {
		if doc[name] != want {
			t.Errorf("%s is %v, want %s", name, doc[name], want)
		}
	}
	for _, name := range []string{"token_endpoint", "revocation_endpoint", "userinfo_endpoint", "jwks_uri"} {
		resp, err := srv.Client().Get(doc.str(name))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == 404 {
			t.Errorf("%s leads nowhere", name)
		}
	}
}

func TestOwnIssuer(t *testing.T) {
	o := web(exchangetest.Options{OwnIssuer: true})
	t.Run("at its own address", func(t *testing.T) {
		srv := exchangetest.NewServer(o)
		defer srv.Close()
		wantOwnIssuer(t, srv)
	})
	t.Run("elsewhere", func(t *testing.T) {
		srv := exchangetest.NewServer(o)
		defer srv.Close()
		elsewhere := httptest.NewServer(srv)
		defer elsewhere.Close()
		srv.Issuer() // asked too early, it must not stay with the former address
		srv.URL = elsewhere.URL
		wantOwnIssuer(t, srv)
	})
}

func wantOwnIssuer(t *testing.T, srv *exchangetest.Server) {
	t.Helper()
	_, doc := send(t, srv, request("GET", srv.URL+"/.well-known/openid-configuration", nil))
	token := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})).str("id_token")
	for place, got := range map[string]any{
		"discovery": doc["issuer"],
		"ID token":  claims(t, token)["iss"],
		"callback":  authorize(t, srv, authQuery(srv), exchangetest.Choice{}).Get("iss"),
		"Endpoint":  srv.Endpoint().Issuer,
		"Issuer":    srv.Issuer().URL,
	} {
		if got != srv.URL {
			t.Errorf("%s says %v, want %s", place, got, srv.URL)
		}
	}
}

func TestCerts(t *testing.T) {
	own := idtokentest.NewIssuer()
	srv := exchangetest.NewServer(exchangetest.Options{Issuer: own})
	defer srv.Close()
	first := own.KeyID()
	own.Rotate()
	for _, path := range []string{"/oauth2/v3/certs", "/oauth2/v1/certs"} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, "max-age=") {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		var found []string
		if path == "/oauth2/v3/certs" {
			var set struct{ Keys []struct{ Kid string } }
			if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
				t.Fatal(err)
			}
			for _, k := range set.Keys {
				found = append(found, k.Kid)
			}
		} else {
			certs := map[string]string{}
			if err := json.NewDecoder(resp.Body).Decode(&certs); err != nil {
				t.Fatal(err)
			}
			for kid, text := range certs {
				block, _ := pem.Decode([]byte(text))
				if _, err := x509.ParseCertificate(block.Bytes); err != nil {
					t.Error(err)
				}
				found = append(found, kid)
			}
		}
		if len(found) != 2 || !slices.Contains(found, first) || !slices.Contains(found, own.KeyID()) {
			t.Errorf("%s has %q, want the old key and the new", path, found)
		}
	}
}

func TestClientReachesGoogleHosts(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	for _, at := range []string{
		"https://accounts.google.com/.well-known/openid-configuration",
		"https://www.googleapis.com/oauth2/v3/certs",
		"https://www.googleapis.com/oauth2/v1/certs",
	} {
		resp, err := srv.Client().Get(at)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", at, resp.Status)
		}
	}
	r := request("POST", "https://oauth2.googleapis.com/token", exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{})))
	if status, _ := send(t, srv, r); status != 200 {
		t.Errorf("token endpoint: %d", status)
	}
	if r.URL.Host != "oauth2.googleapis.com" {
		t.Errorf("the caller's request is now for %s", r.URL)
	}
}

func TestRequestLog(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	form := exchangeForm(srv, "4/0A-wrong")
	r := request("POST", srv.URL+"/token?trace=1", form)
	r.Header.Set("X-Test", "yes")
	send(t, srv, r)
	resp, err := srv.Client().Get(srv.URL + "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()

	all := srv.Requests()
	if len(all) != 2 || all[1].Endpoint != "" || all[1].Status != 404 {
		t.Fatalf("%d requests, the last %+v", len(all), all[len(all)-1])
	}
	got := srv.Requests(exchangetest.TokenEndpoint)[0]
	if got.Method != "POST" || got.Path != "/token" || got.Query.Get("trace") != "1" || got.Status != 400 ||
		got.Header.Get("X-Test") != "yes" || got.Form.Get("code") != "4/0A-wrong" || got.Body != form.Encode() {
		t.Errorf("logged %+v", got)
	}
	if !got.Time.Equal(srv.Now()) {
		t.Errorf("logged at %v, by the server's clock it was %v", got.Time, srv.Now())
	}
}

// A test may call ServeHTTP with a request of http.NewRequest, whose Body is nil.
func TestNoBody(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	for path, want := range map[string]int{"/token": 400, "/revoke": 400, "/o/oauth2/v2/auth": 400, "/elsewhere": 404} {
		r, err := http.NewRequest("POST", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if srv.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	for n := range 10_001 {
		srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprint("/", n), nil))
	}
	log := srv.Requests()
	if n := len(log); n < 5_000 || n > 10_000 || log[n-1].Path != "/10000" {
		t.Errorf("%d requests kept, the last %s", n, log[n-1].Path)
	}
}

func TestUsers(t *testing.T) {
	users := []exchangetest.User{
		{Email: "a@example.com", EmailUnverified: true, HostedDomain: "example.com", Picture: "https://example.com/a.png"},
		{Subject: "42", Email: "b@example.com", Claims: map[string]any{
			"iss": "accounts.google.com", "email_verified": "true", "locale": "de", "at_hash": nil,
		}},
	}
	srv := start(t, exchangetest.Options{Users: users})
	tests := []struct {
		user string
		want body
	}{
		{"a@example.com", body{"email_verified": false, "hd": "example.com", "iss": "https://accounts.google.com", "picture": "https://example.com/a.png"}},
		{"A@Example.com", body{"email": "a@example.com"}},
		{"42", body{"sub": "42", "email_verified": "true", "hd": nil, "iss": "accounts.google.com", "locale": "de", "at_hash": nil}},
		{"", body{"email": "a@example.com"}},
	}
	for _, tt := range tests {
		c := claims(t, redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{User: tt.user})).str("id_token"))
		for name, want := range tt.want {
			got, present := c[name]
			if got != want || present != (want != nil) {
				t.Errorf("user %q: %s is %#v, present %v; want %#v", tt.user, name, got, present, want)
			}
		}
	}
}

func subject(t *testing.T, srv *exchangetest.Server, user string) string {
	t.Helper()
	b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{User: user}))
	return claims(t, b.str("id_token")).str("sub")
}

// A profile that changes keeps the account and its grants.
func TestSetUser(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	before := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{User: jane}))
	sub := claims(t, before.str("id_token"))["sub"]
	srv.SetUser(exchangetest.User{
		Subject: sub.(string), Email: "jane@example.com", EmailUnverified: true, Name: "Jane Roe", HostedDomain: "example.com",
	})
	want := body{
		"sub": sub, "email": "jane@example.com", "email_verified": false,
		"name": "Jane Roe", "given_name": nil, "picture": nil, "hd": "example.com",
	}
	check := func(where string, got body) {
		for name, want := range want {
			if got[name] != want {
				t.Errorf("%s: %s is %#v, want %#v", where, name, got[name], want)
			}
		}
	}
	_, info := send(t, srv, withBearer(request("GET", srv.URL+"/v1/userinfo", nil), before.str("access_token")))
	check("userinfo of a former token", info)
	_, refreshed := post(t, srv, "/token", refreshForm(srv, before.str("refresh_token")))
	if got := claims(t, refreshed.str("id_token")); got["email"] != "jane@example.com" || got["sub"] != sub {
		t.Errorf("after a refresh: %v", got)
	}
	after := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{User: "jane@example.com"}))
	check("new sign-in", claims(t, after.str("id_token")))
	if after["refresh_token"] != nil {
		t.Error("the user is asked for consent again")
	}
}

func TestRedirectURIs(t *testing.T) {
	tests := []struct {
		uri, want string // what is wrong; "" is registered
	}{
		{"https://app.example.com/callback", ""},
		{"https://app.example.com:8443/callback?next=%2Fhome", ""},
		{"http://localhost", ""},
		{"http://localhost:3000/api/auth/callback/google", ""},
		{"http://127.0.0.1:8080/cb", ""},
		{"http://[::1]:8080/cb", ""},
		{"https://localhost/cb", ""},
		{"https://app.example.com/..well-known..", "traversal"},
		{"https://app.example.com/a..b", ""},
		{"/callback", "absolute"},
		{"::", "absolute"},
		{"http://app.example.com/cb", "https"},
		{"postmessage", "absolute"},
		{"com.example.app:/cb", "https"},
		{"urn:ietf:wg:oauth:2.0:oob", "https"},
		{"https://192.0.2.7/cb", "raw IP"},
		{"https://[2001:db8::1]/cb", "raw IP"},
		{"https://[fe80::1%25.example.com]/cb", "raw IP"},
		{"https://intranet/cb", "public suffix"},
		{"https://app.local/cb", "public suffix"},
		{"https://app.test/cb", "public suffix"},
		{"https://app.localhost/cb", "public suffix"},
		{"https://x.googleusercontent.com/cb", "Google's own"},
		{"https://goo.gl/x", "Google's own"},
		{"https://me@app.example.com/cb", "userinfo"},
		{"https://app.example.com/cb#top", "fragment"},
		{"https://app.example.com/a/../cb", "traversal"},
		{"https://app.example.com/a/%2e%2e/cb", "traversal"},
		{`https://app.example.com/a\..\cb`, "traversal"},
		{"https://*.example.com/cb", "wildcard"},
		{"https://app.example.com/*", "wildcard"},
		{"https://app.example.com/cb?x=\x7f", "absolute"},
		{"https://app.example.com/caf\u00e9", "printable"},
		{"https://app.example.com/%00", "null"},
		{"https://app.example.com/cb?x=%C0%80", "null"},
		{"https://app.example.com/cb?x=%zz", "percent"},
		{"https://app.example.com/%zz", "absolute"},
	}
	for _, tt := range tests {
		err := exchangetest.Options{Clients: []exchangetest.Client{{RedirectURIs: []string{tt.uri}}}}.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.uri, err, tt.want)
		}
	}
	installed := exchangetest.Client{Installed: true, RedirectURIs: []string{"com.example.app:/cb"}}
	if err := (exchangetest.Options{Clients: []exchangetest.Client{installed}}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestAuthorizedParty(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	tests := []struct {
		name, code, origin, want string
	}{
		{"app", srv.AppCode(exchangetest.CodeRequest{}), "", "123456789012-app.apps.googleusercontent.com"},
		{"popup", srv.PopupCode(exchangetest.CodeRequest{}), "postmessage", srv.ClientID()},
	}
	for _, tt := range tests {
		form := exchangeForm(srv, tt.code)
		form.Set("redirect_uri", tt.origin)
		_, b := post(t, srv, "/token", form)
		if got := claims(t, b.str("id_token"))["azp"]; got != tt.want {
			t.Errorf("%s: azp %v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestInstalledClient(t *testing.T) {
	srv := start(t, exchangetest.Options{Clients: []exchangetest.Client{{Installed: true}}})
	if srv.ClientSecret() != "" {
		t.Error("an installed client was given a secret")
	}
	for n := range 2 {
		b := redeemAs(t, srv, srv.ClientID(), "", srv.AppCode(exchangetest.CodeRequest{}))
		if b.str("refresh_token") == "" {
			t.Errorf("sign-in %d: no refresh token", n+1)
		}
	}
}

func TestClientSecretJSON(t *testing.T) {
	for _, o := range []exchangetest.Options{
		{},
		{Clients: []exchangetest.Client{{RedirectURIs: []string{"https://app.example.com/callback"}}}},
	} {
		srv := start(t, o)
		cfg, err := exchange.ConfigFromJSON(srv.ClientSecretJSON())
		if err != nil {
			t.Fatal(err)
		}
		if cfg.ClientID != srv.ClientID() || cfg.ClientSecret != srv.ClientSecret() {
			t.Errorf("client %s, want %s", cfg.ClientID, srv.ClientID())
		}
		if got := strings.Contains(string(srv.ClientSecretJSON()), "redirect_uris"); got != (len(o.Clients) > 0) {
			t.Errorf("redirect_uris present: %v", got)
		}
	}
}

func TestMistakesPanic(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", appdata}})
	closing := start(t, exchangetest.Options{Clients: []exchangetest.Client{{}, {ID: "2-b"}}})
	closing.DeleteClient("2-b")
	closing.DeleteUser(jane)
	tests := []struct {
		name string
		want string
		do   func()
	}{
		{"unknown user", "no user", func() { srv.AppCode(exchangetest.CodeRequest{User: "x"}) }},
		{"unknown client", "no client", func() { srv.AppCode(exchangetest.CodeRequest{ClientID: "x"}) }},
		{"deleted user", "invalid_grant", func() { closing.AppCode(exchangetest.CodeRequest{User: jane}) }},
		{"deleted client", "deleted_client", func() {
			closing.AppCode(exchangetest.CodeRequest{ClientID: "2-b", User: "john.roe@example.com"})
		}},
		{"declined identity", "no box", func() {
			srv.AppCode(exchangetest.CodeRequest{ForceConsent: true, Declined: []string{"email"}})
		}},
		{"declined what is not asked for", "no box", func() {
			srv.AppCode(exchangetest.CodeRequest{ForceConsent: true, Declined: []string{gmail}})
		}},
		{"declined without a consent screen", "nothing to decline", func() {
			srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}, Declined: []string{appdata}})
		}},
		{"declined everything", "access_denied", func() {
			srv.AppCode(exchangetest.CodeRequest{Scopes: []string{gmail}, Declined: []string{gmail}})
		}},
		{"profile of nobody", "no user", func() { srv.SetUser(exchangetest.User{Email: "x@example.com"}) }},
		{"address of another", "address of their own", func() {
			srv.SetUser(exchangetest.User{Subject: subject(t, srv, jane), Email: "john.roe@example.com"})
		}},
		{"no address", "address of their own", func() { srv.SetUser(exchangetest.User{Subject: subject(t, srv, jane)}) }},
		{"redirect URI", "must use https", func() {
			exchangetest.NewServer(exchangetest.Options{Clients: []exchangetest.Client{{RedirectURIs: []string{"http://app.example.com/cb"}}}})
		}},
		{"two issuers", "both Issuer and OwnIssuer", func() {
			exchangetest.NewServer(exchangetest.Options{Issuer: idtokentest.NewSharedIssuer(), OwnIssuer: true})
		}},
		{"user without an address", "without Email", func() { exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{{}}}) }},
		{"same user twice", "two users", func() {
			exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{{Email: jane}, {Email: jane}}})
		}},
		{"same address twice", "two users", func() {
			exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{{Email: jane}, {Subject: "1", Email: jane}}})
		}},
		{"same subject twice", "two users", func() {
			exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{{Subject: "1", Email: jane}, {Subject: "1", Email: "x@example.com"}}})
		}},
		{"same client twice", "two clients", func() {
			exchangetest.NewServer(exchangetest.Options{Clients: []exchangetest.Client{{ID: "1-a"}, {ID: "1-a"}}})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want one with %q", got, tt.want)
				}
			}()
			tt.do()
		})
	}
}

func request(method, at string, form url.Values) *http.Request {
	r, err := http.NewRequest(method, at, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// TestConfig checks that Config and KeySource work without changes.
func TestConfig(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	srv.Advance(30 * 24 * time.Hour) // not the system's time
	config := srv.Config()
	client, err := exchange.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(config.RedirectURIs, []string{callback, callback + "?next=1"}) {
		t.Errorf("redirect URIs %q", config.RedirectURIs)
	}
	config.RedirectURIs[0] = "https://app.example.com/spoiled"
	authorize(t, srv, authQuery(srv), exchangetest.Choice{}) // as before
	tokens, err := client.Exchange(t.Context(), srv.AppCode(exchangetest.CodeRequest{}), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	if !tokens.Expiry.After(srv.Now()) {
		t.Errorf("the token expires at %v; it is %v", tokens.Expiry, srv.Now())
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{config.ClientID}, Keys: srv.KeySource(), Now: srv.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(t.Context(), tokens.IDToken); err != nil {
		t.Error(err)
	}
	old := srv.Issuer().KeyID()
	srv.Issuer().Rotate()
	srv.Issuer().Withdraw(old)
	if _, err := verifier.Verify(t.Context(), tokens.IDToken); !errors.Is(err, idtoken.ErrSignature) {
		t.Errorf("under a withdrawn key: %v", err)
	}
}

// BenchmarkNewServer measures a server of a test's own.
func BenchmarkNewServer(b *testing.B) {
	for b.Loop() {
		exchangetest.NewServer(exchangetest.Options{}).Close()
	}
}

// A bubble ends only when all its goroutines have: a leak would hang the test.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := exchangetest.NewServer(exchangetest.Options{})
		redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{}))
		srv.Script(exchangetest.TokenEndpoint, exchangetest.Fault{Hang: true})
		ctx, hangUp := context.WithCancel(t.Context())
		answered := make(chan error)
		go func() {
			r := request("POST", srv.URL+"/token", nil).WithContext(ctx)
			_, err := srv.Client().Do(r)
			answered <- err
		}()
		hangUp()
		if err := <-answered; err == nil {
			t.Error("a hanging request was answered")
		}
		srv.Close()
	})
}
