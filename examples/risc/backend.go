package main

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A backend signs users in, and out when Google says so.
type backend struct {
	client   *exchange.Client
	verifier *idtoken.Verifier
	receiver *risc.Receiver
	store    tokenstore.Store
	grants   *tokenstore.Manager
	sessions *sessions
	stream   *risc.Stream // nil: the receiver is registered elsewhere
}

// newBackend wires the packages together. The store is to find a grant by its
// refresh token, too; keys are nil for Google's own.
func newBackend(cfg exchange.Config, s tokenstore.Store, keys idtoken.KeySource) (*backend, error) {
	b := &backend{store: s, sessions: newSessions()}
	cfg.OnError = logError
	var err error
	if b.client, err = exchange.New(cfg); err != nil {
		return nil, err
	}
	if keys == nil { // one set for both, so that it is fetched once
		if keys, err = idtoken.RemoteKeys(idtoken.RemoteConfig{}); err != nil {
			return nil, err
		}
	}
	audiences := []string{cfg.ClientID} // add those of your apps
	if b.verifier, err = idtoken.New(idtoken.Config{Audiences: audiences, Keys: keys}); err != nil {
		return nil, err
	}
	b.receiver, err = risc.New(risc.Config{Audiences: audiences, Keys: keys, Handle: b.handle, OnError: logError})
	if err != nil {
		return nil, err
	}
	b.grants, err = tokenstore.New(tokenstore.Config{ClientID: cfg.ClientID, Store: s, Refresher: b.client, Revoker: b.client})
	return b, err
}

// close saves what the store did not take before. It is for the time after the
// server has stopped.
func (b *backend) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return b.grants.Close(ctx)
}

func logError(r *http.Request, err error) { log.Printf("%s: %v", r.URL.Path, err) }

func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /auth/google", b.client.Handler(exchange.App, b.signedIn))
	mux.HandleFunc("GET /me", b.me)
	mux.Handle("POST /google/events", b.receiver)
	return mux
}

// signedIn opens a session for a user who has just signed in.
func (b *backend) signedIn(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
	user, err := b.verifier.Verify(r.Context(), t.IDToken, idtoken.AccessToken(t.AccessToken))
	if err == nil {
		_, err = b.grants.SignIn(r.Context(), user.Subject, &t.Token)
	}
	if err != nil {
		b.client.Fail(w, r, err)
		return
	}
	id, ok := b.sessions.open(user.Subject)
	if !ok {
		http.Error(w, "this account is locked", http.StatusForbidden)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: id, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	w.WriteHeader(http.StatusNoContent)
}

// me is a page for those who are signed in.
func (b *backend) me(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || !b.sessions.alive(cookie.Value) {
		http.Error(w, "sign in first", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
