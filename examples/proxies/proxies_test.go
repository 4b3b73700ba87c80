//go:build unix

// Package proxies runs a backend made with exchange behind reverse proxies, each
// with the shortest configuration that forwards and with the lines that
// docs/proxies.md advises.
//
// Tests run nginx. Others run on demand, where they are installed:
//
//	go test -C examples -v ./proxies -proxies nginx,apache,haproxy,caddy,varnish,h2o,lighttpd,trafficserver,stunnel,hitch
package proxies

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

var wanted = flag.String("proxies", "nginx", "the proxies to run, separated by commas")

// A world is a backend on two servers behind a proxy, and a browser in front.
type world struct {
	*testing.T
	proxy   *servers.Server
	dir     string // of the proxy
	url     string // of the proxy
	google  *exchangetest.Server
	browser *http.Client
	handler http.Handler

	mu   sync.Mutex
	hits map[string]int // requests, by path

	received chan error // what reading the body of /cut ended with
}

func TestMain(m *testing.M) { needs.Main(m) }

func eachProxy(t *testing.T, test func(t *testing.T, p proxy)) {
	for _, name := range strings.Split(*wanted, ",") {
		t.Run(name, func(t *testing.T) {
			p, ok := all[name]
			if !ok {
				t.Fatalf("no proxy %q", name)
			}
			test(t, p)
		})
	}
}

func start(t *testing.T, p proxy, advised bool) *world {
	t.Helper()
	w := &world{T: t, hits: make(map[string]int), received: make(chan error, 10)}
	var backends []string
	for range 2 {
		backend := httptest.NewServer(http.HandlerFunc(w.serve))
		t.Cleanup(backend.Close)
		backends = append(backends, backend.Listener.Addr().String())
	}
	w.proxy = servers.Program(t, p.install, p.program, func(dir, port string) []string {
		w.dir = dir
		return p.write(t, config{dir: dir, port: port, servers: backends, advised: advised})
	})
	w.url = "http://" + w.proxy.Addr
	if p.tls {
		w.url = "https://" + w.proxy.Addr
	}
	w.google = exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{RedirectURIs: []string{w.url + "/callback"}}},
	})
	t.Cleanup(w.google.Close)
	client, err := exchange.New(exchange.Config{
		ClientID: w.google.ClientID(), ClientSecret: w.google.ClientSecret(), Endpoint: w.google.Endpoint(),
	})
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	redirect, err := client.NewRedirect(exchange.RedirectConfig{
		URI: w.url + "/callback", Keys: [][]byte{key}, Params: exchange.AuthParams{Scopes: []string{"openid", "email"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.handler = handler(client, redirect)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.browser = &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(w.browser.CloseIdleConnections)
	return w
}

// handler is the backend.
func handler(client *exchange.Client, redirect *exchange.Redirect) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /popup", client.Handler(exchange.Popup, func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { redirect.Start(w, r, "/home") })
	mux.Handle("GET /callback", redirect.Handler(func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens, returnPath string) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "jane", Path: "/", HttpOnly: true})
		http.Redirect(w, r, returnPath, http.StatusSeeOther)
	}))
	mux.HandleFunc("GET /home", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		user := "nobody"
		if c, err := r.Cookie("session"); err == nil {
			user = c.Value
		}
		fmt.Fprint(w, user)
	})
	mux.HandleFunc("/dies", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("POST /early", func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		out.EnableFullDuplex()
		fmt.Fprintln(w, "begun")
		out.Flush()
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, n, err)
	})
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " ", err)
	})
	return mux
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.hits[r.URL.Path]++
	w.mu.Unlock()
	switch r.URL.Path {
	case "/cut":
		_, err := io.Copy(io.Discard, r.Body)
		w.received <- err
	default:
		w.handler.ServeHTTP(rw, r)
	}
}

func (w *world) hitsOf(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits[path]
}

func (w *world) do(method, address string, body io.Reader, headers ...string) (*http.Response, string) {
	w.Helper()
	if strings.HasPrefix(address, "/") {
		address = w.url + address
	}
	r, err := http.NewRequest(method, address, body)
	if err != nil {
		w.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.browser.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp, string(text)
}

// popup posts a code as a page does in a browser that has no Sec-Fetch-Site.
func (w *world) popup() int {
	w.Helper()
	form := url.Values{"code": {w.google.PopupCode(exchangetest.CodeRequest{})}}
	resp, _ := w.do("POST", "/popup", strings.NewReader(form.Encode()),
		"Content-Type", "application/x-www-form-urlencoded", "X-Requested-With", "XmlHttpRequest", "Origin", w.url)
	return resp.StatusCode
}

// A page whose browser sends no Sec-Fetch-Site is known by Host.
func TestHost(t *testing.T) {
	eachProxy(t, func(t *testing.T, p proxy) {
		want := http.StatusNoContent
		if p.rewritesHost {
			want = http.StatusForbidden
		}
		if got := start(t, p, false).popup(); got != want {
			t.Errorf("shortest configuration: %d, want %d", got, want)
		}
		if got := start(t, p, true).popup(); got != http.StatusNoContent {
			t.Errorf("as documented: %d, want 204", got)
		}
	})
}

// The whole redirect: the answers are not cached and what is logged gives no code away.
func TestRedirect(t *testing.T) {
	eachProxy(t, func(t *testing.T, p proxy) {
		for _, advised := range []bool{false, true} {
			w := start(t, p, advised)
			if _, page := w.do("GET", "/home", nil); page != "nobody" {
				t.Errorf("before: %q", page)
			}
			resp, _ := w.do("GET", "/login", nil)
			callback, err := w.google.Authorize(resp.Header.Get("Location"), exchangetest.Choice{})
			if err != nil {
				t.Fatal(err)
			}
			if resp, _ = w.do("GET", callback.String(), nil); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/home" && resp.Header.Get("Location") != w.url+"/home" {
				t.Errorf("callback: %s to %s", resp.Status, resp.Header.Get("Location"))
			}
			if _, page := w.do("GET", "/home", nil); page != "jane" {
				t.Errorf("signed in: %q", page)
			}
			w.browser.Jar, _ = cookiejar.New(nil)
			if _, page := w.do("GET", "/home", nil); page != "nobody" {
				t.Errorf("another browser: %q", page)
			}
			log := w.log(p)
			if logged := strings.Contains(log, callback.Query().Get("state")); logged != (p.logs && !advised) {
				t.Errorf("advised %t: the state is logged: %t\n%s", advised, logged, log)
			}
		}
	})
}

