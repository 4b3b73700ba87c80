package exchangetest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

const callback = "https://app.example.com/callback"

func web(o exchangetest.Options) exchangetest.Options {
	o.Clients = []exchangetest.Client{{RedirectURIs: []string{callback, callback + "?next=1"}}}
	return o
}

// authQuery is a good authorization request.
func authQuery(srv *exchangetest.Server) url.Values {
	return url.Values{
		"client_id":     {srv.ClientID()},
		"redirect_uri":  {callback},
		"response_type": {"code"},
		"scope":         {"openid email " + appdata},
		"state":         {"s-1"},
		"access_type":   {"offline"},
	}
}

func authURL(srv *exchangetest.Server, q url.Values) string {
	return srv.Endpoint().AuthURL + "?" + q.Encode()
}

// authorize walks through the pages without HTTP.
func authorize(t *testing.T, srv *exchangetest.Server, q url.Values, c exchangetest.Choice) url.Values {
	t.Helper()
	back, err := srv.Authorize(authURL(srv, q), c)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Scheme + "://" + back.Host + back.Path; got != callback {
		t.Errorf("sent back to %s, want %s", got, callback)
	}
	return back.Query()
}

func redirectForm(srv *exchangetest.Server, code string) url.Values {
	form := exchangeForm(srv, code)
	form.Set("redirect_uri", callback)
	return form
}

func TestAuthorize(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	q := authQuery(srv)
	q.Set("nonce", "n-1")
	got := authorize(t, srv, q, exchangetest.Choice{User: "john.roe@example.com", Declined: []string{appdata}})
	for name, want := range map[string]string{
		"state": "s-1", "scope": email + " openid", "prompt": "consent", "hd": "example.com", "iss": "https://accounts.google.com",
	} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
	status, b := post(t, srv, "/token", redirectForm(srv, got.Get("code")))
	if status != 200 || b.str("refresh_token") == "" {
		t.Fatalf("exchange: %d %v", status, b)
	}
	if c := claims(t, b.str("id_token")); c["nonce"] != "n-1" || c["email"] != "john.roe@example.com" || c["azp"] != srv.ClientID() {
		t.Errorf("claims %v", c)
	}
}

func TestAuthorizeAnswers(t *testing.T) {
	set := func(pairs ...string) func(url.Values) {
		return func(q url.Values) {
			for i := 0; i < len(pairs); i += 2 {
				q.Set(pairs[i], pairs[i+1])
			}
		}
	}
	tests := []struct {
		name      string
		change    func(url.Values)
		choice    exchangetest.Choice
		before    bool // the user has granted the scopes before
		wantError string
		prompt    string
		refresh   bool
	}{
		{name: "first time", change: set(), prompt: "consent", refresh: true},
		{name: "online", change: set("access_type", "online"), prompt: "consent"},
		{name: "no access_type", change: set("access_type", ""), prompt: "consent"},
		{name: "known user", change: set(), before: true, prompt: "none"},
		{name: "consent forced", change: set("prompt", "consent"), before: true, prompt: "consent", refresh: true},
		{name: "choose and consent", change: set("prompt", "select_account consent"), before: true, prompt: "consent", refresh: true},
		{name: "more scopes than before", change: set("scope", "openid "+gmail), before: true, prompt: "consent", refresh: true},
		{name: "denied", change: set(), choice: exchangetest.Choice{Deny: true}, wantError: "access_denied"},
		{name: "all declined", change: set("scope", appdata), choice: exchangetest.Choice{Declined: []string{appdata}}, wantError: "access_denied"},
		{name: "silent, known user", change: set("prompt", "none", "login_hint", jane), before: true, prompt: "none"},
		{name: "silent, consent missing", change: set("prompt", "none", "login_hint", jane), wantError: "interaction_required"},
		{name: "silent, which user?", change: set("prompt", "none"), before: true, wantError: "interaction_required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, web(exchangetest.Options{}))
			q := authQuery(srv)
			if tt.before {
				authorize(t, srv, q, exchangetest.Choice{})
			}
			tt.change(q)
			got := authorize(t, srv, q, tt.choice)
			if got.Get("error") != tt.wantError || got.Get("state") != "s-1" || got.Get("prompt") != tt.prompt {
				t.Fatalf("answer %v, want error %q, prompt %q", got, tt.wantError, tt.prompt)
			}
			if tt.wantError != "" {
				return
			}
			if _, b := post(t, srv, "/token", redirectForm(srv, got.Get("code"))); (b.str("refresh_token") != "") != tt.refresh {
				t.Errorf("answer has %q, want a refresh token: %v", names(b), tt.refresh)
			}
		})
	}
}

