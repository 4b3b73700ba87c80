package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"golang.org/x/oauth2"
)

// TestMain is the program itself where a test has started it.
func TestMain(m *testing.M) {
	if os.Getenv("FAKEGOOGLE_TEST") == "run" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A program is a fakegoogle that runs.
type program struct {
	t        *testing.T
	cmd      *exec.Cmd
	messages *strings.Builder // of stderr, to be read after it has ended
	env      map[string]string
	client   *http.Client
}

// start runs the program on a free port, until the end of the test.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, messages: new(strings.Builder), env: make(map[string]string), client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(program, append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	temp := t.TempDir() // a program that is killed leaves its folder behind
	p.cmd.Env = append(os.Environ(), "FAKEGOOGLE_TEST=run", "TMPDIR="+temp, "TMP="+temp)
	p.cmd.Stderr = p.messages
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	for lines := bufio.NewScanner(out); p.env["FAKEGOOGLE_URL"] == "" && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		p.env[name] = strings.ReplaceAll(strings.Trim(value, "'"), `'\''`, "'")
	}
	if p.env["FAKEGOOGLE_URL"] == "" {
		p.cmd.Wait()
		t.Fatalf("it does not start: %s", p.messages)
	}
	return p
}

// config is what a client reads from the environment.
func (p *program) config() exchange.Config {
	return exchange.Config{
		ClientID: p.env["GOOGLE_CLIENT_ID"], ClientSecret: p.env["GOOGLE_CLIENT_SECRET"],
		Endpoint: exchange.Endpoint{
			Issuer: p.env["GOOGLE_ISSUER"], AuthURL: p.env["GOOGLE_AUTH_URL"],
			TokenURL: p.env["GOOGLE_TOKEN_URL"], RevokeURL: p.env["GOOGLE_REVOKE_URL"],
		},
		Retry: exchange.Retry{Total: -1},
	}
}

func (p *program) exchanger() *exchange.Client {
	p.t.Helper()
	client, err := exchange.New(p.config())
	if err != nil {
		p.t.Fatal(err)
	}
	return client
}

