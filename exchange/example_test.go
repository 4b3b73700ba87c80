package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

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

// A browser that is sent to Google and comes back.
func ExampleClient_ExchangeCallback() {
	const callback = "https://example.com/oauth2/callback"
	google := exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{RedirectURIs: []string{callback}}},
	})
	defer google.Close()
	client := newExampleClient(google)

	req, err := client.NewAuthRequest(callback, exchange.AuthParams{Scopes: []string{"openid", "email"}})
	if err != nil {
		log.Fatal(err)
	}
	// Keep req in the browser's session, redirect the browser to req.URL, and
	// wait for it at the callback.
	back, err := google.Authorize(req.URL, exchangetest.Choice{User: "jane.doe@gmail.com"})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := client.ExchangeCallback(ctx, back.Query(), req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Scopes)
	// Output:
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