// Each case is a good authorization request with one thing wrong: an error page
// and no redirect.
func TestAuthorizeErrorPages(t *testing.T) {
	set := func(name, value string) func(*exchangetest.Server, url.Values) {
		return func(_ *exchangetest.Server, q url.Values) { q.Set(name, value) }
	}
	tests := []struct {
		name  string
		spoil func(*exchangetest.Server, url.Values)
		want  string
	}{
		{"no client", set("client_id", ""), "400: invalid_request"},
		{"unknown client", set("client_id", "1-x"), "401: invalid_client"},
		{"deleted client", func(s *exchangetest.Server, _ url.Values) { s.DeleteClient("") }, "401: deleted_client"},
		{"no redirect_uri", set("redirect_uri", ""), "400: invalid_request"},
		{"other redirect_uri", set("redirect_uri", "https://app.example.com/other"), "400: redirect_uri_mismatch"},
		{"redirect_uri with a slash more", set("redirect_uri", callback+"/"), "400: redirect_uri_mismatch"},
		{"loopback for a web client", set("redirect_uri", "http://127.0.0.1:9/"), "400: redirect_uri_mismatch"},
		{"no response_type", set("response_type", ""), "400: invalid_request"},
		{"implicit flow", set("response_type", "id_token"), "400: unsupported_response_type"},
		{"response_mode", set("response_mode", "fragment"), "400: invalid_request"},
		{"no scope", set("scope", " "), "400: invalid_request"},
		{"unknown scope", set("scope", "openid offline_access"), "400: invalid_scope"},
		{"access_type", set("access_type", "Offline"), "400: invalid_request"},
		{"include_granted_scopes", set("include_granted_scopes", "yes"), "400: invalid_request"},
		{"prompt", set("prompt", "login"), "400: invalid_request"},
		{"prompt none and more", set("prompt", "none consent"), "400: invalid_request"},
		{"challenge too short", set("code_challenge", strings.Repeat("c", 42)), "400: invalid_request"},
		{"challenge with odd characters", set("code_challenge", strings.Repeat("=", 43)), "400: invalid_request"},
		{"method without challenge", set("code_challenge_method", "S256"), "400: invalid_request"},
		{"unknown method", func(_ *exchangetest.Server, q url.Values) {
			q.Set("code_challenge", strings.Repeat("c", 43))
			q.Set("code_challenge_method", "s256")
		}, "400: invalid_request"},
		{"parameter twice", func(_ *exchangetest.Server, q url.Values) { q.Add("state", "s-2") }, "400: invalid_request"},
		{"blocked user", func(s *exchangetest.Server, q url.Values) { s.SetBlocked(jane, true); q.Set("login_hint", jane) }, "400: admin_policy_enforced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, web(exchangetest.Options{}))
			q := authQuery(srv)
			tt.spoil(srv, q)
			if back, err := srv.Authorize(authURL(srv, q), exchangetest.Choice{}); err == nil || err.Error() != "exchangetest: error "+tt.want {
				t.Errorf("Authorize = %v, %v; want error %s", back, err, tt.want)
			}
			status, page := browse(t, srv, request("GET", authURL(srv, q), nil))
			if !strings.Contains(page, "Error "+tt.want) || status < 400 {
				t.Errorf("page %d without %q", status, tt.want)
			}
		})
	}
}

func TestAuthorizeElsewhere(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	for _, at := range []string{"::", srv.URL + "/token", "https://app.example.com/"} {
		if back, err := srv.Authorize(at, exchangetest.Choice{}); err == nil {
			t.Errorf("Authorize(%q) = %v", at, back)
		}
	}
	srv = start(t, web(exchangetest.Options{}))
	if back, err := srv.Authorize(authURL(srv, authQuery(srv)), exchangetest.Choice{User: "who@example.com"}); err == nil {
		t.Errorf("an unknown user is sent back to %v", back)
	}
}

