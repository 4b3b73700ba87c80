// Package browser signs in with a real browser: an app's backend made with
// exchange, the pages of exchangetest, and Chromium between them.
package browser

import (
	"crypto/rand"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

const (
	appdata  = "https://www.googleapis.com/auth/drive.appdata"
	calendar = "https://www.googleapis.com/auth/calendar.readonly"
	john     = "john.roe@example.com"
)

var asked = []string{"openid", "email", appdata, calendar}

// An app has users who sign in with a fake Google, below a path: at /login, and
// with a return path at any other page. Its pages have one paragraph.
type app struct {
	*testing.T
	URL    string // https, with the path
	google *exchangetest.Server

	mu    sync.Mutex
	users map[string]string // email addresses and what is missing, by session

	requests chan string // path and Sec-Purpose
}

func startApp(t *testing.T, path string) *app {
	t.Helper()
	a := &app{T: t, users: make(map[string]string), requests: make(chan string, 1000)}
	mux := http.NewServeMux()
	srv := httptest.NewUnstartedServer(a.recorded(mux))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	a.URL = srv.URL + path
	callback := a.URL + "/callback"
	a.google = exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{Name: "Notes", RedirectURIs: []string{callback}}},
	})
	t.Cleanup(a.google.Close)
	client, err := exchange.New(a.google.Config())
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	redirect, err := client.NewRedirect(exchange.RedirectConfig{
		URI: callback, Keys: [][]byte{key}, Home: path + "/",
		Params: exchange.AuthParams{Scopes: asked},
	})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{a.google.ClientID()}, Keys: a.google.KeySource()})
	if err != nil {
		t.Fatal(err)
	}

	mux.HandleFunc("GET "+path+"/login", func(w http.ResponseWriter, r *http.Request) { redirect.Start(w, r, r.FormValue("to")) })
	mux.Handle("GET "+path+"/callback", redirect.Handler(func(w http.ResponseWriter, r *http.Request, tokens *exchange.Tokens, returnPath string) {
		user, err := verifier.Verify(r.Context(), tokens.IDToken, idtoken.AccessToken(tokens.AccessToken))
		if err != nil {
			redirect.Fail(w, r, err)
			return
		}
		a.startSession(w, user.Email+", without "+strings.Join(tokens.Missing(asked...), " "))
		http.Redirect(w, r, returnPath, http.StatusSeeOther)
	}))
	mux.HandleFunc("GET "+path+"/logout", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-session", Path: "/", Secure: true, HttpOnly: true, MaxAge: -1})
		fmt.Fprint(w, "<p>signed out")
	})
	// A page with links that the browser is to prefetch, or to prerender.
	mux.HandleFunc("GET "+path+"/links", func(w http.ResponseWriter, r *http.Request) {
		to := r.FormValue("to")
		fmt.Fprintf(w, "<p>links</p><link rel=prefetch href='%s'>", html.EscapeString(to))
		for _, how := range []string{"prefetch", "prerender"} {
			fmt.Fprintf(w, `<script type=speculationrules>{%q:[{"source":"list","urls":[%q]}]}</script>`, how, to+"&"+how)
		}
	})
	mux.HandleFunc("GET "+path+"/", a.page)
	return a
}

func (a *app) recorded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		select {
		case a.requests <- strings.TrimSpace(r.URL.Path + " " + r.Header.Get("Sec-Purpose")):
		default:
			a.Error("more than 1000 requests")
		}
	})
}

// waitFor waits until all of these requests have been answered, in any order.
func (a *app) waitFor(requests ...string) {
	a.Helper()
	late := time.After(2 * time.Minute)
	for len(requests) > 0 {
		select {
		case got := <-a.requests:
			if i := slices.Index(requests, got); i >= 0 {
				requests = slices.Delete(requests, i, i+1)
			}
		case <-late:
			a.Fatalf("the browser has not sent %q", requests)
		}
	}
}

func (a *app) startSession(w http.ResponseWriter, user string) {
	id := rand.Text()
	a.mu.Lock()
	a.users[id] = user
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "__Host-session", Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (a *app) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	user := "nobody"
	if cookie, err := r.Cookie("__Host-session"); err == nil {
		a.mu.Lock()
		user = a.users[cookie.Value]
		a.mu.Unlock()
	}
	fmt.Fprintf(w, "<p>%s, at %s", user, r.URL.RequestURI())
}

// mustBe waits for a page of the app, and looks at the address.
func (b *browser) mustBe(a *app, user, path string) {
	b.t.Helper()
	at := strings.TrimPrefix(a.URL, "https://")
	at = at[strings.IndexAny(at+"/", "/"):] + path
	b.MustSee("p", user+", at "+at)
	if got := b.Address(); got != a.URL+path {
		b.t.Errorf("the address is %s, want %s", got, a.URL+path)
	}
}

