package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

const (
	jane     = "jane.doe@gmail.com"
	calendar = "https://www.googleapis.com/auth/calendar.readonly"
)

func TestMain(m *testing.M) { needs.Main(m) }

// A world is the application with fakes of Google around it, and a browser.
type world struct {
	*testing.T
	app     *app
	config  config // of app
	URL     string
	google  *exchangetest.Server
	drive   *drivetest.Server
	store   *tokenstoretest.Faulty
	spans   *tracetest.SpanRecorder
	log     *safeBuffer
	jar     http.CookieJar
	subject string // of jane

	transport *http.Transport // of the browser
}

// faultyRows is a store whose faults a test injects.
type faultyRows struct {
	*tokenstoretest.Faulty
	check func(context.Context) error
}

func (f faultyRows) Check(ctx context.Context) error { return f.check(ctx) }

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	rows, db := openSQLite(t)
	return newWorldOn(t, worldOptions{rows: rows, db: db})
}

type worldOptions struct {
	rows   *sqlstore.Store
	db     *sql.DB
	before func(*http.Request) // called with each request to Drive; nil: nothing
	https  bool
}

func openSQLite(t *testing.T) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	rows, db, err := stores.SQLite(t.Context(), filepath.Join(t.TempDir(), "notes.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return rows, db
}

func newWorldOn(t *testing.T, o worldOptions) *world {
	t.Helper()
	w := &world{T: t, log: new(safeBuffer), spans: tracetest.NewSpanRecorder(), store: &tokenstoretest.Faulty{Store: o.rows}}
	srv := httptest.NewUnstartedServer(nil)
	scheme, start := "http://", srv.Start
	if o.https {
		scheme, start = "https://", srv.StartTLS
	}
	w.URL = strings.Replace(scheme+srv.Listener.Addr().String(), "127.0.0.1", "localhost", 1) // another site than the fakes
	w.google = exchangetest.NewServer(exchangetest.Options{Testing: true, Clients: []exchangetest.Client{{
		Name: "Notes", RedirectURIs: []string{w.URL + callbackPath}, JavaScriptOrigins: []string{w.URL},
	}}})
	t.Cleanup(w.google.Close)
	w.subject = w.google.Accounts()[0].Subject
	w.drive = drivetest.NewServer(drivetest.Options{Accounts: w.google})
	t.Cleanup(w.drive.Close)
	gate := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if o.before != nil {
			o.before(r)
		}
		w.drive.ServeHTTP(rw, r)
	}))
	t.Cleanup(gate.Close)
	base, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.config = config{
		Base: base, DB: o.db, Grants: faultyRows{w.store, o.rows.Check}, Key: bytes.Repeat([]byte("k"), 32),
		Google: fakeAt(w.google, gate.URL, strings.Replace(w.drive.Endpoint(), w.drive.URL, gate.URL, 1)),
		Log:    slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Traces: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans), sdktrace.WithSampler(sdktrace.AlwaysSample())),
	}
	w.config.Google.client.Retry = exchange.Retry{Total: -1}
	if w.app, err = newApp(w.config); err != nil {
		t.Fatal(err)
	}
	if err := w.app.db.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = w.app.routes()
	start()
	w.transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the certificate of a test
	t.Cleanup(w.transport.CloseIdleConnections)
	t.Cleanup(srv.Close)
	w.newBrowser()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.log)
		}
	})
	return w
}

// newBrowser forgets all cookies.
func (w *world) newBrowser() {
	w.Helper()
	var err error
	if w.jar, err = cookiejar.New(nil); err != nil {
		w.Fatal(err)
	}
}

// An answer is the response to one request; redirects are not followed.
type answer struct {
	status int
	to     string // Location
	page   string
	header http.Header
}

// do sends a request as a browser does from a page of the site.
func (w *world) do(method, address, contentType, body string, header ...string) answer {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, absolute(w.URL, address), strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: w.transport, Jar: w.jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(page), resp.Header}
}