func TestPKCE(t *testing.T) {
	s256 := func(verifier string) string {
		sum := sha256.Sum256([]byte(verifier))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	verifier := strings.Repeat("v", 43)
	challenge, shortChallenge := s256(verifier), s256("short")
	tests := []struct {
		name                        string
		challenge, method, verifier string
		description                 string // "" is success
	}{
		{"S256", challenge, "S256", verifier, ""},
		{"plain", verifier, "plain", verifier, ""},
		{"plain by default", verifier, "", verifier, ""},
		{"no verifier", challenge, "S256", "", "Missing code verifier."},
		{"wrong verifier", challenge, "S256", verifier + "x", "Invalid code verifier."},
		{"the challenge itself", challenge, "S256", challenge, "Invalid code verifier."},
		{"plain, hashed", challenge, "plain", verifier, "Invalid code verifier."},
		{"verifier too short", shortChallenge, "S256", "short", "Invalid code verifier."},
		{"no challenge", "", "", verifier, "Invalid code verifier."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, web(exchangetest.Options{}))
			q := authQuery(srv)
			if tt.challenge != "" {
				q.Set("code_challenge", tt.challenge)
				q.Set("code_challenge_method", tt.method)
			}
			form := redirectForm(srv, authorize(t, srv, q, exchangetest.Choice{}).Get("code"))
			form.Set("code_verifier", tt.verifier)
			if tt.verifier == "" {
				form.Del("code_verifier")
			}
			status, b := post(t, srv, "/token", form)
			if tt.description == "" && status == 200 {
				return
			}
			wantRefusal(t, status, b, 400, "invalid_grant", tt.description)
		})
	}
}

func TestCallbackIssuer(t *testing.T) {
	const google = "https://accounts.google.com"
	tests := []struct {
		o         exchangetest.Options
		iss       string
		announced any
	}{
		{exchangetest.Options{}, google, true},
		{exchangetest.Options{OmitIssuerSupport: true}, google, nil},
		{exchangetest.Options{OmitCallbackIssuer: true}, "", true},
		{exchangetest.Options{OmitCallbackIssuer: true, OmitIssuerSupport: true}, "", nil},
	}
	for _, tt := range tests {
		srv := start(t, web(tt.o))
		for _, c := range []exchangetest.Choice{{Deny: true}, {}} {
			if got := authorize(t, srv, authQuery(srv), c).Get("iss"); got != tt.iss {
				t.Errorf("iss %q, want %q", got, tt.iss)
			}
		}
		_, doc := send(t, srv, request("GET", srv.URL+"/.well-known/openid-configuration", nil))
		if got := doc["authorization_response_iss_parameter_supported"]; got != tt.announced {
			t.Errorf("announced: %v, want %v", got, tt.announced)
		}
	}
}

