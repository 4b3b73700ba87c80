package main

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

// event sends a security event as Google does.
func (w *world) event(e risc.Event) {
	w.Helper()
	token := risctest.Token(w.google.Issuer(), w.google.ClientID(), e)
	w.must(w.do("POST", "/google/events", "application/secevent+jwt", token, "Sec-Fetch-Site", ""), http.StatusAccepted, "")
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	about := func() risc.Meta { return risctest.About(w.google.Issuer(), w.subject) }
	w.signIn()
	w.event(risc.SessionsRevoked{Meta: risctest.About(w.google.Issuer(), "somebody-else")})
	w.must(w.get("/account"), http.StatusOK, ">Connected<")
	w.event(risc.SessionsRevoked{Meta: about()})
	w.must(w.get("/account"), http.StatusSeeOther, "/")

	w.signIn()
	w.must(w.get("/account"), http.StatusOK, ">Connected<") // the grant was not revoked
	w.event(risc.TokensRevoked{Meta: about()})
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	w.signIn()
	grant, err := w.app.grants.Grant(t.Context(), w.subject)
	if err != nil {
		t.Fatal(err)
	}
	w.event(risctest.TokenRevoked(grant.RefreshToken))
	w.must(w.get("/account"), http.StatusOK, "to protect your account")

	w.event(risc.AccountDisabled{Meta: about(), Reason: risc.Hijacking})
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	a := w.redirect("/sign-in", exchangetest.Choice{User: jane})
	w.must(w.get(a.to), http.StatusOK, "Google has disabled this account")
	w.event(risc.AccountEnabled{Meta: about()})
	w.signIn()
	for _, e := range []risc.Event{risc.CredentialChangeRequired{Meta: about()}, risc.Verification{State: "x"}} {
		w.event(e)
	}
	w.event(risc.AccountPurged{Meta: about()})
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	w.must(w.do("POST", "/google/events", "application/secevent+jwt", "x.y.z"), http.StatusBadRequest, "")
}

func TestProbes(t *testing.T) {
	w := newWorld(t)
	running, stop := context.WithCancel(t.Context())
	ops := w.app.operations(running)
	probe := func(path string) int {
		rec := httptest.NewRecorder()
		ops.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return rec.Code
	}
	w.google.Script(exchangetest.CertsEndpoint, exchangetest.Fault{Status: 500})
	if got := probe("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("ready without keys: %d", got)
	}
	if got := probe("/readyz"); got != http.StatusOK {
		t.Errorf("readiness is %d, want 200", got)
	}
	stop()
	if got := probe("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("ready while it stops: %d", got)
	}
	ops = w.app.operations(t.Context())
	w.app.db.Close()
	if got := probe("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("ready without a database: %d", got)
	}
	if got := probe("/healthz"); got != http.StatusOK {
		t.Errorf("health is %d, want 200", got)
	}
}