func absolute(base, address string) string {
	if strings.HasPrefix(address, "/") {
		return base + address
	}
	return address
}

func (w *world) get(address string) answer { w.Helper(); return w.do("GET", address, "", "") }

func (w *world) post(address string, form url.Values, header ...string) answer {
	w.Helper()
	return w.do("POST", address, "application/x-www-form-urlencoded", form.Encode(), header...)
}

// must checks status and, of a redirect, where it leads, or else what is on the page.
func (w *world) must(a answer, status int, want string) answer {
	w.Helper()
	if a.status != status || !strings.Contains(a.to+a.page, want) {
		_, page, _ := strings.Cut(a.page, "<main")
		w.Errorf("answered %d, to %q, want %d with %q; the page:\n%s", a.status, a.to, status, want, page)
	}
	return a
}

// redirect signs in from an address that leads to Google, and returns the last answer.
func (w *world) redirect(from string, c exchangetest.Choice) answer {
	w.Helper()
	a := w.get(from)
	for range 3 {
		if !strings.HasPrefix(a.to, w.google.URL) {
			return a
		}
		back, err := w.google.Authorize(a.to, c)
		if err != nil {
			w.Fatal(err)
		}
		a = w.get(back.String())
	}
	w.Fatal("the redirects do not end")
	return answer{}
}

func (w *world) signIn() {
	w.Helper()
	w.must(w.redirect("/sign-in", exchangetest.Choice{User: jane}), http.StatusSeeOther, "/account")
}

// button returns the form that Google's button posts, with the nonce of the page.
func (w *world) button() url.Values {
	w.Helper()
	page := w.get("/").page
	nonce := regexp.MustCompile(`data-nonce="(\w+)"`).FindStringSubmatch(page)
	if nonce == nil {
		w.Fatalf("the page has no nonce:\n%s", page)
	}
	at, err := url.Parse(w.URL)
	if err != nil {
		w.Fatal(err)
	}
	w.jar.SetCookies(at, []*http.Cookie{{Name: "g_csrf_token", Value: "csrf"}})
	return url.Values{"g_csrf_token": {"csrf"}, "credential": {w.google.Issuer().Token(idtoken.Profile{
		Subject: w.subject, Email: jane, Name: "Jane Doe", Audience: w.google.ClientID(), Nonce: nonce[1],
	})}}
}

// asPage are the headers of the page's script.
var asPage = []string{"X-Requested-With", "page", "Accept", "application/json"}

func (w *world) popup(c exchangetest.CodeRequest) answer {
	w.Helper()
	c.User = jane
	return w.post("/sign-in/popup", url.Values{"code": {w.google.PopupCode(c)}}, asPage...)
}

func decode[T any](w *world, a answer) (v T) {
	w.Helper()
	if err := json.Unmarshal([]byte(a.page), &v); err != nil {
		w.Fatalf("%v: %s", err, a.page)
	}
	return v
}

// upload posts a file as the page's form does.
func (w *world) upload(name, content string, header ...string) answer {
	w.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("upload", "one")
	form.WriteField("size", "")
	file, err := form.CreateFormFile("file", name)
	if err != nil {
		w.Fatal(err)
	}
	io.WriteString(file, content)
	form.Close()
	return w.do("POST", "/files", form.FormDataContentType(), body.String(), header...)
}

// count returns the number of rows of a table.
func (w *world) count(table string) (n int) {
	w.Helper()
	if err := w.app.db.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// through sends a request of the browser to another handler.
func (w *world) through(h http.Handler, path string) answer {
	w.Helper()
	at, err := url.Parse(w.URL + path)
	if err != nil {
		w.Fatal(err)
	}
	r := httptest.NewRequestWithContext(w.Context(), "GET", at.String(), nil)
	for _, c := range w.jar.Cookies(at) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Header().Get("Location"), rec.Body.String(), rec.Header()}
}
