package exchangetest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestExchangeAnswer(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", "email", "profile", appdata}, Nonce: "n-1"}))
	want := []string{"access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"}
	if got := names(b); !slices.Equal(got, want) {
		t.Errorf("members %q, want %q", got, want)
	}
	if b.str("token_type") != "Bearer" || b["expires_in"] != 3599.0 {
		t.Errorf("token_type %v, expires_in %v", b["token_type"], b["expires_in"])
	}
	if got, want := b.str("scope"), strings.Join([]string{appdata, email, profile, "openid"}, " "); got != want {
		t.Errorf("scope %q, want %q", got, want)
	}
	c := claims(t, b.str("id_token"))
	sum := sha256.Sum256([]byte(b.str("access_token")))
	iat := float64(srv.Now().Unix())
	for name, want := range map[string]any{
		"iss": "https://accounts.google.com", "aud": srv.ClientID(),
		"azp": "123456789012-app.apps.googleusercontent.com",
		"iat": iat, "exp": iat + 3600, "nonce": "n-1",
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
		"email":   jane, "email_verified": true, "name": "Jane Doe", "given_name": "Jane", "family_name": "Doe",
	} {
		if c[name] != want {
			t.Errorf("claim %s is %v, want %v", name, c[name], want)
		}
	}
	subject, scopes, ok := srv.CheckAccessToken(b.str("access_token"))
	if !ok || subject != c["sub"] || !slices.Contains(scopes, appdata) {
		t.Errorf("CheckAccessToken = %q, %q, %v", subject, scopes, ok)
	}
}

// Each case is a good exchange of an app's code with one thing wrong.
func TestExchangeRefusals(t *testing.T) {
	const other = "123456789012-other.apps.googleusercontent.com"
	set := func(name, value string) func(*exchangetest.Server, url.Values) {
		return func(_ *exchangetest.Server, f url.Values) { f.Set(name, value) }
	}
	drop := func(name string) func(*exchangetest.Server, url.Values) {
		return func(_ *exchangetest.Server, f url.Values) { f.Del(name) }
	}
	tests := []struct {
		name              string
		spoil             func(*exchangetest.Server, url.Values)
		status            int
		code, description string
		alive             bool // the code can still be redeemed
	}{
		{"no grant_type", drop("grant_type"), 400, "invalid_request", "Missing required parameter: grant_type", true},
		{"other grant_type", set("grant_type", "password"), 400, "unsupported_grant_type", "Invalid grant_type: password", true},
		{"no code", drop("code"), 400, "invalid_request", "Missing required parameter: code", true},
		{"no client", drop("client_id"), 400, "invalid_request", "Could not determine client ID from request.", true},
		{"no secret", drop("client_secret"), 400, "invalid_request", "client_secret is missing.", true},
		{"wrong secret", set("client_secret", "GOCSPX-no"), 401, "invalid_client", "Unauthorized", true},
		{"unknown client", set("client_id", "1-x.apps.googleusercontent.com"), 401, "invalid_client", "The OAuth client was not found.", true},
		{"parameter twice", func(_ *exchangetest.Server, f url.Values) { f.Add("code", "4/0A") }, 400, "invalid_request", "OAuth 2 parameters can only have a single value: code", true},
		{"garbage code", set("code", "garbage"), 400, "invalid_grant", "Malformed auth code.", true},
		{"popup's redirect_uri", set("redirect_uri", "postmessage"), 400, "redirect_uri_mismatch", "Bad Request", false},
		{"unasked code_verifier", set("code_verifier", strings.Repeat("v", 43)), 400, "invalid_grant", "Invalid code verifier.", false},
		{"other client", func(_ *exchangetest.Server, f url.Values) {
			f.Set("client_id", other)
			f.Set("client_secret", "s")
		}, 401, "unauthorized_client", "Unauthorized", false},
		{"redeemed before", func(s *exchangetest.Server, f url.Values) {
			redeemForm := url.Values{}
			for name, v := range f {
				redeemForm[name] = v
			}
			post(t, s, "/token", redeemForm)
		}, 400, "invalid_grant", "Bad Request", false},
		{"expired", func(s *exchangetest.Server, _ url.Values) { s.Advance(10 * time.Minute) }, 400, "invalid_grant", "Bad Request", false},
		{"access removed", func(s *exchangetest.Server, _ url.Values) { s.RemoveAccess(jane) }, 400, "invalid_grant", "Bad Request", false},
		{"user deleted", func(s *exchangetest.Server, _ url.Values) { s.DeleteUser(jane) }, 400, "invalid_grant", "The account has been deleted", false},
		{"blocked by the administrator", func(s *exchangetest.Server, _ url.Values) { s.SetBlocked(jane, true) }, 400, "admin_policy_enforced", "Bad Request", false},
		{"Advanced Protection", func(s *exchangetest.Server, _ url.Values) { s.SetAdvancedProtection(jane, true) }, 400, "policy_enforced", "Bad Request", false},
		{"client deleted", func(s *exchangetest.Server, _ url.Values) { s.DeleteClient(s.ClientID()) }, 401, "deleted_client", "The OAuth client was deleted.", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{Clients: []exchangetest.Client{{}, {ID: other, Secret: "s"}}})
			good := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{}))
			spoilt := exchangeForm(srv, good.Get("code"))
			tt.spoil(srv, spoilt)
			status, b := post(t, srv, "/token", spoilt)
			wantRefusal(t, status, b, tt.status, tt.code, tt.description)
			if status, b := post(t, srv, "/token", good); (status == 200) != tt.alive {
				t.Errorf("the good exchange afterwards: %d %v", status, b)
			}
		})
	}
}