// What the database does not take at a sign-in is saved when the server stops, which
// lets requests end before.
func TestShutdown(t *testing.T) {
	w := newWorld(t)
	public, ops := listen(t), listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.app.serve(ctx, public, ops) }()
	w.store.Script(tokenstoretest.Fault{Method: "Save", Times: -1, Err: errors.New("the database is down")})
	w.must(w.popup(exchangetest.CodeRequest{Scopes: firstScopes, ForceConsent: true}), http.StatusServiceUnavailable, "retry_later")
	if n := w.count("google_grants"); n != 0 {
		t.Fatalf("%d grants in a database that is down", n)
	}
	w.store.Script()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := w.app.store.Load(t.Context(), tokenstore.Key{ClientID: w.google.ClientID(), Subject: w.subject}); err != nil {
		t.Errorf("after the end: %v", err)
	}
	if _, err := net.Dial("tcp", public.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Logs, metrics and spans name what has happened, and no secret that went over the wire,
// no address and no name of a file.
func TestWatched(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload("one.txt", strings.Repeat("x", 3<<20)), http.StatusSeeOther, "/files")
	w.must(w.get("/files"), http.StatusOK, "one.txt")
	w.must(w.post("/disconnect", nil), http.StatusSeeOther, "/account")
	rec := httptest.NewRecorder()
	w.app.operations(t.Context()).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	seen := w.log.String() + rec.Body.String()
	var names []string
	children := 0
	for _, span := range w.spans.Ended() {
		names = append(names, span.Name())
		if span.Parent().IsValid() {
			children++
		}
		seen += span.Name()
		for _, a := range span.Attributes() {
			seen += " " + a.Value.String()
		}
	}
	for _, want := range []string{"GET " + callbackPath, "POST /files", "POST 127.0.0.1", "PUT 127.0.0.1"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %q in %q", want, names)
		}
	}
	if children == 0 {
		t.Error("no request to Google is part of a request of a user")
	}
	for _, want := range []string{`http_request_seconds_count{route="POST /files",status="303"} 1`, `drive_request_seconds_count{op="upload.chunk"`,
		"grants_sign_ins_total 1", "tokenstore.signed_in", `route="POST /disconnect"`} {
		if !strings.Contains(seen, want) {
			t.Errorf("nothing says %s", want)
		}
	}
	for _, r := range w.google.Requests() {
		for _, field := range []string{"code", "client_secret", "refresh_token", "token", "code_verifier"} {
			if secret := r.Form.Get(field); secret != "" && strings.Contains(seen, secret) {
				t.Errorf("a %s is in a log, metric or span", field)
			}
		}
	}
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"upload_id", "state=", jane, "one.txt"}
	for _, c := range w.jar.Cookies(at) {
		secrets = append(secrets, c.Value)
	}
	for _, secret := range secrets {
		if strings.Contains(seen, secret) {
			t.Errorf("%s is in a log, metric or span", secret)
		}
	}
}

// A stopper is a log that ends a program when it says that it is open.
type stopper func()

func (stop stopper) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "open http") {
		stop()
	}
	return len(p), nil
}

// runUntilOpen runs the program until it is open.
func runUntilOpen(t *testing.T, o options) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.listen, o.ops = "127.0.0.1:0", "127.0.0.1:0"
	err := run(ctx, o, slog.New(slog.NewTextHandler(stopper(stop), nil)))
	if err == nil && ctx.Err() == nil {
		t.Error("it has ended by itself")
	}
	return err
}

func mustRun(t *testing.T, o options) {
	t.Helper()
	if err := runUntilOpen(t, o); err != nil {
		t.Error(err)
	}
}

// clientSecretFile is the file of a client, as Google's console offers it.
func clientSecretFile(t *testing.T) string {
	t.Helper()
	google := exchangetest.NewServer(exchangetest.Options{Clients: []exchangetest.Client{{
		RedirectURIs: []string{"http://localhost:8080" + callbackPath},
	}}})
	defer google.Close()
	path := filepath.Join(t.TempDir(), "client_secret.json")
	if err := os.WriteFile(path, google.ClientSecretJSON(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	fake := options{base: "http://localhost:8080", traceSpec: "stdout"}
	mustRun(t, fake)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	google := options{base: fake.base, clientSecret: clientSecretFile(t), traceSpec: "none", store: filepath.Join(t.TempDir(), "notes.db"), key: key}
	mustRun(t, google)
	absent := filepath.Join(t.TempDir(), "x")
	for name, change := range map[string]func(*options){
		"a path":         func(o *options) { o.base += "/notes" },
		"no host":        func(o *options) { o.base = "localhost" },
		"traces":         func(o *options) { o.traceSpec = "nowhere" },
		"an absent file": func(o *options) { o.clientSecret = absent },
		"no store":       func(o *options) { o.store = "" },
		"no key":         func(o *options) { o.key = "" },
		"an absent key":  func(o *options) { o.key = absent }, // a new one would open nothing that is kept
		"a short key":    func(o *options) { o.key = o.clientSecret },
		"no https":       func(o *options) { o.base = "http://example.com" },
		"no fake of it":  func(o *options) { *o = options{base: "http://example.com", traceSpec: "none"} },
	} {
		o := google
		change(&o)
		if runUntilOpen(t, o) == nil {
			t.Errorf("%s is no error", name)
		}
	}
}
