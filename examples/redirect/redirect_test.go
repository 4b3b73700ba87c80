package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	m.Run()
}

const jane = "jane.doe@gmail.com"

// A world is the site, the fake Google, and one browser.
type world struct {
	*testing.T
	google   *exchangetest.Server
	base     *url.URL
	sessions *sessions
	key      []byte
	site     *site
	serve    atomic.Pointer[http.Handler]
	jar      *cookiejar.Jar
}

// newWorld starts a site below a prefix, which may be empty. If stripped, a proxy
// in front removes it.
func newWorld(t *testing.T, prefix string, stripped bool) *world {
	t.Helper()
	w := &world{T: t, sessions: newSessions(false), key: newKey()}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := *w.serve.Load()
		if stripped {
			h = http.StripPrefix(prefix, h)
		}
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	var err error
	if w.base, err = url.Parse(srv.URL + prefix); err != nil {
		t.Fatal(err)
	}
	if w.google, err = fakeGoogle(w.base); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.google.Close)
	w.jar, _ = cookiejar.New(nil)
	w.restart()
	return w
}

// restart is a site that has lost its refresh tokens.
func (w *world) restart() {
	w.Helper()
	var err error
	if w.site, err = newSite(w.base, w.google.Config(), w.google.KeySource(), w.key, w.sessions); err != nil {
		w.Fatal(err)
	}
	h := w.site.routes()
	w.serve.Store(&h)
}

// do is one request of the browser, which follows no redirect. address may be
// relative to the site.
func (w *world) do(method, address string) (status int, location, body string) {
	w.Helper()
	if !strings.HasPrefix(address, "http") {
		address = w.base.String() + address
	}
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		w.Fatal(err)
	}
	client := &http.Client{Jar: w.jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		w.Errorf("%s %s: Cache-Control %q, want no-store", method, address, got)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(b)
}

// signIn goes from a login address to the end, and returns the prompt parameter of
// each visit to Google, and where it has ended.
func (w *world) signIn(login string, c exchangetest.Choice) (prompts []string, end string) {
	w.Helper()
	c.User = jane
	_, end, _ = w.do("GET", login)
	for range 5 {
		to, err := url.Parse(end)
		if err != nil {
			w.Fatal(err)
		}
		prompts = append(prompts, to.Query().Get("prompt"))
		back, err := w.google.Authorize(end, c)
		if err != nil {
			w.Fatal(err)
		}
		if _, end, _ = w.do("GET", back.String()); !strings.HasPrefix(end, w.google.URL) {
			return prompts, end
		}
	}
	w.Fatal("the redirects do not end")
	return nil, ""
}

func (w *world) mustSignIn(prompts ...string) {
	w.Helper()
	if got, end := w.signIn("/login", exchangetest.Choice{}); end != w.base.Path+"/" || !slices.Equal(got, prompts) {
		w.Errorf("signed in with prompts %q, to %q; want prompts %q and home", got, end, prompts)
	}
}

func (w *world) mustSee(want string) {
	w.Helper()
	if _, _, page := w.do("GET", "/"); !strings.Contains(page, want) {
		w.Errorf("home page %q, want %q in it", page, want)
	}
}

func TestConsentOnlyWhenNeeded(t *testing.T) {
	w := newWorld(t, "", false)
	w.mustSee("Sign in with Google")
	w.mustSignIn("") // Google asks a new user by itself
	w.mustSee(jane + " is signed in")
	w.mustSee("granted")
	w.mustSignIn("") // nothing to ask again
	w.sessions.mu.Lock()
	n := len(w.sessions.kept)
	w.sessions.mu.Unlock()
	if n != 1 {
		t.Errorf("%d sessions of one browser, want 1", n)
	}

	w.restart() // the refresh token is lost
	w.mustSee("ended")
	w.mustSignIn("consent") // and it is known whose

	w.do("POST", "/logout")
	w.mustSee("Sign in with Google")
	w.restart()
	w.mustSignIn("", "consent") // only SignIn can tell
	w.mustSee("granted")
	w.mustSignIn("")

	w.google.RemoveAccess(jane)
	w.site.grants.Invalidate(w.subject(), "")
	w.mustSee("ended")
	w.mustSignIn("consent")
	w.mustSee("granted")
}

// subject returns who is signed in.
func (w *world) subject() string {
	w.Helper()
	r := httptest.NewRequest("GET", w.base.String(), nil)
	for _, c := range w.jar.Cookies(w.base) {
		r.AddCookie(c)
	}
	u, ok := w.sessions.user(r)
	if !ok {
		w.Fatal("nobody is signed in")
	}
	return u.Subject
}

func TestDeclinedScope(t *testing.T) {
	w := newWorld(t, "", false)
	w.signIn("/login", exchangetest.Choice{Declined: []string{folderScope}})
	w.mustSee("declined")
	w.mustSignIn("") // Google asks again for what was not granted
	w.mustSee("granted")
}