func TestExchangeTransport(t *testing.T) {
	tests := []struct {
		name        string
		method      string
		contentType string
		add         string // to the body
		wantStatus  int
		want        string // in the answer
	}{
		{"POST form", "POST", "application/x-www-form-urlencoded", "", 200, "access_token"},
		{"form with charset", "POST", "application/x-www-form-urlencoded; charset=UTF-8", "", 200, "access_token"},
		{"form in other letters", "POST", "Application/X-WWW-Form-URLencoded ; charset=UTF-8", "", 200, "access_token"},
		{"GET", "GET", "application/x-www-form-urlencoded", "", 405, "method"},
		{"JSON", "POST", "application/json", "", 400, "content type"},
		{"no type", "POST", "", "", 400, "content type"},
		{"bad escape", "POST", "application/x-www-form-urlencoded", "&x=%zz", 400, "cannot read"},
		{"2 MB", "POST", "application/x-www-form-urlencoded", "&x=" + strings.Repeat("x", 2<<20), 400, "cannot read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{})
			form := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{}))
			r, _ := http.NewRequest(tt.method, srv.URL+"/token", strings.NewReader(form.Encode()+tt.add))
			r.Header.Set("Content-Type", tt.contentType)
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.wantStatus || !strings.Contains(string(answer), tt.want) {
				t.Errorf("%s %s %v, want %d with %q", resp.Status, answer, err, tt.wantStatus, tt.want)
			}
			if logged := srv.Requests()[0].Status; logged != tt.wantStatus {
				t.Errorf("logged as %d", logged)
			}
		})
	}
}

func TestRedirectURIOfACode(t *testing.T) {
	tests := []struct {
		name  string
		popup bool
		send  []string // redirect_uri
		want  int
	}{
		{"app, absent", false, nil, 200},
		{"app, empty", false, []string{""}, 200},
		{"app, postmessage", false, []string{"postmessage"}, 400},
		{"app, URL", false, []string{"https://app.example.com/callback"}, 400},
		{"popup, postmessage", true, []string{"postmessage"}, 200},
		{"popup, empty", true, []string{""}, 400},
		{"popup, absent", true, nil, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{})
			code := srv.AppCode
			if tt.popup {
				code = srv.PopupCode
			}
			form := exchangeForm(srv, code(exchangetest.CodeRequest{}))
			if form["redirect_uri"] = tt.send; tt.send == nil {
				form.Del("redirect_uri")
			}
			if status, b := post(t, srv, "/token", form); status != tt.want {
				t.Errorf("%d %v, want %d", status, b, tt.want)
			}
		})
	}
}

