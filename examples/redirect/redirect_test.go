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
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	m.Run()
}

const jane = "jane.doe@gmail.com"

// kinds are the two ways to keep a sign-in under way.
var kinds = map[string]func(t *testing.T) sessions{
	"sealed cookies": func(t *testing.T) sessions {
		s, err := newSealedCookies(newKey(), false)
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
	"server sessions": func(*testing.T) sessions { return newServerSessions(false) },
}

// A world is the site, the fake Google, and one browser.
type world struct {
	*testing.T
	google *exchangetest.Server
	base   string
	site   *site
	serve  *http.Handler
	jar    *cookiejar.Jar
}

func newWorld(t *testing.T, s sessions) *world {
	t.Helper()
	w := &world{T: t, serve: new(http.Handler)}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		(*w.serve).ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	w.base = srv.URL
	w.google = fakeGoogle(srv.URL)
	t.Cleanup(w.google.Close)
	w.jar, _ = cookiejar.New(nil)
	w.restart(s)
	return w
}

// restart is a site that has lost its refresh tokens.
func (w *world) restart(s sessions) {
	w.Helper()
	cfg, keys, err := configOf(w.google)
	if err != nil {
		w.Fatal(err)
	}
	if w.site, err = newSite(w.base, cfg, keys, s); err != nil {
		w.Fatal(err)
	}
	*w.serve = w.site.routes()
}

// do is one request of the browser, which follows no redirect.
func (w *world) do(method, address string) (status int, location, body string) {
	w.Helper()
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
	return resp.StatusCode, resp.Header.Get("Location"), string(b)
}

// signIn goes from /login to the end, and returns the prompt parameter of each
// visit to Google, and where it has ended.
func (w *world) signIn(c exchangetest.Choice) (prompts []string, status int, location string) {
	w.Helper()
	_, location, _ = w.do("GET", w.base+"/login")
	for range 5 {
		to, err := url.Parse(location)
		if err != nil {
			w.Fatal(err)
		}
		prompts = append(prompts, to.Query().Get("prompt"))
		back, err := w.google.Authorize(location, c)
		if err != nil {
			w.Fatal(err)
		}
		status, location, _ = w.do("GET", back.String())
		if status != http.StatusFound || location == "/" {
			return prompts, status, location
		}
	}
	w.Fatal("the redirects do not end")
	return nil, 0, ""
}

func (w *world) mustSignIn(prompts ...string) {
	w.Helper()
	got, status, location := w.signIn(exchangetest.Choice{User: jane})
	if status != http.StatusFound || location != "/" || !slices.Equal(got, prompts) {
		w.Errorf("signed in with prompts %q: %d to %q; want prompts %q and home", got, status, location, prompts)
	}
}

func (w *world) mustSee(want string) {
	w.Helper()
	if _, _, page := w.do("GET", w.base+"/"); !strings.Contains(page, want) {
		w.Errorf("home page %q, want %q in it", page, want)
	}
}

func TestConsentOnlyWhenNeeded(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			s := kind(t)
			w := newWorld(t, s)
			w.mustSee("Sign in with Google")
			w.mustSignIn("") // Google asks a new user by itself
			w.mustSee(jane + " is signed in")
			w.mustSee("granted")
			w.mustSignIn("") // nothing to ask again

			w.restart(s) // the refresh token is lost
			w.mustSee("ended")
			w.mustSignIn("consent") // and it is known whose

			w.do("POST", w.base+"/logout")
			w.mustSee("Sign in with Google")
			w.restart(s)
			w.mustSignIn("", "consent") // only SignIn can tell
			w.mustSee("granted")
			w.mustSignIn("")

			w.google.RemoveAccess(jane)
			w.site.grants.Invalidate(subjectOf(t, w))
			w.mustSee("ended")
			w.mustSignIn("consent")
			w.mustSee("granted")
		})
	}
}

func subjectOf(t *testing.T, w *world) string {
	t.Helper()
	r := httptest.NewRequest("GET", w.base+"/", nil)
	at, err := url.Parse(w.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range w.jar.Cookies(at) {
		r.AddCookie(c)
	}
	var u user
	if !w.site.sessions.get(r, userName, &u) {
		t.Fatal("nobody is signed in")
	}
	return u.Subject
}

func TestDeclinedScope(t *testing.T) {
	w := newWorld(t, newServerSessions(false))
	w.signIn(exchangetest.Choice{User: jane, Declined: []string{folderScope}})
	w.mustSee("declined")
	w.mustSignIn("") // Google asks again for what was not granted
	w.mustSee("granted")
}

func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, serverSessions := range []bool{false, true} {
		if err := run(ctx, "", "http://localhost:8080", "127.0.0.1:0", serverSessions); err != nil {
			t.Error(err)
		}
	}
	if run(ctx, "", "localhost", "", false) == nil || run(ctx, filepath.Join(t.TempDir(), "x"), "http://localhost:8080", "127.0.0.1:0", false) == nil {
		t.Error("a wrong flag is no error")
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
	if err := run(ctx, "", base, taken.Addr().String(), false); err == nil || said.Len() > 0 {
		t.Errorf("on an address that is taken: error %v, log %q", err, said.String())
	}
	if err := run(ctx, "", base, "127.0.0.1:0", false); err != nil || !strings.HasSuffix(said.String(), "open "+base+"/\n") {
		t.Errorf("error %v, log %q", err, said.String())
	}
}

func TestDisconnect(t *testing.T) {
	w := newWorld(t, newServerSessions(false))
	w.mustSignIn("")
	if status, _, _ := w.do("POST", w.base+"/disconnect"); status != http.StatusSeeOther {
		t.Errorf("status %d, want 303", status)
	}
	w.mustSee("Sign in with Google")
	w.mustSignIn("") // like a new user
}

func TestSignInFails(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind(t))
			if _, status, _ := w.signIn(exchangetest.Choice{User: jane, Deny: true}); status != http.StatusForbidden {
				t.Errorf("denied: status %d, want 403", status)
			}
			authorized := func() string {
				_, location, _ := w.do("GET", w.base+"/login")
				back, err := w.google.Authorize(location, exchangetest.Choice{User: jane})
				if err != nil {
					t.Fatal(err)
				}
				return back.String()
			}
			refused := func(what, address string) {
				t.Helper()
				if status, _, body := w.do("GET", address); status != http.StatusBadRequest || body != "Signing in has failed. Please try again.\n" {
					t.Errorf("%s: %d %q, want 400", what, status, body)
				}
			}
			refused("another state", strings.Replace(authorized(), "state=", "state=x", 1))
			of := authorized()
			authorized() // a second tab
			refused("the first tab", of)
			of = authorized()
			w.do("GET", of)
			refused("the second time", of)
			of = authorized()
			w.jar, _ = cookiejar.New(nil)
			refused("another browser", of)
			w.mustSee("Sign in with Google")
		})
	}
}
