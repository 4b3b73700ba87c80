package exchange_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

var ctx = context.Background()

// newExampleClient is exchange.New, for a fake Google.
func newExampleClient(google *exchangetest.Server) *exchange.Client {
	cfg, err := exchange.ConfigFromJSON(google.ClientSecretJSON())
	if err != nil {
		log.Fatal(err)
	}
	cfg.Endpoint = google.Endpoint()
	cfg.HTTPClient = google.Client()
	client, err := exchange.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// A backend that takes the codes of an app.
func ExampleClient_Handler() {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	client := newExampleClient(google)

	mux := http.NewServeMux()
	mux.Handle("POST /auth/google", client.Handler(exchange.App,
		func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
			fmt.Println("refresh token:", t.RefreshToken != "", "missing:", t.Missing("openid", "email"))
			w.WriteHeader(http.StatusNoContent)
		}))

	// What the app sends.
	form := url.Values{"code": {google.AppCode(exchangetest.CodeRequest{})}}
	r := httptest.NewRequest("POST", "/auth/google", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Requested-With", "MyApp")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// refresh token: true missing: []
	// 204
}

// A code from a page, redeemed twice.
func ExampleClient_Exchange() {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	client := newExampleClient(google)
	code := google.PopupCode(exchangetest.CodeRequest{})

	for range 2 {
		tokens, err := client.Exchange(ctx, code, exchange.Popup)
		switch {
		case errors.Is(err, exchange.ErrInvalidGrant):
			fmt.Println("get a new code:", exchange.HTTPStatus(err))
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(tokens.Type(), len(tokens.IDToken) > 0)
		}
	}
	// Output:
	// Bearer true
	// get a new code: 400
}

// An app on Android: the user has signed in by an ID token, and the code comes on
// its own, of another account.
func ExampleClient_ExchangeFor() {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	client := newExampleClient(google)

	code := google.AppCode(exchangetest.CodeRequest{User: "john.roe@example.com", Scopes: []string{"openid"}})
	tokens, err := client.ExchangeFor(ctx, code, exchange.App, "108365719284610937465") // the sub of the verified ID token
	if errors.Is(err, exchange.ErrAccount) {
		fmt.Println(exchange.ProblemCode(err), tokens.Subject != "108365719284610937465")
	}
	// Output: other_account true
}

// A command-line program opens the browser with a challenge of its own, receives the
// code at a loopback address, and sends code, verifier and address to the backend.
func ExampleClient_ExchangePKCE() {
	google := exchangetest.NewServer(exchangetest.Options{Clients: []exchangetest.Client{{Installed: true}}})
	defer google.Close()
	client := newExampleClient(google)

	const loopback = "http://127.0.0.1:4711"
	verifier := oauth2.GenerateVerifier()
	device := oauth2.Config{
		ClientID: google.ClientID(), RedirectURL: loopback, Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{AuthURL: google.Endpoint().AuthURL},
	}
	callback, err := google.Authorize(device.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), exchangetest.Choice{})
	if err != nil {
		log.Fatal(err)
	}

	tokens, err := client.ExchangePKCE(ctx, callback.Query().Get("code"), loopback, verifier)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Scopes)
	// Output: [openid]
}

// A site whose users sign in by a redirect.
func ExampleRedirect() {
	const callback = "https://example.com/oauth2/callback"
	google := exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{RedirectURIs: []string{callback}}},
	})
	defer google.Close()
	client := newExampleClient(google)
	key := make([]byte, 32) // from where you keep secrets
	rand.Read(key)

	redirect, err := client.NewRedirect(exchange.RedirectConfig{
		URI:    callback,
		Keys:   [][]byte{key},
		Params: exchange.AuthParams{Scopes: []string{"openid", "email"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		redirect.Start(w, r, r.FormValue("to"))
	})
	mux.Handle("GET /oauth2/callback", redirect.Handler(
		func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens, returnPath string) {
			// Verify t.IDToken, keep t.RefreshToken, start your session.
			http.Redirect(w, r, returnPath, http.StatusSeeOther)
		}))

	// What the browser does.
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/login?to=/settings", nil))
	back, err := google.Authorize(w.Header().Get("Location"), exchangetest.Choice{User: "jane.doe@gmail.com"})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", back.String(), nil)
	r.AddCookie(w.Result().Cookies()[0])
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output:
	// 303 /settings
}

