package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

const (
	siteURL = "https://example.com"
	jane    = "jane.doe@gmail.com"
)

var (
	oldKey = bytes.Repeat([]byte{1}, 32)
	newKey = bytes.Repeat([]byte{2}, 32)
)

// A site signs users in by a Redirect: Start is at /login, with the return path
// in the parameter to.
type site struct {
	*testing.T
	google   *exchangetest.Server
	config   exchange.Config
	redirect *exchange.Redirect
	signedIn func(http.ResponseWriter, *http.Request, *exchange.Tokens, string)
	now      time.Time
	told     []error // by OnError
}

func newSite(t *testing.T, change ...func(*exchange.RedirectConfig)) *site {
	t.Helper()
	s := &site{T: t, now: start}
	s.google = exchangetest.NewServer(exchangetest.Options{
		Now:     func() time.Time { return s.now },
		Clients: []exchangetest.Client{{RedirectURIs: []string{callbackURI}}},
	})
	t.Cleanup(s.google.Close)
	s.config = exchange.Config{
		ClientID: s.google.ClientID(), ClientSecret: s.google.ClientSecret(), RedirectURIs: []string{callbackURI},
		Endpoint: s.google.Endpoint(), HTTPClient: s.google.Client(),
		Now:     func() time.Time { return s.now },
		OnError: func(_ *http.Request, err error) { s.told = append(s.told, err) },
	}
	s.deploy(change...)
	s.signedIn = func(w http.ResponseWriter, r *http.Request, _ *exchange.Tokens, returnPath string) {
		http.Redirect(w, r, returnPath, http.StatusSeeOther)
	}
	return s
}

// deploy replaces the site's process, which forgets the codes that it has seen.
func (s *site) deploy(change ...func(*exchange.RedirectConfig)) {
	s.Helper()
	client, err := exchange.New(s.config)
	if err != nil {
		s.Fatal(err)
	}
	cfg := exchange.RedirectConfig{
		URI: callbackURI, Keys: [][]byte{oldKey},
		Params: exchange.AuthParams{Scopes: []string{"openid", "email"}},
	}
	for _, c := range change {
		c(&cfg)
	}
	if s.redirect, err = client.NewRedirect(cfg); err != nil {
		s.Fatal(err)
	}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		s.redirect.Start(w, r, r.URL.Query().Get("to"))
	})
	mux.Handle("/oauth2/callback", s.redirect.Handler(s.signedIn))
	mux.ServeHTTP(w, r)
}

// A browser keeps cookies, and follows no redirect by itself.
type browser struct {
	site *site
	jar  http.CookieJar
}

func (s *site) newBrowser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return &browser{s, jar}
}

func (b *browser) do(method, address string, headers ...string) *http.Response {
	b.site.Helper()
	at, err := url.Parse(siteURL)
	if err == nil {
		at, err = at.Parse(address)
	}
	if err != nil {
		b.site.Fatal(err)
	}
	r := httptest.NewRequest(method, at.String(), nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range b.jar.Cookies(at) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.site.ServeHTTP(w, r)
	resp := w.Result()
	b.jar.SetCookies(at, resp.Cookies())
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got := resp.Header.Get(name); got != want {
			b.site.Errorf("%s %s: %s is %q, want %q", method, at.Path, name, got, want)
		}
	}
	return resp
}

// login begins a sign-in, and returns where the browser comes back to.
func (b *browser) login(to string, c exchangetest.Choice) (callback string) {
	b.site.Helper()
	resp := b.do("GET", "/login?"+url.Values{"to": {to}}.Encode())
	if resp.StatusCode != http.StatusSeeOther {
		b.site.Fatalf("login: %s", resp.Status)
	}
	return b.atGoogle(resp, c)
}

func (b *browser) atGoogle(resp *http.Response, c exchangetest.Choice) (callback string) {
	b.site.Helper()
	c.User = jane
	back, err := b.site.google.Authorize(resp.Header.Get("Location"), c)
	if err != nil {
		b.site.Fatal(err)
	}
	return back.String()
}

// mustLand comes back to the site, and ends at the path.
func (b *browser) mustLand(callback, path string) {
	b.site.Helper()
	resp := b.do("GET", callback)
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || got != path {
		b.site.Errorf("callback: %s to %q, want 303 to %q", resp.Status, got, path)
	}
}

// mustFail comes back to the site, and ends at the page for a failed sign-in, with
// a link to the path.
func (b *browser) mustFail(callback string, want error, path string) {
	b.site.Helper()
	b.site.told = nil
	resp := b.do("GET", callback)
	end, err := resp.Location()
	if err != nil || resp.StatusCode != http.StatusSeeOther || end.Query().Has("state") || end.Query().Has("code") {
		b.site.Errorf("callback: %s to %q, want 303 to an address without state and code", resp.Status, resp.Header.Get("Location"))
		return
	}
	if len(b.site.told) != 1 || !errors.Is(b.site.told[0], want) {
		b.site.Errorf("OnError was told %v, want one %v", b.site.told, want)
	}
	page := b.do("GET", end.String())
	var text bytes.Buffer
	text.ReadFrom(page.Body)
	if page.StatusCode != exchange.HTTPStatus(want) || !strings.Contains(text.String(), `<a href="`+path+`"`) {
		b.site.Errorf("page of the failure: %s %q, want %d and a link to %s", page.Status, text.String(), exchange.HTTPStatus(want), path)
	}
}

