package tokenstore_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// api is a server that wants a bearer token.
type api struct {
	*httptest.Server
	mu   sync.Mutex
	bad  map[string]bool // access tokens to refuse
	seen []string        // method, path, Authorization, body
}

func newAPI(t *testing.T, serve http.HandlerFunc) *api {
	a := &api{bad: map[string]bool{}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.seen = append(a.seen, strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Authorization"), string(body)}, " "))
		refuse := a.bad[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		a.mu.Unlock()
		if refuse {
			http.Error(w, strings.Repeat("no ", 100), http.StatusUnauthorized)
		} else if serve != nil {
			serve(w, r)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func onHosts(hosts ...string) func(*tokenstore.Config) {
	return func(c *tokenstore.Config) { c.Hosts = hosts }
}

func hostOf(t *testing.T, rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestHTTPClientSendsTheToken(t *testing.T) {
	a := newAPI(t, nil)
	b := newBench(t, onHosts("127.0.0.1", "[::1]"))
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	req, err := http.NewRequest("POST", a.URL+"/files", strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.HTTPClient(jane).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if want := []string{"POST /files Bearer " + tok.AccessToken + " content"}; !slices.Equal(a.seen, want) {
		t.Errorf("the server saw %q, want %q", a.seen, want)
	}
	if req.Header.Get("Authorization") != "" {
		t.Error("the caller's request was changed")
	}
}

func TestHTTPClientReplaysOnceAfter401(t *testing.T) {
	for _, c := range []struct {
		name       string
		body       io.Reader
		status     int
		alwaysBad  bool
		wantBodies []string
	}{
		{"no body", nil, 200, false, []string{"", ""}},
		{"a body that can be repeated", strings.NewReader("content"), 200, false, []string{"content", "content"}},
		{"a body that cannot", io.MultiReader(strings.NewReader("content")), 401, false, []string{"content"}},
		{"refused again", nil, 401, true, []string{"", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
				if c.alwaysBad {
					w.WriteHeader(401)
				}
			})
			b := newBench(t, onHosts("127.0.0.1", "[::1]"))
			tok := b.google.consent("openid")
			b.signIn(t, tok)
			a.bad[tok.AccessToken] = true
			req, err := http.NewRequest("PUT", a.URL, c.body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := b.HTTPClient(jane).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.status || len(a.seen) != len(c.wantBodies) {
				t.Errorf("status %d after %q", resp.StatusCode, a.seen)
			}
			for i, want := range c.wantBodies {
				if !strings.HasSuffix(a.seen[i], " "+want) {
					t.Errorf("request %d was %q", i, a.seen[i])
				}
			}
			if b.token(t) == tok.AccessToken || b.google.calls() != 1 {
				t.Errorf("%d refreshes after a 401", b.google.calls())
			}
		})
	}
}

// The same over HTTP/2, where a body that was not rewound arrives empty instead of
// failing, if its length is not announced.
func TestHTTPClientReplaysTheBodyOverHTTP2(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if seen = append(seen, fmt.Sprint(r.Proto, " ", string(body), " ", err)); len(seen)%2 == 1 {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for _, length := range []int64{int64(len("content")), -1} {
		b := newBench(t, onHosts("127.0.0.1"), func(c *tokenstore.Config) { c.Transport = server.Client().Transport })
		b.signIn(t, b.google.consent("openid"))
		req, err := http.NewRequest("PUT", server.URL, strings.NewReader("content"))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		seen = nil
		resp, err := b.HTTPClient(jane).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := []string{"HTTP/2.0 content <nil>", "HTTP/2.0 content <nil>"}; !slices.Equal(seen, want) || resp.StatusCode != 200 {
			t.Errorf("length %d: the server saw %q and responded %d, want %q", length, seen, resp.StatusCode, want)
		}
	}
}

// A response that is not wanted and does not end holds up nothing.
func TestHTTPClientDoesNotWaitForAStalledBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := &stalledBody{closed: make(chan struct{})}
		responses := 0
		b := newBench(t, func(c *tokenstore.Config) {
			c.Transport = transport(func(req *http.Request) (*http.Response, error) {
				if responses++; responses == 1 {
					return &http.Response{StatusCode: 401, Body: stalled, Request: req}, nil
				}
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
			})
		})
		b.signIn(t, b.google.consent("openid"))
		began := time.Now()
		resp, err := b.HTTPClient(jane).Get("https://www.googleapis.com/")
		if err != nil || resp.StatusCode != 200 || time.Since(began) > time.Second {
			t.Errorf("Get = %v, %v after %v", resp, err, time.Since(began))
		}
		<-stalled.closed
	})
}

// stalledBody has nothing to read before it is closed.
type stalledBody struct {
	once   sync.Once
	closed chan struct{}
}

func (b *stalledBody) Read([]byte) (int, error) { <-b.closed; return 0, io.ErrClosedPipe }
func (b *stalledBody) Close() error             { b.once.Do(func() { close(b.closed) }); return nil }

// A response that is logged shows no token.
func TestHTTPClientResponseShowsNoToken(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/file", http.StatusFound)
		}
	})
	b := newBench(t, onHosts("127.0.0.1"))
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	for _, path := range []string{"/file", "/moved", "/replayed"} {
		a.bad[tok.AccessToken] = path == "/replayed"
		req, err := http.NewRequest("GET", a.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.HTTPClient(jane).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for r := resp; r != nil; r = r.Request.Response {
			if h := r.Request.Header; h.Get("Authorization") != "" {
				t.Errorf("%s: the response's request has %v", path, h)
			}
		}
		if path != "/moved" && resp.Request != req {
			t.Errorf("%s: the response has another request", path)
		}
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// After a 403 for lack of scopes the token is replaced if the user has granted
// more since, as another process knows.
func TestHTTPClientFollowsAWiderGrant(t *testing.T) {
	const drive, calendar = "https://www.googleapis.com/auth/drive.appdata", "https://www.googleapis.com/auth/calendar"
	insufficient := `Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="` + drive + ` https://www.googleapis.com/auth/drive"`
	for _, c := range []struct {
		name      string
		challenge string
		granted   string // in the other process; empty: nothing; or revoked
		status    int
		requests  int
		loads     int // at the 403
	}{
		{"granted", insufficient, "openid " + drive, 200, 2, 2},
		{"granted, without a list", `bearer error=insufficient_scope`, "openid " + drive, 200, 2, 2},
		{"granted, another scope", insufficient, "openid " + calendar, 403, 1, 1},
		{"not granted", insufficient, "", 403, 1, 1},
		{"not granted, without a list", `Bearer error="insufficient_scope"`, "", 403, 1, 1},
		{"revoked", `Bearer error="insufficient_scope"`, "revoked", 403, 1, 1},
		{"another 403", `Bearer error="access_denied"`, "openid " + drive, 403, 1, 0},
		{"another scheme", `Basic realm="insufficient_scope"`, "openid " + drive, 403, 1, 0},
		{"no challenge", "", "openid " + drive, 403, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			requests, wide := 0, ""
			b := newBench(t, func(config *tokenstore.Config) {
				config.Transport = transport(func(req *http.Request) (*http.Response, error) {
					requests++
					resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}
					if req.Header.Get("Authorization") == "Bearer "+wide {
						resp.StatusCode = 403
						if c.challenge != "" {
							resp.Header.Set("WWW-Authenticate", c.challenge)
						}
					}
					return resp, nil
				})
			})
			tok := b.google.consent("openid")
			b.signIn(t, tok)
			wide = tok.AccessToken
			switch c.granted {
			case "":
			case "revoked":
				if err := join(t, b.google, b.store).MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
					t.Fatal(err)
				}
			default:
				join(t, b.google, b.store).signIn(t, b.google.consent(c.granted))
			}
			loads, calls := 0, b.google.calls()
			b.store.beforeLoad = func(tokenstore.Key) error { loads++; return nil }
			resp, err := b.HTTPClient(jane).Get("https://www.googleapis.com/")
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || requests != c.requests {
				t.Errorf("status %d after %d requests, want %d after %d", resp.StatusCode, requests, c.status, c.requests)
			}
			if loads != c.loads || b.google.calls()-calls != c.requests-1 {
				t.Errorf("%d loads and %d refreshes, want %d and %d", loads, b.google.calls()-calls, c.loads, c.requests-1)
			}
		})
	}
}

// A hundred requests that learn at once that the token is bad cost one refresh.
func TestHTTPClientRefreshesOnceForAll(t *testing.T) {
	const n = 100
	var barrier sync.WaitGroup
	barrier.Add(n)
	var refused string
	b := newBench(t, func(c *tokenstore.Config) {
		c.Transport = transport(func(req *http.Request) (*http.Response, error) {
			status := 200
			if req.Header.Get("Authorization") == "Bearer "+refused {
				barrier.Done()
				barrier.Wait()
				status = 401
			}
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		})
	})
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	refused = tok.AccessToken
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			resp, err := b.HTTPClient(jane).Get("https://www.googleapis.com/")
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("Get: %v", err)
				return
			}
			resp.Body.Close()
		})
	}
	wg.Wait()
	if b.google.calls() != 1 || b.Stats().Replayed != n {
		t.Errorf("%d refreshes, %d replays", b.google.calls(), b.Stats().Replayed)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestHTTPClientHosts(t *testing.T) {
	for _, c := range []struct {
		hosts   []string
		url     string
		allowed bool
	}{
		{nil, "https://googleapis.com/", true},
		{nil, "https://www.googleapis.com/drive/v3/files", true},
		{nil, "https://WWW.GoogleAPIs.com:443/", true},
		{nil, "https://www.googleapis.com./", true},
		{nil, "http://www.googleapis.com/", false},
		{nil, "https://evilgoogleapis.com/", false},
		{nil, "https://googleapis.com.evil.example/", false},
		{nil, "https://www.googleapis.com@evil.example/", false},
		{nil, "https://oauth2.example.com/", false},
		{nil, "http://127.0.0.1:8080/", false},
		{nil, "https://127.0.0.1:8080/", false},
		{[]string{"api.example.com"}, "https://api.example.com/", true},
		{[]string{"api.example.com"}, "https://v1.api.example.com/", true},
		{[]string{"api.example.com"}, "https://example.com/", false},
		{[]string{"api.example.com"}, "https://www.googleapis.com/", false},
		{[]string{"API.example.com."}, "https://api.example.com/", true},
		{[]string{"api.example.com:8443"}, "https://api.example.com:8443/", true},
		{[]string{"api.example.com:8443"}, "https://api.example.com/", false},
		{[]string{"api.example.com."}, "https://api.example.com/", true},
		{[]string{"api.example.com.:8443"}, "https://api.example.com:8443/", true},
		{[]string{"api.example.com:443"}, "https://api.example.com/", true},
		{[]string{"api.example.com"}, "https://api.example.com:443/", true},
		{[]string{"localhost:80"}, "http://localhost/", true},
		{[]string{"localhost:443"}, "http://localhost/", false},
		{[]string{"127.0.0.1"}, "http://127.0.0.1:8080/", true},
		{[]string{"127.0.0.1:8080"}, "http://127.0.0.1:8080/", true},
		{[]string{"127.0.0.1:8080"}, "http://127.0.0.1:9090/", false},
		{[]string{"[::1]:8080"}, "http://[::1]:8080/", true},
		{[]string{"[::1]:8080"}, "http://[::1]:9090/", false},
		{[]string{"[::1]"}, "http://[::1]:8080/", true},
		{[]string{"[::1]"}, "http://[::1]/", true},
		{[]string{"localhost"}, "http://localhost:8080/", true},
		{[]string{"127.0.0.1"}, "https://evil.127.0.0.1/", false},
		{[]string{"10.0.0.1"}, "http://10.0.0.1/", false},
		{[]string{"10.0.0.1"}, "https://10.0.0.1/", true},
	} {
		t.Run(fmt.Sprint(c.hosts, c.url), func(t *testing.T) {
			sent := false
			b := newBench(t, onHosts(c.hosts...), func(config *tokenstore.Config) {
				config.Transport = transport(func(req *http.Request) (*http.Response, error) {
					sent = req.Header.Get("Authorization") != ""
					return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
				})
			})
			b.signIn(t, b.google.consent("openid"))
			_, err := b.HTTPClient(jane).Post(c.url, "text/plain", strings.NewReader("content"))
			if sent != c.allowed || (err == nil) != c.allowed {
				t.Errorf("sent: %v, error %v; want allowed: %v", sent, err, c.allowed)
			}
		})
	}
}

// A Host header decides at some servers and proxies where a request goes.
func TestHTTPClientHostHeader(t *testing.T) {
	for header, allowed := range map[string]bool{
		"": true, "www.googleapis.com": true, "WWW.googleapis.com.": true, "drive.googleapis.com": true, "www.googleapis.com:443": true,
		"evil.example": false, "googleapis.com.evil.example": false, "evil.example/.googleapis.com": false, "a@evil.example": false, ":443": false,
	} {
		sent := false
		b := newBench(t, func(config *tokenstore.Config) {
			config.Transport = transport(func(req *http.Request) (*http.Response, error) {
				sent = true
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
			})
		})
		b.signIn(t, b.google.consent("openid"))
		req, err := http.NewRequest("GET", "https://www.googleapis.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = header
		_, err = b.HTTPClient(jane).Do(req)
		if sent != allowed || (err == nil) != allowed || err != nil && !strings.Contains(err.Error(), "Host header") {
			t.Errorf("Host %q: sent %t, error %v, want sent %t", header, sent, err, allowed)
		}
	}
}

// The error says what is wrong.
func TestHTTPClientSaysWhy(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	for target, want := range map[string]string{
		"http://www.googleapis.com/": "http://www.googleapis.com: it is http, not https",
		"http://evil.example/":       "http://evil.example: it is none of Config.Hosts",
		"https://evil.example/":      "https://evil.example: it is none of Config.Hosts",
	} {
		if _, err := b.HTTPClient(jane).Get(target); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want …%s", target, err, want)
		}
	}
}

// A URL that was put together by hand may have a host that some proxy or client
// takes for another one.
func TestHTTPClientRefusesOddHosts(t *testing.T) {
	for _, host := range []string{
		"evil.example/.googleapis.com", `evil.example\.googleapis.com`, "evil.example#.googleapis.com", "evil.example?.googleapis.com",
		"a@evil.example.googleapis.com", "evil.example\x00.googleapis.com", "evil.example\r\n.googleapis.com", "evil.example .googleapis.com", "",
	} {
		b := newBench(t, func(config *tokenstore.Config) {
			config.Transport = transport(func(*http.Request) (*http.Response, error) {
				t.Errorf("a request for %q was sent", host)
				return nil, errDown
			})
		})
		b.signIn(t, b.google.consent("openid"))
		req := &http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: host}, Header: http.Header{}}
		_, _ = b.HTTPClient(jane).Transport.RoundTrip(req.WithContext(t.Context()))
	}
}