func TestSignIn(t *testing.T) {
	b := startBrowser(t, cookies)
	for name, test := range map[string]func(*testing.T, *browser){
		"declining one scope": declineOneScope, "in tabs": signInInTabs, "and go back": goBack,
	} {
		t.Run(name, func(t *testing.T) {
			b.DeleteCookies()
			test(t, b.with(t))
		})
	}
}

func declineOneScope(t *testing.T, b *browser) {
	a := startApp(t, "")
	b.GoTo(a.URL + "/login?to=/list")
	b.MustSee("h1", "Choose an account")
	b.chooseJohn()
	b.MustSee("h1", "Notes wants access to your Google Account")
	b.MustSee("span", john)
	b.Click("//input[@value='" + appdata + "']")
	b.agree()
	b.mustBe(a, john+", without "+appdata, "/list")

	b.GoTo(a.URL + "/login")
	b.chooseJohn()
	b.MustSee("h1", "Notes wants access to your Google Account") // for what was declined
	b.agree()
	b.mustBe(a, john+", without ", "/")

	b.GoTo(a.URL + "/login")
	b.chooseJohn()
	b.mustBe(a, john+", without ", "/") // consent is remembered
}

// Two tabs sign in at the same time, a third one says no.
func signInInTabs(t *testing.T, b *browser) {
	a := startApp(t, "/notes")
	first := b.ThisTab()
	b.GoTo(a.URL + "/login?to=/notes/1")
	b.chooseJohn()
	second := b.NewTab()
	b.GoTo(a.URL + "/login?to=/notes/2")
	b.chooseJohn()
	b.NewTab()
	b.GoTo(a.URL + "/login?to=/notes/3")
	b.chooseJohn()
	b.Click("//button[.='Cancel']")
	b.MustSee("p", "You are not signed in. You or an administrator did not agree, or this account cannot be used here.")
	if got, want := b.Address(), a.URL+"/callback?failed=denied&return=%2Fnotes%2F3"; got != want {
		t.Errorf("denied: the address is %s, want %s", got, want)
	}
	b.Click("//a[.='Back']")
	b.mustBe(a, "nobody", "/3")

	b.ToTab(first)
	b.agree()
	b.mustBe(a, john+", without ", "/1")
	b.ToTab(second)
	b.agree()
	b.mustBe(a, john+", without ", "/2")
}

// What the browser fetches before its user asks for it changes nothing.
func TestPrefetch(t *testing.T) {
	b := startBrowser(t, cookies|javaScript)
	a := startApp(t, "")
	b.GoTo(a.URL + "/login?to=/list")
	callback, err := a.google.Authorize(b.Address(), exchangetest.Choice{User: john})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{callback.String(), a.URL + "/login?to=/"} {
		at, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		b.GoTo(a.URL + "/links?to=" + url.QueryEscape(to))
		b.MustSee("p", "links")
		a.waitFor(at.Path+" prefetch", at.Path+" prefetch", at.Path+" prefetch;prerender")
	}
	var kept []struct{ Name string }
	b.Call("GET", "/cookie", nil, &kept)
	if len(kept) != 1 {
		t.Errorf("%d cookies, want that of one sign-in", len(kept))
	}
	b.GoTo(callback.String())
	b.mustBe(a, john+", without ", "/list")
	b.GoTo(a.URL + "/login?to=/")
	b.MustSee("h1", "Choose an account")
}

func TestCookiesBlocked(t *testing.T) {
	b := startBrowser(t, 0)
	a := startApp(t, "")
	b.GoTo(a.URL + "/login?to=/list")
	b.chooseJohn()
	b.agree()
	b.MustSee("p", "Signing in was not completed. This happens when it takes longer than ten minutes, or when cookies are blocked. Please try again.")
	if got, want := b.Address(), a.URL+"/callback?failed=not_started&return=%2F"; got != want {
		t.Errorf("the address is %s, want %s", got, want)
	}
}

// Going back after signing out shows no page of the user, and starts no session.
func goBack(t *testing.T, b *browser) {
	a := startApp(t, "")
	b.GoTo(a.URL + "/start")
	b.GoTo(a.URL + "/login?to=/list")
	b.chooseJohn()
	b.agree()
	b.mustBe(a, john+", without ", "/list")
	b.GoTo(a.URL + "/logout")
	b.MustSee("p", "signed out")
	b.Back()
	b.mustBe(a, "nobody", "/list")
}