// pending returns how many sign-ins have a cookie, and how many bytes these take.
func (b *browser) pending() (number, size int) {
	at, _ := url.Parse(siteURL)
	for _, c := range b.jar.Cookies(at) {
		number++
		size += len(c.String() + "; ")
	}
	return number, size
}

func (b *browser) mustHave(number int) {
	b.site.Helper()
	if n, _ := b.pending(); n != number {
		b.site.Errorf("%d sign-ins are pending, want %d", n, number)
	}
}

func TestRedirect(t *testing.T) {
	s := newSite(t)
	s.signedIn = func(w http.ResponseWriter, r *http.Request, tok *exchange.Tokens, returnPath string) {
		if tok.RefreshToken == "" || len(tok.Missing("openid", "email")) > 0 || returnPath != "/settings?tab=2#top" {
			t.Errorf("tokens %v, return path %q", tok, returnPath)
		}
		if end, ok := r.Context().Deadline(); !ok || time.Until(end) > time.Minute {
			t.Errorf("deadline %v, want one of a minute", end)
		}
		w.WriteHeader(http.StatusNoContent)
	}
	b := s.newBrowser()
	resp := b.do("GET", "/login?to=%2Fsettings%3Ftab%3D2%23top")
	cookie := resp.Cookies()[0]
	if want := "; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"; !strings.HasPrefix(cookie.Raw, "__Host-google_") || !strings.HasSuffix(cookie.Raw, want) {
		t.Errorf("Set-Cookie %q, want a __Host- cookie with %q", cookie.Raw, want)
	}
	to, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if v := to.Query().Get(name); v == "" || strings.Contains(cookie.Raw, v) {
			t.Errorf("%s %q is missing in the address, or it is in the cookie", name, v)
		}
	}
	resp = b.do("GET", b.atGoogle(resp, exchangetest.Choice{}))
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("callback: %s, want what signedIn answers", resp.Status)
	}
	b.mustHave(0)
	if s.told != nil {
		t.Errorf("OnError was told %v", s.told)
	}
}

// Two tabs, in either order.
func TestRedirectSeveralAtOnce(t *testing.T) {
	b := newSite(t).newBrowser()
	first, second, third := b.login("/1", exchangetest.Choice{}), b.login("/2", exchangetest.Choice{}), b.login("/3", exchangetest.Choice{})
	b.mustHave(3)
	b.mustLand(second, "/2")
	b.mustLand(first, "/1")
	b.mustLand(third, "/3")
	b.mustHave(0)
}

func TestRedirectOfAnotherState(t *testing.T) {
	s := newSite(t)
	b, other := s.newBrowser(), s.newBrowser()
	mine := b.login("/mine", exchangetest.Choice{})
	state := func(v url.Values, states ...string) string {
		v["state"] = states
		return callbackURI + "?" + v.Encode()
	}
	at, err := url.Parse(mine)
	if err != nil {
		t.Fatal(err)
	}
	query := func() url.Values { return at.Query() }
	for name, callback := range map[string]string{
		"nothing":                  callbackURI,
		"no state":                 state(query()),
		"empty state":              state(query(), ""),
		"another state":            state(query(), "x"),
		"longer state":             state(query(), query().Get("state")+"x"),
		"two states":               state(query(), query().Get("state"), query().Get("state")),
		"the other browser's":      other.login("/other", exchangetest.Choice{}),
		"a stranger's error":       state(url.Values{"error": {"access_denied"}}, "x"),
		"a stranger's error, bare": state(url.Values{"error": {"access_denied"}}),
	} {
		t.Run(name, func(t *testing.T) {
			b.mustFail(callback, exchange.ErrState, "/")
			b.mustHave(1)
		})
	}
	b.mustLand(mine, "/mine")
}

func TestRedirectDenied(t *testing.T) {
	b := newSite(t).newBrowser()
	other, denied := b.login("/other", exchangetest.Choice{}), ""
	resp := b.do("GET", "/login?to=/denied")
	to, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	denied = callbackURI + "?error=access_denied&state=" + to.Query().Get("state")
	b.mustFail(denied, exchange.ErrDenied, "/denied")
	b.mustHave(1)
	b.mustFail(denied, exchange.ErrState, "/")
	b.mustLand(other, "/other")
}