// A redirect to another host is followed without the token, also if that host
// may have it otherwise, and also on the way back.
func TestHTTPClientRedirects(t *testing.T) {
	other := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if back := r.URL.Query().Get("back"); back != "" {
			http.Redirect(w, r, back, http.StatusFound)
		}
	})
	first := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	})
	nameless := transport(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			resp.Request = nil // net/http's own sets it; the interface does not say that all do
		}
		return resp, err
	})
	for _, test := range []struct {
		hosts     []string
		transport http.RoundTripper
	}{
		{[]string{hostOf(t, first.URL)}, nil},
		{[]string{hostOf(t, first.URL), hostOf(t, other.URL)}, nil},
		{[]string{hostOf(t, first.URL), hostOf(t, other.URL)}, nameless},
	} {
		b := newBench(t, onHosts(test.hosts...), func(c *tokenstore.Config) { c.Transport = test.transport })
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		get := func(to string) {
			first.seen, other.seen = nil, nil
			resp, err := b.HTTPClient(jane).Get(first.URL + "/?to=" + url.QueryEscape(to))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		bearer := " Bearer " + tok.AccessToken + " "
		get(first.URL + "/file")
		if want := []string{"GET /" + bearer, "GET /file" + bearer}; !slices.Equal(first.seen, want) {
			t.Errorf("within the host: %q, want %q", first.seen, want)
		}
		get(other.URL + "/file")
		if want := []string{"GET /file  "}; !slices.Equal(other.seen, want) {
			t.Errorf("to another host: %q, want %q", other.seen, want)
		}
		get(other.URL + "/?back=" + url.QueryEscape(first.URL+"/file"))
		if want := []string{"GET /" + bearer, "GET /file  "}; !slices.Equal(first.seen, want) {
			t.Errorf("and back: %q, want %q", first.seen, want)
		}
	}
}

