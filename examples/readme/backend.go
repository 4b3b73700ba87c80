// Package readme holds the code of README.md, so that it compiles; its test
// holds the two together.
package readme

import (
	"database/sql"
	"errors"
	"expvar"
	"net/http"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// Handler is the quick start of the README.
func Handler(db *sql.DB, keyring *tokenstore.Keyring) (http.Handler, error) {
	cfg, err := exchange.ConfigFromFile("client_secret.json") // from Google's console
	if err != nil {
		return nil, err
	}
	client, err := exchange.New(cfg)
	if err != nil {
		return nil, err
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{cfg.ClientID}})
	if err != nil {
		return nil, err
	}
	rows, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	if err != nil {
		return nil, err
	}
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID:  cfg.ClientID,
		Store:     &tokenstore.Sealed{Store: rows, Sealer: keyring},
		Refresher: client,
		Revoker:   client,
	})
	if err != nil {
		return nil, err
	}

	signedIn := func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
		user, err := verifier.Verify(r.Context(), t.IDToken, idtoken.AccessToken(t.AccessToken))
		if err == nil {
			_, err = grants.SignIn(r.Context(), user.Subject, &t.Token)
		}
		switch {
		case errors.Is(err, tokenstore.ErrNeedsConsent):
			http.Error(w, "consent_required", http.StatusForbidden) // the app asks for a code with consent
		case err != nil:
			http.Error(w, "sign-in failed", exchange.HTTPStatus(err))
		default:
			// Your session starts here, for user.Subject.
		}
	}
	mux := http.NewServeMux()
	mux.Handle("POST /auth/google", client.Handler(exchange.App, signedIn))
	return mux, nil
}

// Folder is what a job calls while the user is away.
func Folder(grants *tokenstore.Manager, subject string) (*drive.AppFolder, error) {
	return drive.New(drive.Config{HTTPClient: grants.HTTPClient(subject)})
}

// Publish is how a program without another metrics library shows the counters.
func Publish(grants *tokenstore.Manager) {
	expvar.Publish("google_grants", expvar.Func(func() any { return grants.Stats() }))
}