func TestRedirectPreview(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	callback := b.login("/", exchangetest.Choice{})
	before := len(s.google.Requests())
	for _, preview := range [][]string{
		{"GET", "Sec-Purpose", "prefetch"},
		{"GET", "Sec-Purpose", "prefetch;prerender"},
		{"GET", "Sec-Purpose", " Prefetch ; anonymous-client-ip"},
		{"GET", "Purpose", "prefetch"},
		{"GET", "X-Purpose", "preview"},
		{"GET", "X-Moz", "prefetch"},
		{"HEAD"},
	} {
		for _, address := range []string{"/login", callback, callbackURI + "?error=access_denied&state=x"} {
			resp := b.do(preview[0], address, preview[1:]...)
			if resp.StatusCode != http.StatusNoContent || len(resp.Cookies()) > 0 {
				t.Errorf("%v: %s, %d cookies set; want 204 and none", preview, resp.Status, len(resp.Cookies()))
			}
		}
	}
	if n := len(s.google.Requests()) - before; n > 0 || s.told != nil {
		t.Errorf("%d requests to Google, errors %v", n, s.told)
	}
	b.mustLand(callback, "/")

	b.login("/", exchangetest.Choice{})
	if resp := b.do("GET", "/login", "Sec-Purpose", "x-prefetch"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("another purpose: %s, want 303", resp.Status)
	}
}

func TestRedirectMethods(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	for _, method := range []string{"POST", "PUT", "OPTIONS"} {
		if resp := b.do(method, b.login("/", exchangetest.Choice{})); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" || len(resp.Cookies()) > 0 {
			t.Errorf("%s: %s, Allow %q", method, resp.Status, resp.Header.Get("Allow"))
		}
	}
	// A form that starts a sign-in.
	if resp := b.do("POST", "/login"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("login by POST: %s, want 303", resp.Status)
	}
}

func TestRedirectTooLate(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	inTime, late := b.login("/", exchangetest.Choice{}), b.login("/late", exchangetest.Choice{})
	s.now = s.now.Add(10*time.Minute - time.Second)
	b.mustLand(inTime, "/")
	s.now = s.now.Add(time.Second)
	b.mustFail(late, exchange.ErrState, "/")
}

func TestRedirectKeys(t *testing.T) {
	keys := func(keys ...[]byte) func(*exchange.RedirectConfig) {
		return func(c *exchange.RedirectConfig) { c.Keys = keys }
	}
	s := newSite(t, keys(oldKey))
	b := s.newBrowser()
	byOld, byOldToo := b.login("/old", exchangetest.Choice{}), b.login("/", exchangetest.Choice{})
	s.deploy(keys(newKey, oldKey))
	byNew := b.login("/new", exchangetest.Choice{})
	b.mustLand(byOld, "/old")
	s.deploy(keys(newKey))
	b.mustLand(byNew, "/new")
	b.mustFail(byOldToo, exchange.ErrState, "/")
	if hint := hintOf(s.told[0]); !strings.Contains(hint, "RedirectConfig.Keys") {
		t.Errorf("hint %q", hint)
	}
	b.mustHave(1) // another replica may still have the key
}

func hintOf(err error) string {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e.Hint()
	}
	return ""
}

// Cookies that are not the ones that Start has set.
func TestRedirectForgedCookies(t *testing.T) {
	s := newSite(t)
	at, err := url.Parse(siteURL)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() (b *browser, callback string, cookie *http.Cookie) {
		b = s.newBrowser()
		callback = b.login("/", exchangetest.Choice{})
		return b, callback, b.jar.Cookies(at)[0]
	}
	_, _, others := begin()
	for name, change := range map[string]func(*http.Cookie){
		"another's value": func(c *http.Cookie) { c.Value = others.Value },
		"first bit":       func(c *http.Cookie) { c.Value = flip(c.Value, 0) },
		"last bits":       func(c *http.Cookie) { c.Value = flip(c.Value, len(c.Value)-2) },
		"empty":           func(c *http.Cookie) { c.Value = "" },
		"short":           func(c *http.Cookie) { c.Value = c.Value[:20] },
		"not base64":      func(c *http.Cookie) { c.Value = "%" + c.Value },
	} {
		t.Run(name, func(t *testing.T) {
			b, callback, cookie := begin()
			cookie.Path, cookie.Secure = "/", true
			change(cookie)
			b.jar.SetCookies(at, []*http.Cookie{cookie})
			b.mustFail(callback, exchange.ErrState, "/")
		})
	}
	t.Run("another client's", func(t *testing.T) {
		b, callback, _ := begin()
		s.config.ClientID = "1234-other.apps.googleusercontent.com"
		s.deploy()
		b.mustFail(callback, exchange.ErrState, "/")
	})
}

func flip(s string, at int) string {
	c := byte('A')
	if s[at] == 'A' {
		c = 'B'
	}
	return s[:at] + string(c) + s[at+1:]
}