// Google has the endpoint under all the addresses that its client libraries have had.
func TestTokenAddresses(t *testing.T) {
	for _, at := range []string{
		"https://oauth2.googleapis.com/token",
		"https://www.googleapis.com/oauth2/v3/token",
		"https://www.googleapis.com/oauth2/v4/token",
		"https://accounts.google.com/o/oauth2/token",
	} {
		srv := start(t, exchangetest.Options{})
		form := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{}))
		if status, b := send(t, srv, request("POST", at, form)); status != 200 {
			t.Errorf("%s: %d %v", at, status, b)
		}
		if len(srv.Requests(exchangetest.TokenEndpoint)) != 1 {
			t.Errorf("%s is not logged as the token endpoint", at)
		}
	}
}

func TestRemoveAccessOfAnyClient(t *testing.T) {
	srv := start(t, exchangetest.Options{Clients: []exchangetest.Client{{ID: "1-a", Secret: "s"}, {ID: "2-b", Secret: "s"}, {ID: "3-c", Secret: "s"}}})
	tokens := make(map[string]string)
	for _, id := range []string{"1-a", "2-b", "3-c"} {
		b := redeemAs(t, srv, id, "s", srv.AppCode(exchangetest.CodeRequest{ClientID: id}))
		tokens[id] = b.str("access_token")
	}
	want := func(good ...string) {
		t.Helper()
		for id, token := range tokens {
			if _, _, ok := srv.CheckAccessToken(token); ok != slices.Contains(good, id) {
				t.Errorf("the token of %s is good: %v", id, ok)
			}
		}
	}
	want("1-a", "2-b", "3-c")
	srv.RemoveAccessTo("2-b", jane)
	want("1-a", "3-c")
	srv.RemoveAccess(jane)
	want("3-c")
	srv.RemoveAccessTo("3-c", jane)
	want()
}

func TestClientAuthentication(t *testing.T) {
	tests := []struct {
		name         string
		user, secret string // Basic
		spoil        func(url.Values)
		status       int
		code         string
	}{
		{"Basic", "", "", func(f url.Values) { f.Del("client_id"); f.Del("client_secret") }, 200, ""},
		{"Basic, id in the body too", "", "", func(f url.Values) { f.Del("client_secret") }, 200, ""},
		{"Basic, wrong secret", "", "no", func(f url.Values) { f.Del("client_id"); f.Del("client_secret") }, 401, "invalid_client"},
		{"both ways", "", "", func(url.Values) {}, 400, "invalid_request"},
		{"two ids", "", "", func(f url.Values) { f.Set("client_id", "x"); f.Del("client_secret") }, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{})
			form := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{}))
			tt.spoil(form)
			r, _ := http.NewRequest("POST", srv.URL+"/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			secret := tt.secret
			if secret == "" {
				secret = srv.ClientSecret()
			}
			r.SetBasicAuth(url.QueryEscape(srv.ClientID()), url.QueryEscape(secret))
			if status, b := send(t, srv, r); status != tt.status || b.str("error") != tt.code {
				t.Errorf("%d %v, want %d %s", status, b, tt.status, tt.code)
			}
		})
	}
}

func TestRefreshAnswer(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	first := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", "email", "profile", appdata}, Nonce: "n"}))
	srv.Advance(time.Hour)
	if _, _, ok := srv.CheckAccessToken(first.str("access_token")); ok {
		t.Error("the access token outlives its hour")
	}
	status, b := post(t, srv, "/token", refreshForm(srv, first.str("refresh_token")))
	want := []string{"access_token", "expires_in", "id_token", "scope", "token_type"}
	if got := names(b); status != 200 || !slices.Equal(got, want) {
		t.Fatalf("%d with %q, want 200 with %q", status, got, want)
	}
	if b["scope"] != first["scope"] {
		t.Errorf("scope %q, want %q", b["scope"], first["scope"])
	}
	c := claims(t, b.str("id_token"))
	if c["nonce"] != nil || c["name"] != nil || c["email"] != jane {
		t.Errorf("ID token of a refresh has %q", names(c))
	}
}

