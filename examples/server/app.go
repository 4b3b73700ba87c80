package main

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed3a054f9c/googlesignin/examples/metrics"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A config describes an app.
type config struct {
	Base   *url.URL // where browsers find the site
	Google google
	DB     *sql.DB // SQLite or PostgreSQL
	Grants grantStore
	Key    []byte // 32 random bytes; the keys for tokens and cookies are derived from it
	Log    *slog.Logger
	Traces trace.TracerProvider
}

// A grantStore is a store that says whether it works, such as sqlstore's. Its leases are
// for all replicas.
type grantStore interface {
	tokenstore.Store
	tokenstore.Leaser
	Check(context.Context) error
}

// An app is the web application.
type app struct {
	base     *url.URL
	google   google
	client   *exchange.Client
	redirect *exchange.Redirect
	verifier *idtoken.Verifier
	receiver *risc.Receiver
	grants   *tokenstore.Manager
	store    grantStore
	db       *database
	folders  *folders
	uploads  sync.Map      // bytes that Drive has, by user and upload
	patience time.Duration // how long a person waits for a page
	maxFile  int64         // bytes of an upload
	log      *slog.Logger
	tracer   trace.Tracer
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

// newApp puts the packages together. It makes no request and opens nothing.
func newApp(c config) (*app, error) {
	a := &app{
		base: c.Base, google: c.Google, store: c.Grants, log: c.Log, patience: 20 * time.Second, maxFile: 100 << 20,
		db: &database{DB: c.DB, now: c.Google.now, https: c.Base.Scheme == "https"},
	}
	a.watch(c.Traces)
	sealing, errSealing := hkdf.Key(sha256.New, c.Key, nil, "refresh tokens", 32)
	cookies, errCookies := hkdf.Key(sha256.New, c.Key, nil, "cookies", 32)
	keyring, err := tokenstore.NewKeyring(sealing)
	if err := errors.Join(errSealing, errCookies, err); err != nil {
		return nil, err
	}

	cfg := c.Google.client
	cfg.OnError, cfg.Answer = a.logFailure, a.answerFailure
	cfg.HTTPClient = a.traced(cfg.HTTPClient)
	if a.client, err = exchange.New(cfg); err != nil {
		return nil, err
	}
	a.redirect, err = a.client.NewRedirect(exchange.RedirectConfig{
		URI:  c.Base.String() + callbackPath,
		Keys: [][]byte{cookies}, Params: exchange.AuthParams{Scopes: firstScopes}, Home: "/account", Failed: a.redirectFailed,
	})
	if err != nil {
		return nil, err
	}
	audiences := []string{cfg.ClientID} // add those of your apps
	if a.verifier, err = idtoken.New(idtoken.Config{Audiences: audiences, Keys: c.Google.keys, Now: c.Google.now}); err != nil {
		return nil, err
	}
	a.receiver, err = risc.New(risc.Config{Audiences: audiences, Keys: c.Google.keys, Handle: a.handleEvent, OnError: a.logFailure})
	if err != nil {
		return nil, err
	}
	a.grants, err = tokenstore.New(tokenstore.Config{
		ClientID: cfg.ClientID, Store: &tokenstore.Sealed{Store: c.Grants, Sealer: keyring},
		Refresher: a.client, Revoker: a.client,
		Hosts: c.Google.hosts, Transport: a.traced(nil).Transport, Logger: c.Log, Now: c.Google.now,
	})
	if err != nil {
		return nil, err
	}
	a.watchGrants()
	a.folders = newFolders(a.grants, c.Google.drive, metrics.Prometheus(a.registry))
	return a, nil
}

//go:embed pages static
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"day":  func(t time.Time) string { return t.Format("2 January 2006") },
	"size": formatSize,
}).ParseFS(files, "pages/*.html"))

