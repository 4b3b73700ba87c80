package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

func TestWaysIn(t *testing.T) {
	t.Run("redirect", func(t *testing.T) {
		w := newWorld(t)
		w.must(w.get("/account"), http.StatusSeeOther, "/")
		w.signIn()
		w.must(w.get("/account"), http.StatusOK, ">Connected<")
		w.must(w.get("/"), http.StatusSeeOther, "/account")
	})
	t.Run("button", func(t *testing.T) {
		w := newWorld(t)
		w.must(w.post("/sign-in/button", w.button(), "Sec-Fetch-Site", "cross-site"), http.StatusSeeOther, "/account")
		w.must(w.get("/account"), http.StatusOK, ">Not connected<") // it says who the user is, and no more
		w.must(w.redirect("/connect", exchangetest.Choice{User: jane}), http.StatusSeeOther, "/account")
		w.must(w.get("/account"), http.StatusOK, ">Connected<")
	})
	t.Run("popup", func(t *testing.T) {
		w := newWorld(t)
		w.must(w.popup(exchangetest.CodeRequest{Scopes: firstScopes, ForceConsent: true}), http.StatusNoContent, "")
		w.must(w.get("/account"), http.StatusOK, ">Connected<")
	})
	t.Run("app", func(t *testing.T) {
		w := newWorld(t)
		code := url.Values{"code": {w.google.AppCode(exchangetest.CodeRequest{User: jane, Scopes: firstScopes})}}
		a := w.must(w.post("/app/sign-in", code, "X-Requested-With", "com.example.notes"), http.StatusOK, "")
		got := decode[struct {
			Session string
			Ends    time.Time
		}](w, a)
		if got.Session == "" || got.Ends.Before(time.Now()) || a.header.Get("Set-Cookie") != "" {
			t.Errorf("the app gets %+v, and the cookie %q", got, a.header.Get("Set-Cookie"))
		}
		bearer := []string{"Authorization", "Bearer " + got.Session}
		w.must(w.do("GET", "/app/account", "", "", bearer...), http.StatusOK, `"connected":true`)
		w.must(w.do("POST", "/sign-out", "", "", bearer...), http.StatusSeeOther, "/")
		w.must(w.do("GET", "/app/account", "", "", append(bearer, "Accept", "application/json")...), http.StatusUnauthorized, `"not_signed_in"`)
	})
}