// approval_prompt=force shows the consent screen again at the old address only, and
// with it comes a refresh token.
func TestApprovalPrompt(t *testing.T) {
	tests := []struct {
		path, add string
		asked     bool
		refused   string
	}{
		{"/o/oauth2/auth", "", false, ""},
		{"/o/oauth2/auth", "&approval_prompt=force", true, ""},
		{"/o/oauth2/auth", "&approval_prompt=", false, ""},
		{"/o/oauth2/auth", "&approval_prompt=auto", false, "Invalid parameter value for approval_prompt: &#39;auto&#39; is not valid"},
		{"/o/oauth2/auth", "&approval_prompt=force&prompt=consent", false, "Conflict params: approval_prompt and prompt"},
		{"/o/oauth2/v2/auth", "&approval_prompt=force", false, ""},
		{"/o/oauth2/v2/auth", "&approval_prompt=auto", false, "Invalid parameter value for approval_prompt"},
		{"/o/oauth2/v2/auth", "&approval_prompt=force&prompt=consent", false, "Conflict params"},
	}
	for _, tt := range tests {
		t.Run(tt.path+tt.add, func(t *testing.T) {
			srv := start(t, web(exchangetest.Options{Users: []exchangetest.User{{Email: jane, Subject: jane}}}))
			authorize(t, srv, authQuery(srv), exchangetest.Choice{})
			at := srv.URL + tt.path + "?" + authQuery(srv).Encode() + tt.add
			back, err := srv.Authorize(at, exchangetest.Choice{})
			_, page := browse(t, srv, request("GET", at, nil))
			if tt.refused != "" {
				if err == nil || !strings.Contains(page, "Error 400: invalid_request") || !strings.Contains(page, tt.refused) {
					t.Errorf("Authorize = %v, %v; the page is %s", back, err, page)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, b := post(t, srv, "/token", redirectForm(srv, back.Query().Get("code")))
			prompt := back.Query().Get("prompt")
			if tt.asked != (prompt == "consent") || tt.asked != (b["refresh_token"] != nil) {
				t.Errorf("prompt %q, refresh token %v; asked should be %v", prompt, b["refresh_token"], tt.asked)
			}
			if got := strings.Contains(page, "Cancel"); got != tt.asked {
				t.Errorf("the page asks for consent: %v, want %v", got, tt.asked)
			}
			if !tt.asked {
				return
			}
			form := url.Values{"request": {hidden(t, page)}, "user": {jane}, "scope": {appdata}, "action": {"allow"}}
			_, to := browse(t, srv, request("POST", srv.URL+"/signin/consent", form))
			_, b = post(t, srv, "/token", redirectForm(srv, callbackQuery(t, to).Get("code")))
			if b["refresh_token"] == nil {
				t.Errorf("no refresh token after the page: %v", b)
			}
		})
	}
}

func callbackQuery(t *testing.T, location string) url.Values {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestCallbackKeepsQuery(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	q := authQuery(srv)
	q.Set("redirect_uri", callback+"?next=1")
	got := authorize(t, srv, q, exchangetest.Choice{})
	if got.Get("next") != "1" || got.Get("code") == "" {
		t.Errorf("sent back with %v", got)
	}
}

func TestLoopbackRedirect(t *testing.T) {
	for _, at := range []string{"http://127.0.0.1:40001/done", "http://localhost:7/", "http://[::1]:80"} {
		srv := start(t, exchangetest.Options{Clients: []exchangetest.Client{{Installed: true}}})
		q := authQuery(srv)
		q.Set("redirect_uri", at)
		if _, err := srv.Authorize(authURL(srv, q), exchangetest.Choice{}); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		q.Set("redirect_uri", strings.Replace(at, "http:", "https:", 1))
		if _, err := srv.Authorize(authURL(srv, q), exchangetest.Choice{}); err == nil {
			t.Errorf("https for %s was let through", at)
		}
	}
}

// browse fetches a page, or the address it redirects to.
func browse(t *testing.T, srv *exchangetest.Server, r *http.Request) (status int, pageOrTarget string) {
	t.Helper()
	browser := srv.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if at := resp.Header.Get("Location"); at != "" {
		return resp.StatusCode, at
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || strings.Contains(string(page), "<script") {
		t.Errorf("%s is not plain HTML", r.URL.Path)
	}
	return resp.StatusCode, string(page)
}

var field = regexp.MustCompile(`name="request" value="([^"]*)"`)

// hidden returns the request that a page carries along.
func hidden(t *testing.T, page string) string {
	t.Helper()
	m := field.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no form in page: %.500s", page)
	}
	return html.UnescapeString(m[1])
}

func TestPages(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	_, page := browse(t, srv, request("GET", authURL(srv, authQuery(srv)), nil))
	if !strings.Contains(page, jane) || !strings.Contains(page, "john.roe@example.com") {
		t.Fatal("the chooser does not show both accounts")
	}
	_, page = browse(t, srv, request("POST", srv.URL+"/signin/account", url.Values{"request": {hidden(t, page)}, "user": {jane}}))
	for _, shown := range []string{`title="openid"`, `title="` + email + `"`, `value="` + appdata + `" checked`} {
		if !strings.Contains(page, shown) {
			t.Errorf("the consent screen does not show %s", shown)
		}
	}
	tests := []struct {
		name, action string
		ticked       []string
		want         string // scope, or error
	}{
		{"denied", "deny", []string{appdata}, "access_denied"},
		{"no button", "", []string{appdata}, "access_denied"},
		{"nothing ticked", "allow", nil, email + " openid"},
		{"all ticked", "allow", []string{appdata}, appdata + " " + email + " openid"},
		{"more than asked", "allow", []string{appdata, gmail}, appdata + " " + email + " openid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, to := browse(t, srv, request("POST", srv.URL+"/signin/consent", url.Values{
				"request": {hidden(t, page)}, "user": {jane}, "scope": tt.ticked, "action": {tt.action},
			}))
			back, err := url.Parse(to)
			if err != nil || status != 302 {
				t.Fatalf("%d to %q", status, to)
			}
			if got := back.Query().Get("scope") + back.Query().Get("error"); got != tt.want {
				t.Errorf("sent back with %q, want %q", got, tt.want)
			}
		})
	}
	status, to := browse(t, srv, request("GET", authURL(srv, authQuery(srv))+"&login_hint="+jane, nil))
	if status != 302 || !strings.Contains(to, "prompt=none") {
		t.Errorf("a user who has granted all of it: %d %.200s", status, to)
	}
}