// Each case is a good refresh with one thing wrong.
func TestRefreshRefusals(t *testing.T) {
	const other = "123456789012-other.apps.googleusercontent.com"
	ended := "Token has been expired or revoked."
	tests := []struct {
		name              string
		options           exchangetest.Options
		request           exchangetest.CodeRequest
		spoil             func(*exchangetest.Server, url.Values)
		status            int
		code, description string
	}{
		{name: "unknown token", spoil: func(_ *exchangetest.Server, f url.Values) { f.Set("refresh_token", "1//0x") },
			status: 400, code: "invalid_grant", description: "Bad Request"},
		{name: "no token", spoil: func(_ *exchangetest.Server, f url.Values) { f.Del("refresh_token") },
			status: 400, code: "invalid_request", description: "Missing required parameter: refresh_token"},
		{name: "other client", spoil: func(_ *exchangetest.Server, f url.Values) { f.Set("client_id", other); f.Set("client_secret", "s") },
			status: 401, code: "unauthorized_client", description: "Unauthorized"},
		{name: "scope never granted", spoil: func(_ *exchangetest.Server, f url.Values) { f.Set("scope", appdata) },
			status: 400, code: "invalid_scope", description: "Bad Request"},
		{name: "access removed", spoil: func(s *exchangetest.Server, _ url.Values) { s.RemoveAccess(jane) },
			status: 400, code: "invalid_grant", description: ended},
		{name: "password changed, with a Gmail scope", request: exchangetest.CodeRequest{Scopes: []string{gmail}},
			spoil:  func(s *exchangetest.Server, _ url.Values) { s.ChangePassword(jane) },
			status: 400, code: "invalid_grant", description: ended},
		{name: "password changed, with the scope of all mail", request: exchangetest.CodeRequest{Scopes: []string{"https://mail.google.com/"}},
			spoil:  func(s *exchangetest.Server, _ url.Values) { s.ChangePassword(jane) },
			status: 400, code: "invalid_grant", description: ended},
		{name: "unused for 6 months", spoil: func(s *exchangetest.Server, _ url.Values) { s.Advance(185 * 24 * time.Hour) },
			status: 400, code: "invalid_grant", description: ended},
		{name: "7 days in a Testing project", options: exchangetest.Options{Testing: true}, request: exchangetest.CodeRequest{Scopes: []string{"openid", appdata}},
			spoil:  func(s *exchangetest.Server, _ url.Values) { s.Advance(7 * 24 * time.Hour) },
			status: 400, code: "invalid_grant", description: ended},
		{name: "user deleted", spoil: func(s *exchangetest.Server, _ url.Values) { s.DeleteUser(jane) },
			status: 400, code: "invalid_grant", description: "The account has been deleted"},
		{name: "session too old", spoil: func(s *exchangetest.Server, _ url.Values) { s.RequireReauth(jane) },
			status: 400, code: "invalid_grant", description: "reauth related error (invalid_rapt)"},
		{name: "blocked by the administrator", spoil: func(s *exchangetest.Server, _ url.Values) { s.SetBlocked(jane, true) },
			status: 400, code: "admin_policy_enforced", description: "Bad Request"},
		{name: "client deleted", spoil: func(s *exchangetest.Server, _ url.Values) { s.DeleteClient("") },
			status: 401, code: "deleted_client", description: "The OAuth client was deleted."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Clients = []exchangetest.Client{{}, {ID: other, Secret: "s"}}
			srv := start(t, tt.options)
			token := redeem(t, srv, srv.AppCode(tt.request)).str("refresh_token")
			if status, b := post(t, srv, "/token", refreshForm(srv, token)); status != 200 {
				t.Fatalf("the good refresh: %d %v", status, b)
			}
			spoilt := refreshForm(srv, token)
			tt.spoil(srv, spoilt)
			status, b := post(t, srv, "/token", spoilt)
			wantRefusal(t, status, b, tt.status, tt.code, tt.description)
			if wantSubtype := ""; strings.Contains(tt.description, "invalid_rapt") != (b.str("error_subtype") == "invalid_rapt") {
				t.Errorf("error_subtype %q, want %q", b.str("error_subtype"), wantSubtype)
			}
		})
	}
}