// log returns the access log, once the callback is in it, or what there is when
// the proxy has ended.
func (w *world) log(p proxy) string {
	w.Helper()
	read := func() string {
		file, err := os.ReadFile(filepath.Join(w.dir, "access.log"))
		if err != nil && !os.IsNotExist(err) {
			w.Fatal(err)
		}
		return w.proxy.Output() + string(file)
	}
	if p.logs { // no proxy says when it has written its log
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for late := time.After(2 * time.Minute); !strings.Contains(read(), "/callback"); {
			select {
			case <-ticker.C:
			case <-late:
				w.Fatalf("the callback is not in the log:\n%s", read())
			}
		}
	}
	return read()
}

// A GET whose server dies at work is sent again, on a connection that has been in
// use, or to the next server. That GET may be a callback.
func TestRepeatedGET(t *testing.T) {
	eachProxy(t, func(t *testing.T, p proxy) {
		for _, advised := range []bool{false, true} {
			w := start(t, p, advised)
			for range 16 {
				w.do("GET", "/home", nil) // so that connections are open, to both servers
			}
			w.browser.CloseIdleConnections()
			answer := "no answer"
			if resp, err := w.browser.Get(w.url + "/dies?code=x"); err == nil {
				resp.Body.Close()
				answer = resp.Status
			}
			n := w.hitsOf("/dies")
			t.Logf("advised %t: %d GETs, %s", advised, n, answer)
			if n > 1 && (advised || !p.repeats) {
				t.Errorf("advised %t: the servers got it %d times", advised, n)
			}
			if n < 2 && p.program == "nginx" && !advised { // of the others, chance decides
				t.Errorf("nginx repeats no GET any more")
			}
			if resp, err := w.browser.Post(w.url+"/dies", "text/plain", strings.NewReader("x")); err == nil {
				resp.Body.Close()
			}
			if posts := w.hitsOf("/dies") - n; posts > 1 {
				t.Errorf("advised %t: the servers got a POST %d times", advised, posts)
			}
		}
	})
}

// The cookies of a Redirect, which are 3 KB at most, fit; those of a site that
// has 12 KB do not.
func TestCookies(t *testing.T) {
	eachProxy(t, func(t *testing.T, p proxy) {
		w := start(t, p, true)
		for _, size := range []int{3 << 10, 12 << 10} {
			var cookies []string
			for i := range size / (1 << 10) {
				cookies = append(cookies, fmt.Sprintf("google_%d=%s", i, strings.Repeat("x", 1000)))
			}
			resp, _ := w.do("GET", "/home", nil, "Cookie", strings.Join(cookies, "; "))
			t.Logf("%d bytes of cookies: %s", size, resp.Status)
			if size == 3<<10 && resp.StatusCode != http.StatusOK {
				t.Errorf("3 KB: %s", resp.Status)
			}
		}
	})
}

func TestUpload(t *testing.T) {
	eachProxy(t, func(t *testing.T, p proxy) {
		for _, advised := range []bool{false, true} {
			w := start(t, p, advised)
			resp, text := w.do("POST", "/upload", bytes.NewReader(make([]byte, 2<<20)))
			t.Logf("advised %t: %s %q", advised, resp.Status, text)
			refused := p.program == "nginx" && !advised // client_max_body_size is 1m
			if ok := resp.StatusCode == http.StatusOK && text == "2097152 <nil>"; ok == refused {
				t.Errorf("advised %t: %s %q", advised, resp.Status, text)
			}
		}
	})
}

// A chunked upload that breaks off is an error to the backend, but for Varnish,
// which ends it properly.
func TestCutUpload(t *testing.T) {
	eachProxy(t, func(t *testing.T, p proxy) {
		if p.tls {
			return // it passes on what it gets
		}
		w := start(t, p, true)
		conn, err := net.Dial("tcp", w.proxy.Addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /cut HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n%s\r\n8000\r\n", strings.Repeat("x", 1<<15))
		conn.Close()
		select {
		case err := <-w.received:
			if whole := err == nil; whole != (p.program == "varnishd") {
				t.Errorf("the backend reads it to its end: %v", err)
			}
		case <-time.After(2 * time.Second):
			t.Log("the backend got nothing")
		}
	})
}

// An answer that begins before the upload has ended: nginx and Traffic Server then
// drop the rest of the upload, all of it or not, so the outcome is logged only.
func TestEarlyAnswer(t *testing.T) {
	eachProxy(t, func(t *testing.T, p proxy) {
		w := start(t, p, true)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "POST", w.url+"/early", bytes.NewReader(make([]byte, 20<<20)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.browser.Do(r)
		if err != nil {
			t.Log(err)
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		t.Logf("%s %q %v", resp.Status, text, err)
	})
}