func TestChooser(t *testing.T) {
	tests := []struct {
		name string
		add  string
		want []string // accounts to choose from; none: straight to consent
	}{
		{"two accounts", "", []string{jane, "john.roe@example.com"}},
		{"hint", "&login_hint=" + jane, nil},
		{"hint of a stranger", "&login_hint=who@example.com", []string{jane, "john.roe@example.com"}},
		{"hint, but choose", "&prompt=select_account&login_hint=" + jane, []string{jane, "john.roe@example.com"}},
		{"one of the domain", "&hd=example.com", nil},
		{"one of any domain", "&hd=*", nil},
		{"choose from one", "&hd=example.com&prompt=select_account", []string{"john.roe@example.com"}},
		{"none of the domain", "&hd=example.org", []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, web(exchangetest.Options{}))
			_, page := browse(t, srv, request("GET", authURL(srv, authQuery(srv))+tt.add, nil))
			if chooses := strings.Contains(page, "Choose an account"); chooses != (tt.want != nil) {
				t.Fatalf("chooser shown: %v", chooses)
			}
			for _, account := range []string{jane, "john.roe@example.com"} {
				if got := strings.Contains(page, account); tt.want != nil && got != slices.Contains(tt.want, account) {
					t.Errorf("%s shown: %v", account, got)
				}
			}
		})
	}
}

func TestSilentPages(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	q := authQuery(srv)
	q.Set("prompt", "none")
	for _, step := range []struct {
		name, hint, want string
	}{
		{"which user?", "", "error=interaction_required"},
		{"consent missing", jane, "error=interaction_required"},
		{"known user", jane, "prompt=none"},
	} {
		q.Set("login_hint", step.hint)
		if step.name == "known user" {
			authorize(t, srv, authQuery(srv), exchangetest.Choice{})
		}
		if status, to := browse(t, srv, request("GET", authURL(srv, q), nil)); status != 302 || !strings.Contains(to, step.want) {
			t.Errorf("%s: %d to %.200s, want %s", step.name, status, to, step.want)
		}
	}
}

func TestForgedForms(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	good := url.Values{"request": {authQuery(srv).Encode()}, "user": {jane}, "action": {"allow"}}
	domain := authQuery(srv)
	domain.Set("hd", "example.com")
	for _, path := range []string{"/signin/account", "/signin/consent"} {
		for _, change := range []struct{ name, value string }{
			{"user", "who@example.com"}, {"request", "client_id=1-x"}, {"request", domain.Encode()},
		} {
			spoilt := maps.Clone(good)
			spoilt.Set(change.name, change.value)
			if status, page := browse(t, srv, request("POST", srv.URL+path, spoilt)); status < 400 || !strings.Contains(page, "Access blocked") {
				t.Errorf("%s with %s %q: %d", path, change.name, change.value, status)
			}
		}
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != 405 {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
	}
}

// No other page has one of these in a frame, no cache keeps it, and no link from it says
// where the user was.
func TestPageHeaders(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	unknown := authQuery(srv)
	unknown.Set("client_id", "1-x")
	for name, r := range map[string]*http.Request{
		"accounts": request("GET", authURL(srv, authQuery(srv)), nil),
		"by POST":  request("POST", srv.URL+"/o/oauth2/v2/auth", authQuery(srv)), // OpenID Connect Core section 3.1.2.1
		"consent":  request("GET", authURL(srv, authQuery(srv))+"&login_hint="+jane, nil),
		"error":    request("GET", authURL(srv, unknown), nil),
	} {
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		if (resp.StatusCode == 200) == (name == "error") || !strings.HasSuffix(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %s, %v", name, resp.Status, h)
		}
	}
}

func TestPageEscapes(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	q := authQuery(srv)
	q.Set("scope", `https://example.com/"><b>bold`)
	q.Set("state", `"><i>`)
	q.Set("login_hint", jane)
	_, page := browse(t, srv, request("GET", authURL(srv, q), nil))
	if strings.Contains(page, "<b>bold") || strings.Contains(page, "<i>") {
		t.Error("a page shows what it was sent as HTML")
	}
}

// Whatever the request, the page sends a browser to a registered address or
// nowhere.
func FuzzAuthorizationNeverRedirectsElsewhere(f *testing.F) {
	srv := exchangetest.NewServer(web(exchangetest.Options{Users: []exchangetest.User{{Email: jane}}}))
	defer srv.Close()
	good := authQuery(srv)
	f.Add(good.Encode())
	f.Add(good.Encode() + "&prompt=none")
	f.Add("redirect_uri=https://example.com/&" + good.Encode())
	f.Add("client_id=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/o/oauth2/v2/auth", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, callback+"?") {
			t.Errorf("redirects to %q", to)
		}
	})
}