// consent lets the first user consent n times more.
func consent(t *testing.T, s *exchangetest.Server, n int) {
	t.Helper()
	for range n {
		redeem(t, s, s.AppCode(exchangetest.CodeRequest{ForceConsent: true}))
	}
}

// What must not end a refresh token is as much a rule as what must.
func TestRefreshTokenLivesOn(t *testing.T) {
	tests := []struct {
		name    string
		options exchangetest.Options
		meet    func(*exchangetest.Server)
	}{
		{"password changed, without a Gmail scope", exchangetest.Options{}, func(s *exchangetest.Server) { s.ChangePassword(jane) }},
		{"identity scopes in a Testing project", exchangetest.Options{Testing: true}, func(s *exchangetest.Server) { s.Advance(8 * 24 * time.Hour) }},
		{"another user's access removed", exchangetest.Options{}, func(s *exchangetest.Server) { s.RemoveAccess("john.roe@example.com") }},
		{"signed in without consent", exchangetest.Options{}, func(s *exchangetest.Server) {
			for range 200 {
				s.AppCode(exchangetest.CodeRequest{})
			}
		}},
		{"more tokens, but some ended", exchangetest.Options{Testing: true}, func(s *exchangetest.Server) {
			redeem(t, s, s.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}}))
			s.Advance(7 * 24 * time.Hour)
			consent(t, s, 99)
		}},
		{"more tokens, but of another user", exchangetest.Options{}, func(s *exchangetest.Server) {
			consent(t, s, 99)
			redeem(t, s, s.AppCode(exchangetest.CodeRequest{User: "john.roe@example.com"}))
		}},
		{"more tokens, but of another client", exchangetest.Options{
			Clients: []exchangetest.Client{{}, {ID: "123456789012-ios.apps.googleusercontent.com", Installed: true}},
		}, func(s *exchangetest.Server) {
			const ios = "123456789012-ios.apps.googleusercontent.com"
			consent(t, s, 99)
			redeemAs(t, s, ios, "", s.AppCode(exchangetest.CodeRequest{ClientID: ios}))
		}},
		{"protected for a time", exchangetest.Options{}, func(s *exchangetest.Server) {
			s.SetAdvancedProtection(jane, true)
			s.SetAdvancedProtection(jane, false)
		}},
		{"blocked and let in again", exchangetest.Options{}, func(s *exchangetest.Server) { s.SetBlocked(jane, true); s.SetBlocked(jane, false) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, tt.options)
			token := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})).str("refresh_token")
			tt.meet(srv)
			if status, b := post(t, srv, "/token", refreshForm(srv, token)); status != 200 {
				t.Errorf("refresh: %d %v", status, b)
			}
		})
	}
}

func TestPasswordOfAnotherUser(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	form := refreshForm(srv, redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{gmail}})).str("refresh_token"))
	srv.ChangePassword("john.roe@example.com")
	if status, b := post(t, srv, "/token", form); status != 200 {
		t.Errorf("refresh: %d %v", status, b)
	}
}