// A user who has consented before gets no refresh token: only if none is kept, the
// consent screen is shown again.
func TestConsentOnlyWhenNeeded(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	grants := func() int { return len(w.google.Requests(exchangetest.TokenEndpoint)) }
	before := grants()
	w.signIn()
	if got := grants() - before; got != 1 {
		t.Errorf("%d codes for a second sign-in, want 1", got)
	}
	if err := w.app.grants.MarkRevoked(t.Context(), w.subject, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	w.must(w.get("/account"), http.StatusOK, "Not connected any more")
	before = grants()
	w.signIn()
	if got := grants() - before; got != 2 {
		t.Errorf("%d codes for a sign-in without a kept grant, want 2", got)
	}
	w.must(w.get("/account"), http.StatusOK, ">Connected<")

	// A popup cannot be told to ask, so its page leads to the redirect.
	w.must(w.get("/message?about=consent_required"), http.StatusOK, `href="/connect"`)
	if err := w.app.grants.MarkRevoked(t.Context(), w.subject, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	w.newBrowser()
	w.must(w.popup(exchangetest.CodeRequest{Scopes: firstScopes}), http.StatusForbidden, `"consent_required"`)
	w.must(w.get("/message?about=consent_required"), http.StatusOK, `href="/sign-in"`)
	w.signIn()
}

func TestDenied(t *testing.T) {
	w := newWorld(t)
	a := w.redirect("/sign-in", exchangetest.Choice{User: jane, Deny: true})
	w.must(w.get(a.to), http.StatusForbidden, "You are not signed in")
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	w.must(w.get("/message?about=denied"), http.StatusOK, "You are not signed in")
	w.must(w.get("/message?about=%3Cscript%3E"), http.StatusNotFound, "")
	w.must(w.get(callbackPath+"?code=x&state=x"), http.StatusSeeOther, "failed=not_started")
	w.must(w.get(callbackPath+"?failed=not_started"), http.StatusBadRequest, "Signing in was not completed")
}

// If Drive refuses a request, the page does not say that the user is signed out.
func TestDeniedByDrive(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.drive.Inject(drivetest.Fault{Status: 403, Reason: "domainPolicy"})
	w.must(w.get("/files"), http.StatusForbidden, "<h1>Nothing has changed")
}

// A person who is told to try again does not come back to the same page.
func TestTryAgain(t *testing.T) {
	w := newWorld(t)
	w.google.Inject(exchangetest.TokenEndpoint, exchangetest.Fault{Status: 503})
	a := w.redirect("/sign-in", exchangetest.Choice{User: jane})
	a = w.must(w.get(a.to), http.StatusServiceUnavailable, "Google is slow")
	if strings.Contains(a.page, callbackPath) {
		t.Errorf("the page leads to itself:\n%s", a.page)
	}
}

// Of what a stranger sends, little is read: a form may have files of any size.
func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"GET /message?about=denied", "GET /connect", "GET /files/progress", "GET /files/content?name=x",
		"POST /settings", "POST /files/delete", "POST /sign-out", "POST /sign-in/button", "POST /sign-in/popup", "POST /app/sign-in", "POST /google/events"} {
		method, path, _ := strings.Cut(route, " ")
		const head = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n"
		rest := io.LimitedReader{R: zeros{}, N: 16 << 20}
		r := httptest.NewRequestWithContext(t.Context(), method, w.URL+path, io.MultiReader(strings.NewReader(head), &rest))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		r.Header.Set("X-Requested-With", "page")
		for _, c := range w.jar.Cookies(at) {
			r.AddCookie(c)
		}
		w.app.routes().ServeHTTP(patient{httptest.NewRecorder()}, r)
		if read := 16<<20 - rest.N; read > 1<<20 {
			t.Errorf("%s: %d bytes are read", route, read)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A patient recorder takes deadlines, as the writer of a server does.
type patient struct{ *httptest.ResponseRecorder }

func (patient) SetReadDeadline(time.Time) error  { return nil }
func (patient) SetWriteDeadline(time.Time) error { return nil }

func TestPartialConsent(t *testing.T) {
	w := newWorld(t)
	w.redirect("/sign-in", exchangetest.Choice{User: jane, Declined: []string{drive.Scope}})
	w.must(w.get("/account"), http.StatusOK, `href="/connect?feature=drive"`)
	w.must(w.get("/files"), http.StatusOK, "has no access to it")
	w.must(w.post("/settings", url.Values{"revision": {drive.Absent}, "week_start": {"monday"}}), http.StatusForbidden, "Google asks for your consent again")

	w.must(w.redirect("/connect?feature=drive", exchangetest.Choice{}), http.StatusSeeOther, "/account")
	w.must(w.get("/files"), http.StatusOK, "There are no files yet")
	w.must(w.get(w.redirect("/connect?feature=calendar", exchangetest.Choice{Deny: true}).to), http.StatusForbidden, "<h1>Nothing has changed")
	w.must(w.get("/files"), http.StatusOK, "There are no files yet")
	w.must(w.redirect("/connect?feature=calendar", exchangetest.Choice{}), http.StatusSeeOther, "/account")
	grant, err := w.app.grants.Grant(t.Context(), w.subject)
	if missing := grant.Missing(drive.Scope, calendar); err != nil || missing != nil {
		t.Errorf("missing after connecting all: %v, %v", missing, err)
	}
	w.must(w.get("/account"), http.StatusOK, "unless you connect again") // the announced end
}

// Of two accounts at Google, the other one must not take the place of the first.
func TestConnectWithAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	to := w.get("/connect?feature=calendar").to
	at, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	q.Del("login_hint") // as if the user has chosen another account
	at.RawQuery = q.Encode()
	back, err := w.google.Authorize(at.String(), exchangetest.Choice{User: "john.roe@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.get(w.get(back.String()).to), http.StatusOK, "That was another Google Account")
	w.must(w.get("/account"), http.StatusOK, jane)
	if n := w.count("google_grants"); n != 1 {
		t.Errorf("%d grants, want that of the first account alone", n)
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	session := func() string {
		for _, c := range w.jar.Cookies(at) {
			if c.Name == "session" {
				return c.Value
			}
		}
		return ""
	}
	const planted = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	w.jar.SetCookies(at, []*http.Cookie{{Name: "session", Value: planted}})
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	w.signIn()
	first := session()
	if first == planted || first == "" {
		t.Fatalf("the session is %q, want a new one", first)
	}
	w.signIn()
	if session() == first || w.count("app_sessions") != 1 {
		t.Errorf("%d sessions, want the new one alone", w.count("app_sessions"))
	}
	var kept string
	if err := w.app.db.QueryRow("SELECT id_hash FROM app_sessions").Scan(&kept); err != nil || strings.Contains(kept, session()) {
		t.Errorf("the table has the ID itself, %v", err)
	}
	stolen := w.jar
	w.must(w.post("/sign-out", nil), http.StatusSeeOther, "/")
	w.jar = stolen
	w.must(w.get("/account"), http.StatusSeeOther, "/")

	w.signIn()
	w.google.Advance(sessionTime + time.Second)
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	if err := w.app.tidy(t.Context()); err != nil || w.count("app_sessions") != 0 {
		t.Errorf("%d sessions after all have ended, %v", w.count("app_sessions"), err)
	}
}

// A second user in the same browser takes the place of the first one, and neither gets
// the other's tokens.
func TestSecondUser(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	john := w.google.Accounts()[1]
	code := w.google.PopupCode(exchangetest.CodeRequest{User: john.Email, Scopes: firstScopes, ForceConsent: true})
	w.must(w.post("/sign-in/popup", url.Values{"code": {code}}, asPage...), http.StatusNoContent, "")
	w.must(w.get("/account"), http.StatusOK, john.Email)
	if n := w.count("app_sessions"); n != 1 {
		t.Errorf("%d sessions of one browser, want 1", n)
	}
	for _, subject := range []string{w.subject, john.Subject} {
		w.app.grants.Invalidate(subject, "")
		token, err := w.app.grants.Token(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		if user, _, _ := w.google.CheckAccessToken(token.AccessToken); user != subject {
			t.Errorf("user %s has a token of %s", subject, user)
		}
	}
}

// With https, cookies have the prefix that keeps other hosts of the domain from setting
// them.
func TestHTTPS(t *testing.T) {
	rows, db := openSQLite(t)
	w := newWorldOn(t, worldOptions{rows: rows, db: db, https: true})
	a := w.must(w.get("/"), http.StatusOK, "Sign in to Notes")
	if got := a.header.Get("Strict-Transport-Security"); got == "" {
		t.Error("a browser may come back without https")
	}
	w.must(w.post("/sign-in/button", w.button()), http.StatusSeeOther, "/account")
	a = w.must(w.redirect("/sign-in", exchangetest.Choice{User: jane}), http.StatusSeeOther, "/account")
	cookies := strings.Join(a.header.Values("Set-Cookie"), "\n")
	for _, want := range []string{"__Host-session=", "; Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"} {
		if !strings.Contains(cookies, want) {
			t.Errorf("the cookies are %q, want %s in them", cookies, want)
		}
	}
	w.must(w.get("/account"), http.StatusOK, ">Connected<")
}

func TestOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	form := w.button()
	other := url.Values{"credential": form["credential"], "g_csrf_token": {"guess"}}
	w.must(w.post("/sign-in/button", other, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "")
	w.newBrowser() // a stolen token, in another browser
	w.button()
	w.must(w.post("/sign-in/button", form), http.StatusUnauthorized, "Please sign in again")
	w.newBrowser() // a token without a nonce, in a browser that has none
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.jar.SetCookies(at, []*http.Cookie{{Name: "g_csrf_token", Value: "csrf"}})
	form.Set("credential", w.google.Issuer().Token(idtoken.Profile{Subject: w.subject, Audience: w.google.ClientID()}))
	w.must(w.post("/sign-in/button", form), http.StatusUnauthorized, "Please sign in again")
	w.must(w.post("/sign-in/popup", url.Values{"code": {"4/x"}}, "Sec-Fetch-Site", "cross-site", "X-Requested-With", "x"), http.StatusForbidden, "")
	w.must(w.post("/sign-in/popup", url.Values{"code": {"4/x"}}), http.StatusForbidden, "")

	w.signIn()
	for _, path := range []string{"/sign-out", "/disconnect", "/delete", "/settings", "/files", "/files/delete"} {
		w.must(w.post(path, nil, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "")
		w.must(w.post(path, nil, "Sec-Fetch-Site", "", "Origin", "https://evil.example"), http.StatusForbidden, "")
	}
	w.must(w.get("/account"), http.StatusOK, ">Connected<")
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	for _, path := range []string{"/", "/account", "/files", "/delete", "/message?about=denied", "/static/app.css", "/nothing"} {
		h := w.get(path).header
		policy := h.Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, h)
		}
		if static := path == "/static/app.css"; static == (h.Get("Cache-Control") == "no-store") {
			t.Errorf("%s: Cache-Control %q", path, h.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/static/", "/static/layout.html", "/pages/layout.html", "/static/../app.go"} {
		if got := w.get(path).status; !slices.Contains([]int{http.StatusNotFound, http.StatusMovedPermanently, http.StatusTemporaryRedirect}, got) {
			t.Errorf("%s: status %d", path, got)
		}
	}
}