func TestRedirectCookiesAreBounded(t *testing.T) {
	long := "/" + strings.Repeat("x", 999)
	scopes := []string{"openid"}
	for i := range 40 {
		scopes = append(scopes, fmt.Sprintf("https://www.googleapis.com/auth/%d/%s", i, strings.Repeat("x", 100)))
	}
	for name, path := range map[string]func(i int) string{
		"short": func(i int) string { return "/" },
		"long":  func(i int) string { return long },
		"both": func(i int) string {
			if i%5 == 0 {
				return long
			}
			return "/"
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *exchange.RedirectConfig) { c.Params.Scopes = scopes })
			b := s.newBrowser()
			var callbacks []string
			most := 0
			for i := range 40 {
				callbacks = append(callbacks, b.login(path(i), exchangetest.Choice{}))
				s.now = s.now.Add(time.Second)
				number, size := b.pending()
				if size > 3<<10 {
					t.Fatalf("%d bytes of cookies, want 3 KB at most", size)
				}
				most = max(most, number)
			}
			number, _ := b.pending()
			if most < 2 || most > 10 {
				t.Errorf("%d sign-ins at once, want 2 to 10", most)
			}
			// Those that are left are the newest ones.
			for i := range number {
				b.mustLand(callbacks[len(callbacks)-1-i], path(len(callbacks)-1-i))
			}
			b.mustHave(0)
			b.mustFail(callbacks[0], exchange.ErrState, "/")
		})
	}
}

// Cookies that this Redirect cannot open, such as those of another one for the
// same host, stay while there is room.
func TestRedirectLeavesCookiesOfOthers(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	other := b.login("/other", exchangetest.Choice{})
	s.deploy(func(c *exchange.RedirectConfig) { c.Keys = [][]byte{newKey} })
	b.mustLand(b.login("/", exchangetest.Choice{}), "/")
	s.deploy()
	b.mustLand(other, "/other")
}

// The second request for a callback, by a browser that is reloaded or by a proxy
// that repeats it.
func TestRedirectTwice(t *testing.T) {
	t.Run("after the first", func(t *testing.T) {
		b := newSite(t).newBrowser()
		callback := b.login("/", exchangetest.Choice{})
		repeated := &browser{b.site, copyOf(t, b.jar)} // as the answer to the first is lost
		b.mustLand(callback, "/")
		b.mustFail(callback, exchange.ErrState, "/")
		repeated.mustFail(callback, exchange.ErrInvalidGrant, "/")
	})
	t.Run("meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := scripted(nil)
			rd := mustRedirect(t, newClient(t, g))
			w := httptest.NewRecorder()
			rd.Start(w, httptest.NewRequest("GET", "/login", nil), "/")
			to, err := w.Result().Location()
			if err != nil {
				t.Fatal(err)
			}
			g.script[0] = func(r *http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return callbackAnswer(idToken(fmt.Sprintf(`{"nonce":%q}`, to.Query().Get("nonce"))), "openid email")(r)
			}
			var mu sync.Mutex
			var got []string
			h := rd.Handler(func(_ http.ResponseWriter, _ *http.Request, tok *exchange.Tokens, _ string) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, tok.RefreshToken)
			})
			var wg sync.WaitGroup
			for i := range 3 {
				r := httptest.NewRequest("GET", callbackURI+"?code="+goodCode+"&state="+to.Query().Get("state"), nil)
				r.AddCookie(w.Result().Cookies()[0])
				ctx, hangUp := context.WithCancel(r.Context())
				if i == 0 {
					hangUp() // the first request is given up
				}
				defer hangUp()
				wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx)) })
			}
			wg.Wait()
			if g.posts() != 1 || len(got) != 3 || got[0] == "" || got[0] != got[1] || got[1] != got[2] {
				t.Errorf("%d posts, %d results; want 1, and 3 equal ones", g.posts(), len(got))
			}
		})
	})
}

func copyOf(t *testing.T, jar http.CookieJar) http.CookieJar {
	t.Helper()
	at, err := url.Parse(siteURL)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	copied.SetCookies(at, jar.Cookies(at))
	return copied
}

func mustRedirect(t *testing.T, c *exchange.Client, change ...func(*exchange.RedirectConfig)) *exchange.Redirect {
	t.Helper()
	cfg := exchange.RedirectConfig{
		URI: callbackURI, Keys: [][]byte{oldKey},
		Params: exchange.AuthParams{Scopes: []string{"openid", "email"}},
	}
	for _, ch := range change {
		ch(&cfg)
	}
	rd, err := c.NewRedirect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rd
}

func TestRedirectFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply answerFunc
		want  error
	}{
		{"Google is down", says(503, ""), exchange.ErrTemporary},
		{"no answer", fails(errors.New("EOF")), exchange.ErrTemporary},
		{"code spent", says(400, `{"error":"invalid_grant"}`), exchange.ErrInvalidGrant},
		{"wrong secret", says(401, `{"error":"invalid_client"}`), exchange.ErrClient},
		{"wrong URI", says(400, `{"error":"redirect_uri_mismatch"}`), exchange.ErrRedirectMismatch},
		{"blocked", says(400, `{"error":"admin_policy_enforced"}`), exchange.ErrDenied},
		{"another nonce", callbackAnswer(idToken(`{"nonce":"x"}`), "openid"), exchange.ErrState},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.config.HTTPClient = &http.Client{Transport: scripted(tt.reply)}
			s.deploy()
			b := s.newBrowser()
			b.mustFail(b.login("/home?a=1&amp;b", exchangetest.Choice{}), tt.want, "/home?a=1&amp;amp;b")
			b.mustHave(0)
		})
	}
	t.Run("broken callback", func(t *testing.T) {
		b := newSite(t).newBrowser()
		callback, _, _ := strings.Cut(b.login("/", exchangetest.Choice{}), "?")
		to, err := b.do("GET", "/login").Location()
		if err != nil {
			t.Fatal(err)
		}
		b.mustFail(callback+"?state="+to.Query().Get("state"), exchange.ErrBadRequest, "/")
	})
}

func TestRedirectFailedHook(t *testing.T) {
	var got error
	s := newSite(t, func(c *exchange.RedirectConfig) {
		c.Home = "/app/"
		c.Failed = func(w http.ResponseWriter, r *http.Request, err error, returnPath string) {
			got = err
			fmt.Fprintf(w, `<a href="%s">`, returnPath)
		}
	})
	b := s.newBrowser()
	end := func(resp *http.Response) (status int, link string) {
		var text bytes.Buffer
		page := b.do("GET", resp.Header.Get("Location"))
		text.ReadFrom(page.Body)
		return page.StatusCode, text.String()
	}
	// What signedIn fails at.
	for want, err := range map[error]error{
		exchange.ErrTemporary:    foreignError(503),
		exchange.ErrDenied:       fmt.Errorf("%w: not here", foreignError(403)),
		exchange.ErrState:        foreignError(401),
		exchange.ErrClient:       errors.New("the database"),
		exchange.ErrInvalidGrant: exchange.ErrInvalidGrant,
		exchange.ErrBadRequest:   foreignError(400),
		exchange.ErrAccount:      exchange.ErrAccount,
	} {
		s.signedIn = func(w http.ResponseWriter, r *http.Request, _ *exchange.Tokens, _ string) { s.redirect.Fail(w, r, err) }
		s.told, got = nil, nil
		_, link := end(b.do("GET", b.login("/settings", exchangetest.Choice{})))
		if len(s.told) != 1 || s.told[0] != err || !errors.Is(got, want) || link != `<a href="/settings">` {
			t.Errorf("%v: OnError was told %v, Failed got %v (want %v) and %s", err, s.told, got, want, link)
		}
	}
	// An address that somebody has made up.
	for query, link := range map[string]string{
		"failed=denied&return=%2Fsettings":      `<a href="/settings">`,
		"failed=denied&return=%2F%2Fevil.com":   `<a href="/app/">`,
		"failed=denied&return=javascript%3A%2F": `<a href="/app/">`,
		"failed=denied":                         `<a href="/app/">`,
		"failed=nonsense":                       `<a href="/app/">`,
	} {
		got = nil
		resp := b.do("GET", callbackURI+"?"+query)
		for resp.StatusCode == http.StatusSeeOther {
			resp = b.do("GET", resp.Header.Get("Location"))
		}
		var text bytes.Buffer
		text.ReadFrom(resp.Body)
		if got == nil || text.String() != link {
			t.Errorf("%s: Failed got %v and %s, want %s", query, got, text.String(), link)
		}
	}
}

type foreignError int

func (e foreignError) Error() string   { return "of another package" }
func (e foreignError) HTTPStatus() int { return int(e) }

