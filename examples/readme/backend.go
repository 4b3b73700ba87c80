// Package readme holds the code of README.md, so that it compiles; its tests
// hold the two together.
package readme

import (
	"context"
	"database/sql"
	"errors"
	"expvar"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// A Backend is the quick start of the README.
type Backend struct {
	client   *exchange.Client
	verifier *idtoken.Verifier
	grants   *tokenstore.Manager
	drive    string // endpoint; empty: Google's
}

func NewBackend(google exchange.Config, keys idtoken.KeySource, kept tokenstore.Config) (*Backend, error) {
	google.OnError = func(r *http.Request, err error) { log.Printf("%s: %v", r.URL.Path, err) }
	client, err := exchange.New(google)
	if err != nil {
		return nil, err
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{google.ClientID}, Keys: keys, Now: google.Now})
	if err != nil {
		return nil, err
	}
	kept.ClientID, kept.Refresher, kept.Revoker, kept.Now = google.ClientID, client, client, google.Now
	grants, err := tokenstore.New(kept)
	if err != nil {
		return nil, err
	}
	return &Backend{client: client, verifier: verifier, grants: grants}, nil
}

func (b *Backend) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /auth/google", b.client.Handler(exchange.App, b.signedIn))
	return mux
}

func (b *Backend) signedIn(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
	user, err := b.verifier.Verify(r.Context(), t.IDToken, idtoken.AccessToken(t.AccessToken))
	if err == nil {
		_, err = b.grants.SignIn(r.Context(), user.Subject, &t.Token)
	}
	if err != nil { // ErrNeedsConsent is answered as "consent_required": the app gets a code with consent
		b.client.Fail(w, r, err)
		return
	}
	// Your session starts here, for user.Subject.
}

// Folder is the app-data folder of the user's Drive, also while the user is away.
func (b *Backend) Folder(subject string) (*drive.AppFolder, error) {
	return drive.New(drive.Config{HTTPClient: b.grants.HTTPClient(subject), Endpoint: b.drive})
}

// signedInFromPopup is for a page with Google's popup, which has no parameter for
// the consent screen: the handler ends the old consent, and the next code comes
// with a new one.
func (b *Backend) signedInFromPopup(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
	user, err := b.verifier.Verify(r.Context(), t.IDToken, idtoken.AccessToken(t.AccessToken))
	if err == nil {
		_, err = b.grants.SignIn(r.Context(), user.Subject, &t.Token)
	}
	if errors.Is(err, tokenstore.ErrNeedsConsent) {
		err = errors.Join(err, b.client.Revoke(r.Context(), t.AccessToken))
	}
	if err != nil {
		b.client.Fail(w, r, err)
		return
	}
	// Your session starts here, for user.Subject.
}

// connect is for an app whose user has signed in by an ID token: subject is that of
// the session, and the code comes on its own.
func (b *Backend) connect(w http.ResponseWriter, r *http.Request, subject string) {
	code, err := b.client.ReadCode(w, r)
	var t *exchange.Tokens
	if err == nil {
		t, err = b.client.ExchangeFor(context.WithoutCancel(r.Context()), code, exchange.App, subject)
	}
	if err == nil && t.Subject == "" {
		err = idtoken.ErrNoToken // nothing says whose code it was: the app has to ask for openid
	}
	if err == nil {
		_, err = b.grants.SignIn(r.Context(), subject, &t.Token)
	}
	if err != nil { // ErrAccount is answered as "other_account": the user chose another one for the code
		b.client.Fail(w, r, err)
	}
}

// Serve is the rest of a program's main function.
func (b *Backend) Serve(ctx context.Context, addr string) error {
	srv := &http.Server{Addr: addr, Handler: b.Routes(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done(): // of signal.NotifyContext
	}
	stopping, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := srv.Shutdown(stopping)
	saving, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, b.grants.Close(saving)) // saves what the store did not take before
}

// Open is what a program's main function does with its database and its secret.
func Open(db *sql.DB, key []byte) (*Backend, error) {
	google, err := exchange.ConfigFromFile("client_secret.json") // from Google's console
	if err != nil {
		return nil, err
	}
	keyring, err := tokenstore.NewKeyring(key) // 32 random bytes from where you keep secrets
	if err != nil {
		return nil, err
	}
	rows, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	if err != nil {
		return nil, err
	}
	sealed := &tokenstore.Sealed{Store: rows, Sealer: keyring}
	return NewBackend(google, nil, tokenstore.Config{Store: sealed, Logger: slog.Default()})
}

// scopes is what a page of the calendar needs, beside who the user is.
var scopes = []string{"openid", "https://www.googleapis.com/auth/calendar.events.readonly"}

// calendar is a page that needs more than the sign-in asked for. redirect is the one
// of the sign-in.
func (b *Backend) calendar(w http.ResponseWriter, r *http.Request, redirect *exchange.Redirect, subject string) {
	health, err := b.grants.Health(r.Context(), subject, scopes...)
	switch {
	case errors.Is(err, tokenstore.ErrNotFound), err == nil && (health.State != tokenstore.Active || len(health.Missing) > 0):
		redirect.StartWith(w, r, r.URL.Path, exchange.AuthParams{Scopes: scopes, LoginHint: subject, ForceConsent: true})
	case err != nil:
		b.client.Fail(w, r, err)
	default:
		// The page, by b.grants.HTTPClient(subject).
	}
}

// Delete is for a user who wants to be forgotten. It may be repeated if it fails.
func (b *Backend) Delete(ctx context.Context, subject string) error {
	folder, err := b.Folder(subject)
	if err == nil {
		_, err = folder.DeleteAll(ctx)
	}
	switch {
	case errors.Is(err, tokenstore.ErrNeedsConsent), errors.Is(err, drive.ErrScope): // out of reach already
	case err != nil:
		return err // the next step would put the folder out of reach
	}
	return b.grants.Disconnect(ctx, subject) // and then your own rows
}

// Refresh is what a program runs every night, in any of its replicas.
func Refresh(ctx context.Context, grants *tokenstore.Manager) {
	for subject, err := range grants.Sweep(ctx, tokenstore.SweepOptions{}) {
		if err != nil { // needs consent, or failed for now; without a subject the sweep has ended
			log.Printf("sweep: %s: %v", subject, err)
		}
	}
}

// Publish is how a program without another metrics library shows the counters.
func Publish(grants *tokenstore.Manager) {
	expvar.Publish("google_grants", expvar.Func(func() any { return grants.Stats() }))
}