func TestRefreshForFewerScopes(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	form := refreshForm(srv, redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", appdata}})).str("refresh_token"))
	form.Set("scope", appdata)
	status, b := post(t, srv, "/token", form)
	if status != 200 || b.str("scope") != appdata || b["id_token"] != nil {
		t.Errorf("%d %q, want only %s", status, b["scope"], appdata)
	}
}

func TestRotation(t *testing.T) {
	srv := start(t, exchangetest.Options{RotateRefreshTokens: true, Testing: true})
	const week = 7 * 24 * time.Hour
	old := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}})).str("refresh_token")
	srv.Advance(time.Minute)
	_, b := post(t, srv, "/token", refreshForm(srv, old))
	if b.str("refresh_token") == "" || b.str("refresh_token") == old {
		t.Fatalf("no new refresh token among %q", names(b))
	}
	if b["refresh_token_expires_in"] != (week-time.Minute).Seconds()-1 {
		t.Errorf("refresh_token_expires_in %v: rotation must not prolong access", b["refresh_token_expires_in"])
	}
	status, refused := post(t, srv, "/token", refreshForm(srv, old))
	wantRefusal(t, status, refused, 400, "invalid_grant", "Token has been expired or revoked.")
	next := refreshForm(srv, b.str("refresh_token"))
	srv.Advance(week - 2*time.Minute)
	if status, b = post(t, srv, "/token", next); status != 200 {
		t.Errorf("the new token: %d %v", status, b)
	}
	next = refreshForm(srv, b.str("refresh_token"))
	srv.Advance(time.Minute)
	if status, _ := post(t, srv, "/token", next); status != 400 {
		t.Errorf("rotated beyond the week of a Testing project: %d", status)
	}
}

func TestRefreshTokenInUseNeverEnds(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	form := refreshForm(srv, redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})).str("refresh_token"))
	for month := range 24 {
		srv.Advance(30 * 24 * time.Hour)
		if status, b := post(t, srv, "/token", form); status != 200 {
			t.Fatalf("month %d: %d %v", month+1, status, b)
		}
	}
}

func TestAccessTokenEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(*exchangetest.Server)
		good bool
	}{
		{"a second before its time", func(s *exchangetest.Server) { s.Advance(time.Hour - time.Second) }, true},
		{"at its time", func(s *exchangetest.Server) { s.Advance(time.Hour) }, false},
		{"access removed", func(s *exchangetest.Server) { s.RemoveAccess(jane) }, false},
		{"user deleted", func(s *exchangetest.Server) { s.DeleteUser(jane) }, false},
		{"client deleted", func(s *exchangetest.Server) { s.DeleteClient("") }, false},
		{"another user deleted", func(s *exchangetest.Server) { s.DeleteUser("john.roe@example.com") }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{})
			token := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})).str("access_token")
			tt.end(srv)
			if _, _, ok := srv.CheckAccessToken(token); ok != tt.good {
				t.Errorf("good: %v, want %v", ok, tt.good)
			}
		})
	}
}

func TestRefreshTokenOnlyWithConsent(t *testing.T) {
	has := func(b body) bool { return b.str("refresh_token") != "" }
	srv := start(t, exchangetest.Options{})
	identity := exchangetest.CodeRequest{}
	more := exchangetest.CodeRequest{Scopes: []string{"openid", appdata}}
	for _, step := range []struct {
		name    string
		request exchangetest.CodeRequest
		want    bool
	}{
		{"first sign-in", identity, true},
		{"second sign-in", identity, false},
		{"consent forced", exchangetest.CodeRequest{ForceConsent: true}, true},
		{"more scopes", more, true},
		{"the same again", more, false},
		{"online only", exchangetest.CodeRequest{ForceConsent: true, OnlineOnly: true}, false},
		{"another user", exchangetest.CodeRequest{User: "john.roe@example.com"}, true},
	} {
		if got := has(redeem(t, srv, srv.AppCode(step.request))); got != step.want {
			t.Errorf("%s: refresh token %v, want %v", step.name, got, step.want)
		}
	}
	srv.RemoveAccess(jane)
	if !has(redeem(t, srv, srv.AppCode(identity))) {
		t.Error("no refresh token after access was removed and given again")
	}
}