// A user whose refresh token is lost goes to the consent screen, once.
func TestRedirectConsent(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.mustLand(b.login("/", exchangetest.Choice{}), "/") // Google has the consent
	var refreshToken string
	again := exchange.AuthParams{Scopes: []string{"openid", "https://www.googleapis.com/auth/drive.appdata"}, ForceConsent: true, LoginHint: jane}
	s.signedIn = func(w http.ResponseWriter, r *http.Request, tok *exchange.Tokens, returnPath string) {
		if refreshToken = tok.RefreshToken; refreshToken == "" {
			s.redirect.StartWith(w, r, returnPath, again)
			return
		}
		http.Redirect(w, r, returnPath, http.StatusSeeOther)
	}
	resp := b.do("GET", b.login("/settings", exchangetest.Choice{}))
	if to, err := resp.Location(); err != nil || to.Query().Get("prompt") != "consent" || to.Query().Get("login_hint") != jane {
		t.Fatalf("second visit: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	b.mustHave(1)
	b.mustLand(b.atGoogle(resp, exchangetest.Choice{}), "/settings")
	if refreshToken == "" {
		t.Error("no refresh token")
	}
	b.mustHave(0)

	// Consent that brings no refresh token does not go on for ever.
	again.OnlineOnly = true
	resp = b.do("GET", b.login("/settings", exchangetest.Choice{}))
	b.mustFail(b.atGoogle(resp, exchangetest.Choice{}), exchange.ErrClient, "/settings")

	// After consent a sign-in may begin that does not force it.
	steps := []exchange.AuthParams{{Scopes: []string{"openid"}, ForceConsent: true}, {Scopes: []string{"email"}}}
	once := s.signedIn
	s.signedIn = func(w http.ResponseWriter, r *http.Request, _ *exchange.Tokens, returnPath string) {
		next := steps[0]
		steps = steps[1:]
		s.redirect.StartWith(w, r, returnPath, next)
	}
	resp = b.do("GET", b.atGoogle(b.do("GET", b.login("/", exchangetest.Choice{})), exchangetest.Choice{}))
	if to, err := resp.Location(); err != nil || to.Query().Get("scope") != "email" {
		t.Errorf("after consent: %s to %s, want Google", resp.Status, resp.Header.Get("Location"))
	}
	s.signedIn = once

	// Wrong parameters are a failure too.
	again = exchange.AuthParams{}
	s.told = nil
	resp = b.do("GET", b.login("/", exchangetest.Choice{}))
	if end, err := resp.Location(); err != nil || end.Query().Get("failed") != "server_error" || len(s.told) != 1 {
		t.Errorf("StartWith without scopes: %s to %s, told %v", resp.Status, resp.Header.Get("Location"), s.told)
	}
}

func TestRedirectScopesWhereGoogleNamesNone(t *testing.T) {
	for _, scopes := range [][]string{nil, {"openid"}} {
		g := scripted(nil)
		rd := mustRedirect(t, newClient(t, g))
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/login", nil)
		if scopes == nil {
			rd.Start(w, r, "/")
		} else {
			rd.StartWith(w, r, "/", exchange.AuthParams{Scopes: scopes})
		}
		to, err := w.Result().Location()
		if err != nil {
			t.Fatal(err)
		}
		g.script[0] = callbackAnswer(idToken(fmt.Sprintf(`{"nonce":%q}`, to.Query().Get("nonce"))), "")
		r = httptest.NewRequest("GET", callbackURI+"?code="+goodCode+"&state="+to.Query().Get("state"), nil)
		r.AddCookie(w.Result().Cookies()[0])
		called := false
		rd.Handler(func(_ http.ResponseWriter, _ *http.Request, tok *exchange.Tokens, _ string) {
			called = true
			if scopes == nil && len(tok.Missing("openid", "email")) > 0 || scopes != nil && tok.Scopes != nil {
				t.Errorf("asked for %v: Scopes %v", scopes, tok.Scopes)
			}
		}).ServeHTTP(httptest.NewRecorder(), r)
		if !called {
			t.Error("not signed in")
		}
	}
}

func TestNewRedirectRefuses(t *testing.T) {
	for name, change := range map[string]func(*exchange.RedirectConfig){
		"URI":            func(c *exchange.RedirectConfig) { c.URI = "" },
		"http":           func(c *exchange.RedirectConfig) { c.URI = "http://example.com/callback" },
		"scheme":         func(c *exchange.RedirectConfig) { c.URI = "com.example.app:/callback" },
		"no host":        func(c *exchange.RedirectConfig) { c.URI = "https:///callback" },
		"no keys":        func(c *exchange.RedirectConfig) { c.Keys = nil },
		"short key":      func(c *exchange.RedirectConfig) { c.Keys = [][]byte{oldKey, newKey[:31]} },
		"long key":       func(c *exchange.RedirectConfig) { c.Keys = [][]byte{append(newKey, 1)} },
		"scopes":         func(c *exchange.RedirectConfig) { c.Params.Scopes = nil },
		"extra":          func(c *exchange.RedirectConfig) { c.Params.Extra = url.Values{"state": {"x"}} },
		"home elsewhere": func(c *exchange.RedirectConfig) { c.Home = "//evil.com" },
		"home, absolute": func(c *exchange.RedirectConfig) { c.Home = siteURL },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := exchange.RedirectConfig{URI: callbackURI, Keys: [][]byte{oldKey}, Params: exchange.AuthParams{Scopes: []string{"openid"}}}
			change(&cfg)
			rd, err := newClient(t, scripted()).NewRedirect(cfg)
			if rd != nil || err == nil || strings.Count(err.Error(), "exchange: ") != 1 {
				t.Errorf("%v, error %v; want one that names the package once", rd, err)
			}
		})
	}
	t.Run("not registered", func(t *testing.T) {
		c := newClient(t, scripted(), func(c *exchange.Config) { c.RedirectURIs = []string{callbackURI} })
		_, err := c.NewRedirect(exchange.RedirectConfig{URI: callbackURI + "/", Keys: [][]byte{oldKey}, Params: exchange.AuthParams{Scopes: []string{"openid"}}})
		if !errors.Is(err, exchange.ErrRedirectMismatch) {
			t.Errorf("error %v, want ErrRedirectMismatch", err)
		}
	})
	t.Run("no function", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("Handler(nil) does not panic")
			}
		}()
		mustRedirect(t, newClient(t, scripted())).Handler(nil)
	})
}

