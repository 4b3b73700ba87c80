// Server is a web application whose users sign in with Google, ready to be copied:
// pages for signing in in three ways and an endpoint for an app, its own sessions, a
// page about the connected account, and settings and files in the app-data folder of
// the user's Drive.
//
//	go run -C examples ./server
//
// runs it against a fake Google on this machine: open http://localhost:8080/. Users
// sign in without a password there, and everything is forgotten at the end.
//
// With Google itself, a web client needs http://localhost:8080 as a JavaScript origin
// and http://localhost:8080/oauth2/callback as a redirect URI:
//
//	head -c 32 /dev/urandom | base64 > notes.key
//	go run -C examples ./server -client-secret "$PWD/client_secret.json" -key "$PWD/notes.key" -store "$PWD/notes.db"
//
// -store takes the path of an SQLite file, or the address of a PostgreSQL database,
// postgres://user@host/database. Without its key, what is stored is lost.
// Behind a proxy that speaks https, -base-url https://notes.example.com -listen
// localhost:8080 say where browsers and the proxy find it. Left to you are limits on the
// rate of requests, migrations of the tables, and an exporter for the spans.
//
// To read it, begin with newApp and routes in app.go. signin.go has the ways in,
// sessions.go the application's own sessions, account.go the connected account and the
// end of it, files.go settings and files, events.go what Google reports about accounts,
// and operate.go probes, metrics, traces and logs.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/stores"
)

// options are the flags.
type options struct {
	clientSecret, store, key     string
	base, listen, ops, traceSpec string
}

func main() {
	var o options
	flag.StringVar(&o.clientSecret, "client-secret", "", "client_secret_*.json of a web client; if empty, a fake Google is used")
	flag.StringVar(&o.store, "store", "", "path of an SQLite file, or postgres://…; with the fake Google, one that is removed at the end is used by default")
	flag.StringVar(&o.key, "key", "", "file with 32 bytes in base64 that protect tokens and cookies")
	flag.StringVar(&o.base, "base-url", "http://localhost:8080", "where browsers find this site")
	flag.StringVar(&o.listen, "listen", "", "address to listen on; if empty, that of the base URL")
	flag.StringVar(&o.ops, "ops", "localhost:8081", "address for probes and metrics, which the public must not reach")
	flag.StringVar(&o.traceSpec, "traces", "none", "where spans go: none, or stdout")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, log); err != nil {
		log.Error("server ended", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. Then it waits for requests, and saves pending grants.
func run(ctx context.Context, o options, log *slog.Logger) (err error) {
	base, err := url.Parse(strings.TrimSuffix(o.base, "/"))
	if err != nil || base.Host == "" || base.Path+base.RawQuery+base.Fragment != "" {
		return errors.New("-base-url is not the address of a site, without a path")
	}
	google := fakeGoogle
	if o.clientSecret != "" {
		google = realGoogle
		if o.store == "" || o.key == "" {
			return errors.New("-client-secret needs -store and -key")
		}
	} else {
		dir, err := os.MkdirTemp("", "server-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.store = cmp.Or(o.store, filepath.Join(dir, "notes.db"))
	}
	c := config{Base: base, Log: log}
	if c.Google, err = google(base, o.clientSecret); err != nil {
		return err
	}
	defer c.Google.close()
	if c.Key, err = readKey(o.key); err != nil {
		return fmt.Errorf("-key: %w", err)
	}
	traces, flushTraces, err := openTraces(o.traceSpec)
	if err != nil {
		return err
	}
	defer flushTraces()
	c.Traces = traces
	open := stores.SQLite
	if strings.HasPrefix(o.store, "postgres://") || strings.HasPrefix(o.store, "postgresql://") {
		open = stores.PostgreSQL
	}
	rows, db, err := open(ctx, o.store)
	if err != nil {
		return fmt.Errorf("-store: %w", err)
	}
	defer db.Close()
	c.Grants, c.DB = rows, db
	a, err := newApp(c)
	if err == nil {
		err = a.db.create(ctx)
	}
	if err != nil {
		return err
	}
	public, err := net.Listen("tcp", cmp.Or(o.listen, net.JoinHostPort(base.Hostname(), cmp.Or(base.Port(), base.Scheme))))
	if err != nil {
		return err
	}
	ops, err := net.Listen("tcp", o.ops)
	if err != nil {
		public.Close()
		return err
	}
	log.Info("open "+base.String()+"/", "probes and metrics", "http://"+ops.Addr().String())
	return a.serve(ctx, public, ops)
}

// serve answers on both listeners until ctx ends or one of them fails.
func (a *app) serve(ctx context.Context, public, ops net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errorLog := slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)
	// A sign-in may take 90 seconds: it waits for Google for 30, and may save the grant for a
	// minute. The handler of uploads has more time.
	site := &http.Server{Handler: a.routes(), ErrorLog: errorLog,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 90 * time.Second, IdleTimeout: 2 * time.Minute}
	probes := &http.Server{Handler: a.operations(ctx), ErrorLog: errorLog, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- site.Serve(public) }()
	go func() { failed <- probes.Serve(ops) }()
	tidied := make(chan struct{})
	go func() { defer close(tidied); a.tidyUp(ctx) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	cancel() // the readiness probe fails from now on
	// With close, this takes less than the 30 seconds after which Kubernetes kills. A sign-in
	// that takes longer is lost, with the refresh token that Google has issued: for 90 seconds
	// here, set terminationGracePeriodSeconds to 120.
	stopping, stop := context.WithTimeout(context.Background(), 15*time.Second)
	defer stop()
	err = errors.Join(err, site.Shutdown(stopping))
	<-tidied
	return errors.Join(err, a.close(), probes.Close())
}

// close saves grants that the store did not take before: a refresh token that only this
// process knows would be lost. The server must have stopped.
func (a *app) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return a.grants.Close(ctx)
}

// readKey reads the key. All replicas need the same; keep it where you keep secrets, and
// not beside the database. Without a path, for the fake Google, the key is a new one.
func readKey(path string) ([]byte, error) {
	if path == "" {
		key := make([]byte, 32)
		rand.Read(key)
		return key, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, errors.New("the file does not have 32 bytes in base64")
	}
	return key, nil
}