func TestTestingProjectAnnouncesExpiry(t *testing.T) {
	srv := start(t, exchangetest.Options{Testing: true})
	if b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})); b["refresh_token_expires_in"] != nil {
		t.Errorf("identity only: refresh_token_expires_in %v", b["refresh_token_expires_in"])
	}
	b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}}))
	if b["refresh_token_expires_in"] != 604799.0 {
		t.Errorf("refresh_token_expires_in %v, want 604799", b["refresh_token_expires_in"])
	}
}

func TestGranularConsent(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", appdata, gmail}, Declined: []string{gmail}}))
	if want := appdata + " openid"; b.str("scope") != want {
		t.Errorf("scope %q, want %q", b.str("scope"), want)
	}
	later := exchangetest.CodeRequest{Scopes: []string{gmail}, IncludeGranted: true}
	b = redeem(t, srv, srv.AppCode(later))
	if want := appdata + " " + gmail + " openid"; b.str("scope") != want || b.str("refresh_token") == "" {
		t.Errorf("with granted scopes included: %q, want %q", b.str("scope"), want)
	}
}

func TestDecliningTakesNothingBack(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	r := exchangetest.CodeRequest{Scopes: []string{"openid", appdata}}
	first := redeem(t, srv, srv.AppCode(r))
	again := r
	again.ForceConsent, again.Declined = true, []string{appdata}
	if b := redeem(t, srv, srv.AppCode(again)); b.str("scope") != "openid" {
		t.Errorf("scope %q, want openid", b.str("scope"))
	}
	if status, b := post(t, srv, "/token", refreshForm(srv, first.str("refresh_token"))); b.str("scope") != appdata+" openid" {
		t.Errorf("the former refresh token: %d %q", status, b.str("scope"))
	}
	if b := redeem(t, srv, srv.AppCode(r)); b.str("scope") != appdata+" openid" || b.str("refresh_token") != "" {
		t.Errorf("asked again, or without the scope: %q %q", b.str("scope"), names(b))
	}
}

func TestReuseOfACodeEndsItsTokens(t *testing.T) {
	for _, keep := range []bool{false, true} {
		srv := start(t, exchangetest.Options{KeepReusedTokens: keep})
		code := srv.AppCode(exchangetest.CodeRequest{})
		b := redeem(t, srv, code)
		post(t, srv, "/token", exchangeForm(srv, code))
		status, _ := post(t, srv, "/token", refreshForm(srv, b.str("refresh_token")))
		_, _, ok := srv.CheckAccessToken(b.str("access_token"))
		if (status == 200) != keep || ok != keep {
			t.Errorf("KeepReusedTokens %v: refresh %d, access token good %v", keep, status, ok)
		}
	}
}

func TestKeepFailedCodes(t *testing.T) {
	srv := start(t, exchangetest.Options{KeepFailedCodes: true})
	code := srv.AppCode(exchangetest.CodeRequest{})
	wrong := exchangeForm(srv, code)
	wrong.Set("redirect_uri", "postmessage")
	if status, _ := post(t, srv, "/token", wrong); status != 400 {
		t.Errorf("wrong redirect_uri: %d", status)
	}
	redeem(t, srv, code)
}

func TestRefreshTokenLimitIs100(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	another := exchangetest.CodeRequest{Scopes: []string{appdata}, ForceConsent: true}
	first := refreshForm(srv, redeem(t, srv, srv.AppCode(another)).str("refresh_token"))
	for n := 2; n <= 101; n++ {
		if status, _ := post(t, srv, "/token", first); status != 200 {
			t.Fatalf("the oldest ended before token %d", n)
		}
		redeem(t, srv, srv.AppCode(another))
	}
	if status, _ := post(t, srv, "/token", first); status != 400 {
		t.Errorf("refresh with 101 tokens issued: %d", status)
	}
}

func TestOneOfManyRedeemsACode(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	form := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}}))
	var redeemed atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if resp, err := srv.Client().PostForm(srv.URL+"/token", form); err != nil {
				t.Error(err)
			} else if resp.Body.Close(); resp.StatusCode == 200 {
				redeemed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := redeemed.Load(); n != 1 {
		t.Errorf("redeemed %d times", n)
	}
}