// A caller that changes its Config changes no Redirect.
func TestRedirectKeepsACopy(t *testing.T) {
	scopes, key := []string{"openid"}, slices.Clone(oldKey)
	extra := url.Values{"hl": {"de"}}
	rd := mustRedirect(t, newClient(t, scripted()), func(c *exchange.RedirectConfig) {
		c.Params = exchange.AuthParams{Scopes: scopes, Extra: extra}
		c.Keys = [][]byte{key}
	})
	scopes[0], key[0], extra["hl"][0] = "email", 9, "fr"
	extra.Set("prompt", "none")
	w := httptest.NewRecorder()
	rd.Start(w, httptest.NewRequest("GET", "/login", nil), "/")
	to, err := w.Result().Location()
	if err != nil || to.Query().Get("scope") != "openid" || to.Query().Get("hl") != "de" || to.Query().Has("prompt") {
		t.Errorf("%v: to %v", err, to)
	}
}

// Google compares the URI character by character: it is sent as it is registered,
// also where net/url would write it in another way.
func TestRedirectURIAsRegistered(t *testing.T) {
	for _, uri := range []string{"https://EXAMPLE.com/cb?", "https://example.com/%7ecb", "https://example.com/rückkehr", "https://example.com", "https://example.com:443/cb?a=b"} {
		c := newClient(t, scripted(), func(c *exchange.Config) { c.RedirectURIs = []string{uri} })
		rd := mustRedirect(t, c, func(c *exchange.RedirectConfig) { c.URI = uri })
		w := httptest.NewRecorder()
		rd.Start(w, httptest.NewRequest("GET", "/login", nil), "/")
		if to, err := w.Result().Location(); err != nil || to.Query().Get("redirect_uri") != uri {
			t.Errorf("%s: the browser is sent to %s", uri, w.Header().Get("Location"))
		}
	}
}

// On a loopback address there is no https, and the cookie does without.
func TestRedirectOnLoopback(t *testing.T) {
	for _, uri := range []string{"http://localhost:8080/cb", "http://127.0.0.1/cb", "http://[::1]:8080/cb"} {
		rd := mustRedirect(t, newClient(t, scripted()), func(c *exchange.RedirectConfig) { c.URI = uri })
		w := httptest.NewRecorder()
		rd.Start(w, httptest.NewRequest("GET", "/login", nil), "/")
		if got := w.Header().Get("Set-Cookie"); !strings.HasPrefix(got, "google_") || strings.Contains(got, "Secure") || !strings.Contains(got, "HttpOnly; SameSite=Lax") {
			t.Errorf("%s: Set-Cookie %q", uri, got)
		}
	}
}

// A real server with HTTP/2, which sends each cookie as a header of its own.
func TestRedirectOverHTTP2(t *testing.T) {
	s := newSite(t)
	srv := httptest.NewUnstartedServer(s)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	b := s.newBrowser()
	client := srv.Client()
	client.Jar = b.jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	get := func(address string) *http.Response {
		t.Helper()
		resp, err := client.Get(strings.Replace(address, siteURL, srv.URL, 1))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("%s, want HTTP/2", resp.Proto)
		}
		return resp
	}
	var callbacks []string
	for range 3 {
		callbacks = append(callbacks, b.atGoogle(get(siteURL+"/login?to=/in"), exchangetest.Choice{}))
	}
	for _, callback := range callbacks {
		if resp := get(callback); resp.Header.Get("Location") != "/in" {
			t.Errorf("callback: %s to %q", resp.Status, resp.Header.Get("Location"))
		}
	}
}

func TestRedirectIsDiscreet(t *testing.T) {
	cfg := exchange.RedirectConfig{
		URI: callbackURI, Keys: [][]byte{[]byte("marked key of thirty-two bytes!!")},
		Params: exchange.AuthParams{Scopes: []string{"openid"}},
	}
	rd, err := newClient(t, scripted()).NewRedirect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{cfg, &cfg, rd, *rd, struct{ rd *exchange.Redirect }{rd}} {
		discreet(t, fmt.Sprintf("%T", v), v)
		for how, text := range printed(v) {
			if strings.Contains(text, "109 97 114 107") || strings.Contains(text, "6d61726b6564") || strings.Contains(text, "bWFya2Vk") {
				t.Errorf("%T, %s: %s", v, how, text)
			}
		}
	}
}