// routes is the site.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /static/app.css", static)
	mux.HandleFunc("GET /static/app.js", static)
	mux.HandleFunc("GET /message", a.message)

	mux.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) { a.redirect.Start(w, r, "") })
	mux.Handle("GET "+callbackPath, a.redirect.Handler(a.cameBack))
	mux.Handle("POST /sign-in/popup", a.client.Handler(exchange.Popup, a.popupSignedIn))
	mux.HandleFunc("POST /sign-in/button", a.buttonSignedIn)
	mux.Handle("POST /app/sign-in", a.client.Handler(exchange.App, a.appSignedIn))
	mux.Handle("GET /app/account", a.forUser(a.patience, a.appAccount))
	mux.Handle("POST /sign-out", a.forUser(a.patience, a.signOut))

	mux.Handle("GET /account", a.forUser(a.patience, a.account))
	mux.Handle("GET /connect", a.forUser(a.patience, a.connect))
	mux.Handle("POST /disconnect", a.forUser(a.patience, a.disconnect))
	mux.Handle("GET /delete", a.forUser(a.patience, a.confirmDelete))
	mux.Handle("POST /delete", a.forUser(a.patience, a.deleteEverything))

	mux.Handle("GET /files", a.forUser(a.patience, a.showFiles))
	mux.Handle("POST /files", a.forUser(uploadTime, a.upload))
	mux.Handle("GET /files/progress", a.forUser(a.patience, a.uploadProgress))
	mux.Handle("GET /files/content", a.forUser(uploadTime, a.download))
	mux.Handle("POST /files/delete", a.forUser(a.patience, a.deleteFile))
	mux.Handle("POST /settings", a.forUser(a.patience, a.saveSettings))

	mux.Handle("POST /google/events", a.receiver)

	// Other sites' pages cannot post here, with one exception: Google's button posts from
	// Google's page, and its handler compares a token of the form with a cookie.
	site := http.NewCrossOriginProtection()
	site.AddInsecureBypassPattern("POST /sign-in/button")
	return a.observed(a.withHeaders(site.Handler(limited(mux))))
}

// limited bounds all bodies but that of an upload, which has a limit of its own. Without
// it, FormValue would write the files of anybody's form to the disk, also for a GET.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/files" {
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		}
		next.ServeHTTP(w, r)
	})
}

// withHeaders sets the headers of all answers. Google's documents name what its script
// needs of a Content-Security-Policy
// (https://developers.google.com/identity/gsi/web/guides/get-google-api-clientid).
func (a *app) withHeaders(next http.Handler) http.Handler {
	gsi := strings.TrimSuffix(a.google.script, "client")
	policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; img-src 'self'" +
		"; script-src 'self' " + a.google.script + "; style-src 'self' " + gsi + "style; connect-src 'self' " + gsi + "; frame-src " + gsi
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups") // Google's popup answers its opener
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store") // or a proxy may show one user's page to another
		if a.base.Scheme == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		} else {
			h.Set("Referrer-Policy", "no-referrer-when-downgrade") // or Google's button does not work on localhost
		}
		next.ServeHTTP(w, r)
	})
}

// static serves the style sheet and the script.
func static(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=300")
	http.ServeFileFS(w, r, files, r.URL.Path)
}

// forUser returns a handler for users who are signed in. An error of h is answered for
// it, so h must not have written anything then. All that h does ends after some time.
func (a *app) forUser(within time.Duration, h func(w http.ResponseWriter, r *http.Request, u user) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		u, err := a.db.userOf(ctx, r)
		if err == nil {
			err = h(w, r.WithContext(ctx), u)
		}
		if err != nil {
			if exchange.ProblemCode(err) == "denied" { // the page says that the user is still signed in
				err = errors.Join(errKept, err)
			}
			a.client.Fail(w, r, err) // calls logFailure and answerFailure
		}
	})
}

// A view is the data of a page.
type view struct {
	Title    string
	Page     string // name of the template
	User     user   // the zero user: no one is signed in
	Script   string // address of Google's
	ClientID string
	Scopes   string
	Data     any
}

// show writes a page, or the reason why it cannot.
func (a *app) show(w http.ResponseWriter, status int, page, title string, u user, data any) error {
	var b bytes.Buffer
	v := view{title, page, u, a.google.script, a.google.client.ClientID, strings.Join(firstScopes, " "), data}
	if err := pages.ExecuteTemplate(&b, page, v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	b.WriteTo(w) // nothing is to be done about a browser that has left
	return nil
}