// Below a prefix every link and redirect stays below it, and a proxy may remove it.
func TestPrefix(t *testing.T) {
	for _, stripped := range []bool{false, true} {
		w := newWorld(t, "/notes", stripped)
		w.mustSee(`href="/notes/login"`)
		w.mustSignIn("")
		w.mustSee(`action="/notes/disconnect"`)
		if status, end, _ := w.do("POST", "/logout"); status != http.StatusSeeOther || end != "/notes/" {
			t.Errorf("logout: %d to %q", status, end)
		}
		if _, end := w.signIn("/login?to=/notes/list", exchangetest.Choice{}); end != "/notes/list" {
			t.Errorf("return path %q", end)
		}
		w.google.RemoveAccess(jane)
		_, end := w.signIn("/login", exchangetest.Choice{Deny: true})
		if status, _, page := w.do("GET", end); status != http.StatusForbidden || !strings.Contains(page, `href="/notes/"`) {
			t.Errorf("denied: %d %q", status, page)
		}
	}
}

func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, base := range []string{"http://localhost:8080", "https://example.com/notes/"} {
		if err := run(ctx, "", base, "127.0.0.1:0"); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	for _, base := range []string{"localhost", "http://localhost:8080/?a=b", "http://example.com"} {
		if run(ctx, "", base, "127.0.0.1:0") == nil {
			t.Errorf("base URL %s is no error", base)
		}
	}
	if run(ctx, filepath.Join(t.TempDir(), "x"), "http://localhost:8080", "127.0.0.1:0") == nil {
		t.Error("a file that is not there is no error")
	}
}

// A sign-in that is under way when the site has to stop is completed.
func TestStopDuringSignIn(t *testing.T) {
	w := newWorld(t, "", false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, to, _ := w.do("GET", "/login")
	callback, err := w.google.Authorize(to, exchangetest.Choice{User: jane})
	if err != nil {
		t.Fatal(err)
	}
	callback.Host = l.Addr().String()
	w.google.Inject(exchangetest.TokenEndpoint, exchangetest.Fault{Delay: 300 * time.Millisecond})
	signedIn := make(chan error, 1)
	go func() {
		browser := &http.Client{Jar: w.jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := browser.Get(callback.String())
		if err == nil {
			err = resp.Body.Close()
		}
		signedIn <- err
	}()
	ctx, stop := context.WithCancel(t.Context())
	err = serve(ctx, l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		stop()
		w.site.routes().ServeHTTP(rw, r)
	}))
	if err != nil {
		t.Error(err)
	}
	if _, err := w.site.grants.Grant(t.Context(), w.google.Accounts()[0].Subject); err != nil {
		t.Errorf("at the end of serve: %v", err)
	}
	if err := <-signedIn; err != nil {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	for base, want := range map[string]string{
		"http://localhost:8080":   "localhost:8080",
		"http://localhost":        "localhost:http",
		"https://example.com":     "example.com:https",
		"https://example.com/app": "example.com:https",
		"https://[2001:db8::1]":   "[2001:db8::1]:https",
	} {
		at, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if got := address(at); got != want {
			t.Errorf("%s: listens on %q, want %q", base, got, want)
		}
	}
}

func TestOpenIsSaidWhenItIs(t *testing.T) {
	var said strings.Builder
	log.SetOutput(&said)
	defer log.SetOutput(io.Discard)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	const base = "http://localhost:8080"
	if err := run(ctx, "", base, taken.Addr().String()); err == nil || said.Len() > 0 {
		t.Errorf("on an address that is taken: error %v, log %q", err, said.String())
	}
	if err := run(ctx, "", base, "127.0.0.1:0"); err != nil || !strings.HasSuffix(said.String(), "open "+base+"/\n") {
		t.Errorf("error %v, log %q", err, said.String())
	}
}

// A GET may have a form with files in its body, which the site must not keep.
func TestLoginReadsNoBody(t *testing.T) {
	w := newWorld(t, "", false)
	body := strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nx\r\n--x--")
	r := httptest.NewRequest("GET", w.base.String()+"/login", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	w.site.routes().ServeHTTP(httptest.NewRecorder(), r)
	if int64(body.Len()) != body.Size() {
		t.Error("a body is read")
	}
}

func TestDisconnect(t *testing.T) {
	w := newWorld(t, "", false)
	w.mustSignIn("")
	if status, _, _ := w.do("POST", "/disconnect"); status != http.StatusSeeOther {
		t.Errorf("status %d, want 303", status)
	}
	w.mustSee("Sign in with Google")
	w.mustSignIn("") // like a new user
}

func TestSignInFails(t *testing.T) {
	w := newWorld(t, "", false)
	mustFail := func(end string, want int) {
		t.Helper()
		if status, _, _ := w.do("GET", end); status != want || strings.Contains(end, "state=") {
			t.Errorf("ended at %s with %d, want %d", end, status, want)
		}
	}
	_, end := w.signIn("/login", exchangetest.Choice{Deny: true})
	mustFail(end, http.StatusForbidden)
	_, end, _ = w.do("GET", callbackPath+"?code=x&state=x")
	mustFail(end, http.StatusBadRequest)
	var err error
	w.site.verifier, err = idtoken.New(idtoken.Config{Audiences: []string{"another-client"}, Keys: w.google.KeySource()})
	if err != nil {
		t.Fatal(err)
	}
	_, end = w.signIn("/login", exchangetest.Choice{})
	mustFail(end, http.StatusBadRequest) // idtoken says 401: to begin anew
	w.mustSee("Sign in with Google")
}