// Many browsers at once.
func TestRedirectConcurrently(t *testing.T) {
	s := newSite(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			b := s.newBrowser()
			path := fmt.Sprint("/", i)
			b.mustLand(b.login(path, exchangetest.Choice{}), path)
		})
	}
	wg.Wait()
}

var localPaths = []string{
	"/", "/settings", "/settings/", "/a/b?c=d&e=//f", "/a#b", "/app/#/route", "/a?to=https://example.com/", "/ü", "/a%20b", "/a b",
	"/search/http%3A%2F%2Fexample.com", "/.well-known/x", "/a..b", "/...", "/@x", "/:80", "/a?%zz", "/?",
}

var foreignPaths = []string{
	"", "settings", "?a", "#a", "..", "./x",
	"//evil.com", "///evil.com", "////evil.com", `/\evil.com`, `\\evil.com`, `\/evil.com`, `/a\..\evil`, "//", "//evil.com/..;/",
	"http://evil.com", "https:evil.com", "https:/evil.com", "javascript:alert(1)", "data:text/html,x", "//user@evil.com", "/\t/evil.com", "/\n/evil.com",
	"\t//evil.com", " //evil.com", "/\x00/evil.com", "/\x7f", "/a\r\nSet-Cookie: x=y",
	"/.//evil.com", "/..//evil.com", "/a/..//evil.com", "/a//b", "/./x", "/a/../x", "/.", "/..", "/a/..",
	"/%2Fevil.com", "/%2fevil.com", "/%5Cevil.com", "/%5c%5cevil.com", "/%2e/x", "/%2E%2e/x", "/%2e%2e//evil.com", "/%2e%2e%2f/evil.com", "/%09/evil.com", "/%0d%0ax",
	"/a%5Cb", "/%zz", "/\xff", "/" + strings.Repeat("x", 1000),
}

func TestReturnPath(t *testing.T) {
	returned := returnPathOf(t)
	for _, path := range localPaths {
		if got := returned(path); got != path {
			t.Errorf("%q becomes %q", path, got)
		}
	}
	for _, path := range foreignPaths {
		if got := returned(path); got != "/home" {
			t.Errorf("%q becomes %q, want /home", path, got)
		}
	}
}

// returnPathOf returns a function that goes through a whole sign-in, but for Google.
func returnPathOf(t testing.TB) func(string) string {
	g := scripted(nil)
	c := newClient(t, g)
	rd, err := c.NewRedirect(exchange.RedirectConfig{
		URI: callbackURI, Keys: [][]byte{oldKey}, Home: "/home",
		Params: exchange.AuthParams{Scopes: []string{"openid"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	return func(path string) (got string) {
		w := httptest.NewRecorder()
		rd.Start(w, httptest.NewRequest("GET", "/login", nil), path)
		to, err := w.Result().Location()
		if err != nil {
			t.Fatal(err)
		}
		g.script[0] = callbackAnswer(idToken(fmt.Sprintf(`{"nonce":%q}`, to.Query().Get("nonce"))), "openid")
		n++
		r := httptest.NewRequest("GET", fmt.Sprint(callbackURI, "?code=", n, "&state=", to.Query().Get("state")), nil)
		r.AddCookie(w.Result().Cookies()[0])
		rd.Handler(func(_ http.ResponseWriter, _ *http.Request, _ *exchange.Tokens, returnPath string) {
			got = returnPath
		}).ServeHTTP(httptest.NewRecorder(), r)
		if got == "" {
			t.Errorf("%q: not signed in", path)
		}
		return got
	}
}

// FuzzReturnPath: whatever comes back leads to the same host, for net/url, for
// http.Redirect, and for a browser, which drops some characters and takes a
// backslash for a slash (https://url.spec.whatwg.org/#url-parsing).
func FuzzReturnPath(f *testing.F) {
	for _, path := range append(localPaths, foreignPaths...) {
		f.Add(path)
	}
	returned := returnPathOf(f)
	base, _ := url.Parse("https://example.com/oauth2/callback")
	f.Fuzz(func(t *testing.T, path string) {
		got := returned(path)
		if got != path && got != "/home" {
			t.Errorf("%q becomes %q", path, got)
		}
		if to, err := base.Parse(got); err == nil && (to.Host != base.Host || to.Scheme != base.Scheme) {
			t.Errorf("%q leads to %s", got, to)
		}
		w := httptest.NewRecorder()
		http.Redirect(w, httptest.NewRequest("GET", base.String(), nil), got, http.StatusSeeOther)
		decoded, err := url.PathUnescape(got)
		if err != nil {
			decoded = got
		}
		for _, location := range []string{got, w.Header().Get("Location"), decoded} {
			seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimLeft(location, " \x00"))
			if !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//") {
				t.Errorf("%q: a browser may see %q", got, seen)
			}
		}
	})
}
