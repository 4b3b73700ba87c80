package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

func main() {
	key := must(os.ReadFile("key"))                               // 32 random bytes
	google := must(exchange.ConfigFromFile("client_secret.json")) // from Google's console
	client := must(exchange.New(google))
	verifier := must(idtoken.New(idtoken.Config{Audiences: []string{google.ClientID}}))
	sealed := &tokenstore.Sealed{Store: must(dirstore.Open("grants")), Sealer: must(tokenstore.NewKeyring(key))}
	grants := must(tokenstore.New(tokenstore.Config{ClientID: google.ClientID, Store: sealed, Refresher: client, Revoker: client}))
	params := exchange.AuthParams{Scopes: []string{"openid", "email"}}
	redirect := must(client.NewRedirect(exchange.RedirectConfig{URI: "http://localhost:8080/callback", Keys: [][]byte{key}, Params: params}))

	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `<a href="/login">Sign in with Google</a>`)
	})
	http.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { redirect.Start(w, r, "/") })
	http.Handle("GET /callback", redirect.Handler(func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens, returnPath string) {
		user, err := verifier.Verify(r.Context(), t.IDToken, idtoken.AccessToken(t.AccessToken))
		if err == nil {
			_, err = grants.SignIn(r.Context(), user.Subject, &t.Token)
		}
		switch {
		case errors.Is(err, tokenstore.ErrNeedsConsent): // no refresh token is kept, and none has come
			redirect.StartWith(w, r, returnPath, exchange.AuthParams{Scopes: params.Scopes, ForceConsent: true})
		case err != nil:
			redirect.Fail(w, r, err)
		default:
			log.Print(user.Subject, " has signed in") // your session starts here
			http.Redirect(w, r, returnPath, http.StatusSeeOther)
		}
	}))

	srv := &http.Server{Addr: "localhost:8080"}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	go func() { log.Print(srv.ListenAndServe()); stop() }()
	log.Print("open http://localhost:8080/")
	<-ctx.Done()
	if err := errors.Join(srv.Shutdown(context.Background()), grants.Close(context.Background())); err != nil {
		log.Print(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