// do sends a form to an address, or gets it, and returns status and body.
func (p *program) do(method, at string, form url.Values) (int, string, http.Header) {
	p.t.Helper()
	r, err := http.NewRequest(method, at, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// act does what a button does, and returns the answer.
func (p *program) act(name string, pairs ...string) string {
	p.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	status, body, _ := p.do("POST", p.env["FAKEGOOGLE_URL"]+"/fake/"+name, form)
	if status != 200 {
		p.t.Fatalf("%s: %d %s", name, status, body)
	}
	return strings.TrimSpace(body)
}

func (p *program) page() string {
	p.t.Helper()
	status, body, _ := p.do("GET", p.env["FAKEGOOGLE_URL"]+"/fake/", nil)
	if status != 200 {
		p.t.Fatalf("console: %d", status)
	}
	return body
}

const jane = "jane.doe@gmail.com"

// TestSignInAndDrive goes from a code to a document, by the settings that the program
// prints.
func TestSignInAndDrive(t *testing.T) {
	p := start(t)
	tokens, err := p.exchanger().Exchange(t.Context(), p.act("code", "user", jane, "scope", "openid email "+drive.Scope), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: p.env["GOOGLE_JWKS_URL"]})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{p.env["GOOGLE_CLIENT_ID"]}, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	user, err := verifier.Verify(t.Context(), tokens.IDToken)
	if err != nil || user.Email != jane {
		t.Fatal(user, err)
	}
	folder, err := drive.New(drive.Config{TokenSource: oauth2.StaticTokenSource(&tokens.Token), Endpoint: p.env["GOOGLE_DRIVE_URL"]})
	if err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("a", 6<<20) // more than one request
	if _, err := folder.Put(t.Context(), "notes.txt", strings.NewReader(content), drive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	page := p.page()
	for _, want := range []string{jane, "notes.txt", "drive.appdata", user.Subject, "1 refresh", "/upload/drive/v3/files"} {
		if !strings.Contains(page, want) {
			t.Errorf("the console has no %q", want)
		}
	}
	if n := strings.Count(page, "1 refresh"); n != 1 {
		t.Errorf("the console shows the grant %d times", n)
	}
}

// TestPages signs in as a browser does.
func TestPages(t *testing.T) {
	const callback = "http://localhost:3000/callback"
	p := start(t, "-user", "Ann Other <ann@example.com>", "-redirect-uri", callback, "-client-id", "1-a", "-client-secret", "it's-secret", "-client-name", "Notes")
	client := p.exchanger()
	req, err := client.NewAuthRequest(callback, exchange.AuthParams{Scopes: []string{"openid", "profile"}})
	if err != nil {
		t.Fatal(err)
	}
	_, page, header := p.do("GET", req.URL, nil)
	if !strings.Contains(page, "Notes wants access") || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		t.Fatal(page)
	}
	form := url.Values{"action": {"allow"}}
	for _, m := range regexp.MustCompile(`type="hidden" name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Set(m[1], strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(m[2]))
	}
	status, _, header := p.do("POST", p.env["FAKEGOOGLE_URL"]+"/signin/consent", form)
	back, err := url.Parse(header.Get("Location"))
	if err != nil || status != http.StatusFound {
		t.Fatal(status, err)
	}
	tokens, err := client.ExchangeCallback(t.Context(), back.Query(), req)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := idtoken.ParseUnverified(tokens.IDToken)
	if err != nil || profile.Name != "Ann Other" || profile.GivenName != "Ann" || profile.FamilyName != "Other" {
		t.Errorf("profile %v, %v", profile, err)
	}
}

// TestActions presses each button, and sees its effect on a client.
func TestActions(t *testing.T) {
	p := start(t)
	client := p.exchanger()
	code := func() string { return p.act("code", "scope", "openid "+drive.Scope, "consent", "true") }
	tokens, err := client.Exchange(t.Context(), code(), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	refresh := func(when string, want error) {
		t.Helper()
		if _, err := client.Refresh(t.Context(), tokens.RefreshToken); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
	}
	again := func() {
		t.Helper()
		if tokens, err = client.Exchange(t.Context(), code(), exchange.App); err != nil {
			t.Fatal(err)
		}
	}
	refresh("at first", nil)
	p.act("fail", "endpoint", "token", "with", "503", "times", "2")
	refresh("first failure", exchange.ErrTemporary)
	refresh("second failure", exchange.ErrTemporary)
	refresh("after the failures", nil)
	p.act("fail", "with", "cut")
	refresh("cut", exchange.ErrTemporary)
	p.act("fail", "with", "400", "error", "invalid_grant")
	refresh("invalid_grant", exchange.ErrInvalidGrant)
	p.act("block", "user", jane)
	var refused *exchange.Error
	if _, err := client.Refresh(t.Context(), tokens.RefreshToken); !errors.As(err, &refused) || refused.Code != "admin_policy_enforced" {
		t.Errorf("blocked: %v", err)
	}
	if !strings.Contains(p.page(), "blocked by the administrator") {
		t.Error("the console does not show that the user is blocked")
	}
	p.act("block", "user", jane, "on", "false")
	refresh("unblocked", nil)
	p.act("protect", "user", jane)
	if _, err := client.Refresh(t.Context(), tokens.RefreshToken); !errors.As(err, &refused) || refused.Code != "policy_enforced" {
		t.Errorf("Advanced Protection: %v", err)
	}
	p.act("protect", "user", jane, "on", "false")
	p.act("reauth", "user", jane)
	refresh("to sign in again", exchange.ErrInvalidGrant)
	again()
	p.act("revoke", "user", jane)
	refresh("revoked", exchange.ErrInvalidGrant)
	again()
	p.act("advance", "by", "4300h")
	refresh("within six months", nil)
	p.act("advance", "by", "4500h")
	refresh("unused for six months", exchange.ErrInvalidGrant)
	again()

	before, _ := idtoken.ParseUnverified(tokens.IDToken)
	key := p.act("rotate")
	again()
	if !strings.Contains(p.page(), key) || strings.Count(jwks(p), `"kid"`) != 2 || before == nil {
		t.Error("no second key")
	}
	p.act("fail", "endpoint", "drive", "with", "403", "error", "userRateLimitExceeded", "times", "2")
	for range 2 {
		status, body, _ := p.do("GET", p.env["GOOGLE_DRIVE_URL"]+"files", nil)
		if status != 403 || !strings.Contains(body, "userRateLimitExceeded") {
			t.Errorf("Drive: %d %s", status, body)
		}
	}
	if status, body, _ := p.do("GET", p.env["GOOGLE_DRIVE_URL"]+"files", nil); status != 401 {
		t.Errorf("Drive after the failures: %d %s", status, body)
	}
	popup := p.act("code", "kind", "popup", "scope", "openid email "+drive.Scope, "declined", drive.Scope, "consent", "true", "nonce", "n")
	if tokens, err = client.Exchange(t.Context(), popup, exchange.Popup); err != nil || len(tokens.Missing(drive.Scope)) != 1 {
		t.Fatalf("a popup's code, without a document: %v, %v", tokens, err)
	}
	if user, err := idtoken.ParseUnverified(tokens.IDToken); err != nil || user.Nonce != "n" {
		t.Errorf("its nonce: %v, %v", user, err)
	}

	if _, grants, _ := p.do("GET", p.env["FAKEGOOGLE_URL"]+"/fake/grants", nil); !strings.Contains(grants, "drive.appdata") {
		t.Errorf("grants: %s", grants)
	}
	p.act("reset")
	refresh("after a reset", exchange.ErrInvalidGrant)
	_, log, _ := p.do("GET", p.env["FAKEGOOGLE_URL"]+"/fake/requests", nil)
	var requests []request
	if err := json.Unmarshal([]byte(log), &requests); err != nil || len(requests) != 1 || requests[0].Status != 400 ||
		requests[0].Form.Get("grant_type") != "refresh_token" || requests[0].Code() != "invalid_grant" {
		t.Errorf("log after a reset: %s, %v", log, err)
	}
	if _, grants, _ := p.do("GET", p.env["FAKEGOOGLE_URL"]+"/fake/grants", nil); strings.Contains(grants, "drive.appdata") {
		t.Errorf("grants after a reset: %s", grants)
	}
	if strings.Contains(p.page(), "ahead") || strings.Count(jwks(p), `"kid"`) != 1 {
		t.Error("a reset leaves the clock or the keys")
	}
}

func jwks(p *program) string {
	_, body, _ := p.do("GET", p.env["GOOGLE_JWKS_URL"], nil)
	return body
}

func TestWrongActions(t *testing.T) {
	p := start(t)
	at := p.env["FAKEGOOGLE_URL"] + "/fake/"
	for name, form := range map[string]url.Values{
		"advance": {"by": {"tomorrow"}},
		"fail":    {"endpoint": {"gmail"}},
		"revoke":  {"user": {"nobody@example.com"}},
		"code":    {"kind": {"device"}},
		"block":   {"on": {"perhaps"}},
	} {
		if status, body, _ := p.do("POST", at+name, form); status != 400 || strings.Contains(body, "goroutine") {
			t.Errorf("%s: %d %s", name, status, body)
		}
		form.Set("from", "console")
		if status, _, _ := p.do("POST", at+name, form); status != 303 || !strings.Contains(p.page(), "That did not work") {
			t.Errorf("%s in the console: %d", name, status)
		}
	}
	for _, form := range []url.Values{{"times": {"0"}}, {"with": {"399"}}, {"with": {"600"}}, {"with": {"slow"}}} {
		if status, _, _ := p.do("POST", at+"fail", form); status != 400 {
			t.Errorf("fail %v: %d", form, status)
		}
	}
	const part = "--b\r\nContent-Disposition: form-data; name=user\r\n\r\n" + jane
	for _, tt := range []struct {
		kind, body string
		status     int
	}{
		{"multipart/form-data; boundary=b", part + "\r\n--b--\r\n", 200}, // as curl -F sends it
		{"multipart/form-data; boundary=b", part, 400},
		{"multipart/form-data", part, 400},
		{"application/x-www-form-urlencoded", "user=%zz", 400},
		{"application/x-www-form-urlencoded", "x=" + strings.Repeat("x", 64<<10-2), 200},
		{"application/x-www-form-urlencoded", "x=" + strings.Repeat("x", 64<<10-1), 400},
	} {
		resp, err := p.client.Post(at+"reauth", tt.kind, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != tt.status {
			t.Errorf("%s %.100s: %s, want %d", tt.kind, tt.body, resp.Status, tt.status)
		}
	}
	if _, log, _ := p.do("GET", at+"requests", nil); strings.TrimSpace(log) != "[]" {
		t.Errorf("the log of no requests: %s", log)
	}
	for name, form := range map[string]url.Values{"advance": {"by": {"-1h"}}, "revoke": {"client_id": {"1-x"}}, "block": {"user": {"x"}}} {
		if status, body, _ := p.do("POST", at+name, form); status != 400 || strings.Contains(body, "exchangetest") {
			t.Errorf("%s %v: %d %s", name, form, status, body)
		}
	}
	if status, _, _ := p.do("GET", at+"reset", nil); status != 405 {
		t.Errorf("GET reset: %d", status)
	}
}

// TestForeignPages checks that a page of another site cannot use the console.
func TestForeignPages(t *testing.T) {
	p := start(t)
	for name, spoil := range map[string]func(*http.Request){
		"cross-site form": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"other origin":    func(r *http.Request) { r.Header.Set("Origin", "https://attacker.example.com") },
		"DNS rebinding":   func(r *http.Request) { r.Host = "attacker.example.com" },
	} {
		r, err := http.NewRequest("POST", p.env["FAKEGOOGLE_URL"]+"/fake/reset", nil)
		if err != nil {
			t.Fatal(err)
		}
		spoil(r)
		resp, err := p.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestConsoleEscapes(t *testing.T) {
	p := start(t, "-client-name", "<script>alert(1)</script>")
	p.do("GET", p.env["FAKEGOOGLE_URL"]+"/x?q=<script>alert(2)</script>", nil)
	if page := p.page(); strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;alert(2)") {
		t.Error("the console does not escape what it shows")
	}
	if _, _, header := p.do("GET", p.env["FAKEGOOGLE_URL"]+"/fake/", nil); !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the console's header is %v", header)
	}
	for _, name := range []string{"console.css", "console.js", "health", "settings"} {
		if status, body, _ := p.do("GET", p.env["FAKEGOOGLE_URL"]+"/fake/"+name, nil); status != 200 || body == "" {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _, header := p.do("GET", p.env["FAKEGOOGLE_URL"]+"/", nil); status != 302 || header.Get("Location") != "/fake/" {
		t.Errorf("/ leads to %s", header.Get("Location"))
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(t.TempDir(), "fake.json")
	write(t, config, `{
		"users": [{"email": "ann@example.com", "email_verified": false, "hd": "example.com", "sub": "42", "claims": {"locale": "de"}}],
		"clients": [{"client_id": "7-web.apps.googleusercontent.com", "client_secret": "s", "redirect_uris": ["http://localhost/cb"],
			"javascript_origins": ["http://localhost:3000"]}]
	}`)
	p := start(t, "-config", config, "-dir", dir, "-own-issuer")
	if p.env["GOOGLE_ISSUER"] != p.env["FAKEGOOGLE_URL"] {
		t.Errorf("issuer %s", p.env["GOOGLE_ISSUER"])
	}
	cfg, err := exchange.ConfigFromFile(p.env["GOOGLE_CLIENT_SECRET_FILE"])
	if err != nil || cfg.ClientID != "7-web.apps.googleusercontent.com" || cfg.RedirectURIs[0] != "http://localhost/cb" {
		t.Fatal(cfg, err)
	}
	if page := p.page(); !strings.Contains(page, "http://localhost:3000") {
		t.Error("the console does not show the JavaScript origin")
	}
	if _, script, _ := p.do("GET", p.env["GOOGLE_SCRIPT_URL"], nil); !strings.Contains(script, p.env["FAKEGOOGLE_URL"]) {
		t.Errorf("the page script does not know its server: %.300s", script)
	}
	tokens, err := p.exchanger().Exchange(t.Context(), p.act("code"), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := idtoken.ParseUnverified(tokens.IDToken)
	if err != nil || profile.Subject != "42" || profile.EmailVerified || profile.Locale != "de" || profile.HostedDomain != "example.com" || profile.Issuer != p.env["FAKEGOOGLE_URL"] {
		t.Errorf("profile %+v, %v", profile, err)
	}
	start(t, "-config", config, "-dir", dir) // replaces its own file
}

// TestBehaviour checks that the flags for Google's varieties reach the fake.
func TestBehaviour(t *testing.T) {
	p := start(t, "-require-dpop")
	if _, err := p.exchanger().Exchange(t.Context(), p.act("code"), exchange.App); err == nil {
		t.Error("an exchange without a proof is no error")
	}
	p = start(t, "-testing", "-rotate-refresh-tokens", "-auth-claims")
	tokens, err := p.exchanger().Exchange(t.Context(), p.act("code", "scope", "openid "+drive.Scope, "auth_time", "true", "amr", "true"), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	if user, err := idtoken.ParseUnverified(tokens.IDToken); err != nil || user.AuthTime.IsZero() || user.Methods == nil {
		t.Errorf("auth_time and amr: %v, %v", user, err)
	}
	if tokens.RefreshTokenExpiry.IsZero() {
		t.Error("the refresh token of a project in Testing does not expire")
	}
	renewed, err := p.exchanger().Refresh(t.Context(), tokens.RefreshToken)
	if err != nil || renewed.RefreshToken == tokens.RefreshToken {
		t.Errorf("the refresh token is not rotated, %v", err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTLS(t *testing.T) {
	p := start(t, "-tls")
	pem, err := os.ReadFile(p.env["NODE_EXTRA_CA_CERTS"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	p.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	cfg := p.config()
	cfg.HTTPClient = p.client
	client, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Exchange(t.Context(), p.act("code"), exchange.App); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(p.env["FAKEGOOGLE_URL"] + "/fake/health"); err == nil {
		t.Error("a client that does not know the certificate trusts it")
	}
	google, err := tls.Dial("tcp", strings.TrimPrefix(p.env["FAKEGOOGLE_URL"], "https://"),
		&tls.Config{RootCAs: roots, ServerName: "oauth2.googleapis.com"})
	if err != nil {
		t.Fatalf("under Google's name: %v", err)
	}
	google.Close()
}

// TestEnds checks that a signal ends it, with a request that hangs, and that its own
// folder is gone then.
func TestEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no interrupt for another process")
	}
	p := start(t)
	p.act("fail", "endpoint", "userinfo", "with", "hang")
	answered := make(chan error)
	go func() {
		client := &http.Client{Transport: new(http.Transport)} // on a connection of its own, nothing is tried again
		resp, err := client.Get(p.env["GOOGLE_USERINFO_URL"])
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	for !strings.Contains(p.page(), `id="r1"`) { // until it has arrived
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, p.messages)
	}
	if err := <-answered; err == nil {
		t.Error("a request that hangs was answered")
	}
	if _, err := os.Stat(p.env["GOOGLE_CLIENT_SECRET_FILE"]); err == nil {
		t.Error("its folder is left")
	}
}

func TestMistakes(t *testing.T) {
	real := filepath.Join(t.TempDir(), "client_secret.json")
	write(t, real, `{"web":{"client_id":"1-a","project_id":"my-project","client_secret":"s"}}`)
	bad := filepath.Join(t.TempDir(), "fake.json")
	write(t, bad, `{"user": []}`)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"-listen", ":0"}, "-public allows it"},
		{[]string{"-listen", "0.0.0.0:0"}, "-public allows it"},
		{[]string{"-listen", "8989"}, "missing port"},
		{[]string{"-url", "localhost:8989"}, "-url"},
		{[]string{"-url", "http://localhost/google"}, "-url"},
		{[]string{"-url", "http://localhost?a=b"}, "-url"},
		{[]string{"-user", "jane"}, "not an email address"},
		{[]string{"-user", jane, "-user", jane}, "two users"},
		{[]string{"-redirect-uri", "http://app.example.com/cb"}, "must use https"},
		{[]string{"-javascript-origin", "http://localhost/"}, "after the host"},
		{[]string{"-config", bad}, "unknown field"},
		{[]string{"-config", bad + "x"}, "no such file"},
		{[]string{"-listen", "127.0.0.1:0", "-dir", filepath.Dir(real)}, "left alone"},
		{[]string{"more"}, "unexpected argument"},
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range tests {
		if err := run(ended, tt.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) && tt.want != "no such file" {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.want)
		}
	}
	if kept, _ := os.ReadFile(real); !strings.Contains(string(kept), "my-project") {
		t.Error("a real client's file was overwritten")
	}
	var out strings.Builder
	if err := run(ended, []string{"-listen", ":0", "-public"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "FAKEGOOGLE_URL=http://127.0.0.1:") {
		t.Errorf("-public: %v, %s", err, &out)
	}
}

// TestDocumentation checks that the flags and addresses of docs/fakegoogle.md are there,
// and that none is missing from it.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "fakegoogle.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := func(pattern string) map[string]bool {
		found := make(map[string]bool)
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return found
	}
	var usage strings.Builder
	if _, err := parse([]string{"-help"}, &usage); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	flags := documented("`-([a-z-]+)[` ]")
	for _, m := range regexp.MustCompile(`(?m)^  -([a-z-]+)`).FindAllStringSubmatch(usage.String(), -1) {
		if !flags[m[1]] {
			t.Errorf("-%s is not documented", m[1])
		}
		delete(flags, m[1])
	}
	if len(flags) > 0 {
		t.Errorf("no flags: %v", flags)
	}
	p := start(t)
	for path := range documented("`(?:GET|POST) (/fake/[a-z]+)`") {
		if status, _, _ := p.do("OPTIONS", p.env["FAKEGOOGLE_URL"]+path, nil); status != http.StatusMethodNotAllowed {
			t.Errorf("%s is not there: %d", path, status)
		}
	}
	for name := range documented("`(GOOGLE_[A-Z_]+)`") {
		if p.env[name] == "" {
			t.Errorf("%s is not printed", name)
		}
	}
	for _, endpoint := range endpoints {
		if !strings.Contains(string(text), "`"+endpoint+"`") && !strings.Contains(string(text), "endpoint="+endpoint) {
			t.Errorf("the endpoint %s is not documented", endpoint)
		}
	}
}

func TestQuote(t *testing.T) {
	for value, want := range map[string]string{
		"":                       "''",
		"http://127.0.0.1:8989/": "http://127.0.0.1:8989/",
		"a b":                    "'a b'",
		"it's":                   `'it'\''s'`,
		"$HOME":                  "'$HOME'",
		"http://[::1]:8989":      "'http://[::1]:8989'",
	} {
		if got := quote(value); got != want {
			t.Errorf("quote(%q) = %s, want %s", value, got, want)
		}
	}
}