// A site that keeps sign-ins under way in sessions of its own: one entry a state,
// and the callback ends the matching one only.
func ExampleClient_ExchangeCallback() {
	const callback = "https://example.com/oauth2/callback"
	google := exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{RedirectURIs: []string{callback}}},
	})
	defer google.Close()
	client := newExampleClient(google)
	session := make(map[string]*exchange.AuthRequest) // of one browser

	var urls []string
	for range 2 { // two tabs
		req, err := client.NewAuthRequest(callback, exchange.AuthParams{Scopes: []string{"openid", "email"}})
		if err != nil {
			log.Fatal(err)
		}
		session[req.State] = req
		urls = append(urls, req.URL) // where the browser is redirected to
	}
	for _, url := range urls {
		back, err := google.Authorize(url, exchangetest.Choice{User: "jane.doe@gmail.com"})
		if err != nil {
			log.Fatal(err)
		}
		// The handler of the callback, for which back is r.URL.
		req := session[back.Query().Get("state")] // nil: ErrState
		if req != nil {
			delete(session, req.State)
		}
		tokens, err := client.ExchangeCallback(ctx, back.Query(), req)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tokens.Scopes)
	}
	// Output:
	// [https://www.googleapis.com/auth/userinfo.email openid]
	// [https://www.googleapis.com/auth/userinfo.email openid]
}

func ExampleClient_Refresh() {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	client := newExampleClient(google)
	tokens, err := client.Exchange(ctx, google.AppCode(exchangetest.CodeRequest{}), exchange.App)
	if err != nil {
		log.Fatal(err)
	}

	fresh, err := client.Refresh(ctx, tokens.RefreshToken)
	fmt.Println(fresh.AccessToken != tokens.AccessToken, err)

	if err := client.Revoke(ctx, tokens.RefreshToken); err != nil {
		log.Fatal(err)
	}
	_, err = client.Refresh(ctx, tokens.RefreshToken)
	fmt.Println(err)
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		fmt.Println(e.Hint())
	}
	// Output:
	// true <nil>
	// exchange: refresh: invalid grant: HTTP 400 invalid_grant "Token has been expired or revoked."
	// The refresh token is revoked or expired, or more than 100 newer ones were issued for this user and client: have the app get a code with consent.
}

// A kmsKey is a key in a key service (KMS): this process has its public half.
type kmsKey struct {
	public *ecdsa.PublicKey
	sign   func(ctx context.Context, digest []byte) (der []byte, err error) // calls the service
}

func (k kmsKey) Public() crypto.PublicKey { return k.public }

func (k kmsKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return k.sign(ctx, digest)
}

// Refresh tokens are bound to a key that never leaves its service.
func ExampleConfig_dPoP() {
	google := exchangetest.NewServer(exchangetest.Options{RequireDPoP: true})
	defer google.Close()
	inService, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	cfg := google.Config()
	cfg.DPoP = kmsKey{public: &inService.PublicKey, sign: func(_ context.Context, digest []byte) ([]byte, error) {
		return ecdsa.SignASN1(rand.Reader, inService, digest)
	}}
	client, err := exchange.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := client.Exchange(ctx, google.AppCode(exchangetest.CodeRequest{}), exchange.App)
	if err != nil {
		log.Fatal(err)
	}
	thumbprint, _ := tokens.Extra("dpop_jkt").(string) // tokenstore keeps it in the Grant
	_, err = client.RefreshBound(ctx, tokens.RefreshToken, thumbprint)
	fmt.Println("refreshed with the key:", err)

	// A thief has the refresh token and the client secret.
	cfg.DPoP = nil
	thief, err := exchange.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	_, err = thief.Refresh(ctx, tokens.RefreshToken)
	fmt.Println("refused without it:", err != nil)
	// Output:
	// refreshed with the key: <nil>
	// refused without it: true
}
