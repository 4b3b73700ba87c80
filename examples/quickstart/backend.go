package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A backend signs users in and acts for them later. This file is what a team
// would copy; the rest of the program is there to show it at work.
type backend struct {
	store    store
	client   *exchange.Client
	verifier *idtoken.Verifier
	grants   *tokenstore.Manager
	files    string // endpoint of the Drive API; empty: Google's
}

// newBackend wires the packages together. sealingKey is 32 random bytes from
// wherever the team keeps its secrets; the store never sees it.
func newBackend(ctx context.Context, g *google, path string, sealingKey []byte) (*backend, error) {
	cfg, err := exchange.ConfigFromFile(g.clientSecretFile)
	if err != nil {
		return nil, err
	}
	cfg.Endpoint, cfg.HTTPClient = g.endpoint, g.httpClient
	cfg.OnError = func(r *http.Request, err error) { log.Printf("%s: %v", r.URL.Path, err) }
	client, err := exchange.New(cfg)
	if err != nil {
		return nil, err
	}
	keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: g.keysURL, HTTPClient: g.httpClient})
	if err != nil {
		return nil, err
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{cfg.ClientID}, Keys: keys})
	if err != nil {
		return nil, err
	}
	keyring, err := tokenstore.NewKeyring(sealingKey)
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, path)
	if err != nil {
		return nil, err
	}
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID:  cfg.ClientID,
		Store:     &tokenstore.Sealed{Store: store, Sealer: keyring},
		Refresher: client,
		Revoker:   client,
		Hosts:     g.apiHosts,
	})
	if err != nil {
		store.Close()
		return nil, err
	}
	return &backend{store: store, client: client, verifier: verifier, grants: grants, files: g.driveEndpoint}, nil
}

// A store is where the grants are kept: see directory.go and sqlite.go.
type store interface {
	tokenstore.Store
	io.Closer
}

// close saves what the store did not take before. It is for the time after the
// server has stopped.
func (b *backend) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(b.grants.Close(ctx), b.store.Close())
}

// routes is the backend's HTTP interface for the app: a one-time code goes in,
// who signed in comes out.
func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /auth/google", b.client.Handler(exchange.App, b.signedIn))
	return mux
}

// A signInAnswer is the answer to an app whose user has signed in.
type signInAnswer struct {
	Subject         string `json:"sub"`
	Name            string `json:"name,omitempty"`
	Email           string `json:"email,omitempty"`
	NewRefreshToken bool   `json:"new_refresh_token"`
}

func (b *backend) signedIn(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
	user, err := b.verifier.Verify(r.Context(), t.IDToken, idtoken.AccessToken(t.AccessToken))
	if err == nil {
		_, err = b.grants.SignIn(r.Context(), user.Subject, &t.Token)
	}
	if err != nil { // of ErrNeedsConsent the app learns as "consent_required"
		b.client.Fail(w, r, err)
		return
	}
	// Here a backend starts its own session.
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(signInAnswer{
		Subject: user.Subject, Name: user.Name, Email: user.Email, NewRefreshToken: t.RefreshToken != "",
	})
}

// folder is the app-data folder of a user's Drive, whether the user is there or
// not.
func (b *backend) folder(subject string) (*drive.AppFolder, error) {
	return drive.New(drive.Config{HTTPClient: b.grants.HTTPClient(subject), Endpoint: b.files})
}