func TestHTTPClientErrors(t *testing.T) {
	a := newAPI(t, nil)
	b := newBench(t, onHosts("127.0.0.1", "[::1]"))
	_, err := b.HTTPClient(jane).Get(a.URL)
	wantReason(t, err, tokenstore.ReasonNone)

	tok := b.google.consent("openid")
	b.signIn(t, tok)
	a.bad[tok.AccessToken] = true
	b.google.kill(tok.RefreshToken)
	_, err = b.HTTPClient(jane).Get(a.URL)
	wantReason(t, err, tokenstore.ReasonInvalidGrant)
	noSecret(t, err, tok.AccessToken, tok.RefreshToken)
}

// The body is closed whatever happens, as http.RoundTripper demands.
func TestHTTPClientClosesTheBody(t *testing.T) {
	for _, target := range []string{"https://www.googleapis.com/", "https://evil.example/"} {
		b := newBench(t)
		body := &closing{Reader: strings.NewReader("content")}
		if _, err := b.HTTPClient(jane).Post(target, "text/plain", body); err == nil {
			t.Error("Post succeeded")
		}
		if !body.closed.Load() {
			t.Errorf("%s: the body is still open", target)
		}
	}
}

type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Close() error { c.closed.Store(true); return nil }

// A hundred users need no more connections than there are requests at once, and
// a replay needs none of its own.
func TestHTTPClientsShareConnections(t *testing.T) {
	const users, atOnce, bursts = 100, 25, 12
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			http.Error(w, strings.Repeat("no ", 1000), http.StatusUnauthorized)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()

	b := newBench(t, onHosts("127.0.0.1", "[::1]"))
	for i := range bursts {
		var wg sync.WaitGroup
		for j := range atOnce {
			n := i*atOnce + j
			subject := fmt.Sprint(10000 + n%users)
			if _, err := b.SignIn(t.Context(), subject, b.google.consent("openid")); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				resp, err := b.HTTPClient(subject).Get(server.URL + []string{"/good", "/bad"}[n%2])
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			})
		}
		wg.Wait()
	}
	if got := opened.Load(); got > 2*atOnce { // the transport opens one too many now and then
		t.Errorf("%d connections for %d users, %d requests at once", got, users, atOnce)
	}
}
