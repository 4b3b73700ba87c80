package exchangetest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// signIn is the handler of somebody's backend, to be tested.
func signIn(client *exchange.Client) http.Handler {
	return client.Handler(exchange.App, func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
		if t.Missing(appdata) != nil {
			http.Error(w, "please let us keep your settings", http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "welcome")
	})
}

// Testing a handler of one's own: what it answers to a user who agrees, to one
// who does not, to a code that was used before, and while Google is down.
func Example() {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	client, err := exchange.New(google.Config())
	if err != nil {
		log.Fatal(err)
	}
	post := func(code string) {
		r := httptest.NewRequest("POST", "/auth/google", strings.NewReader(code))
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("X-Requested-With", "example-app")
		w := httptest.NewRecorder()
		signIn(client).ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	john := exchangetest.CodeRequest{User: "john.roe@example.com", Scopes: []string{"openid", appdata}}
	code := google.AppCode(john)
	post(code)
	post(code)

	post(google.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", appdata}, Declined: []string{appdata}}))

	google.Script(exchangetest.TokenEndpoint, exchangetest.Fault{Status: 503})
	post(google.AppCode(john))
	// Output:
	// 200 welcome
	// 400 Bad Request
	// 403 please let us keep your settings
	// 503 Service Unavailable
}

// The redirect flow, without a browser.
func ExampleServer_Authorize() {
	const callback = "https://app.example.com/callback"
	google := exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{RedirectURIs: []string{callback}}},
	})
	defer google.Close()
	client, err := exchange.New(google.Config())
	if err != nil {
		log.Fatal(err)
	}
	request, err := client.NewAuthRequest(callback, exchange.AuthParams{Scopes: []string{"openid", "email"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, choice := range []exchangetest.Choice{{Deny: true}, {User: "jane.doe@gmail.com"}} {
		back, err := google.Authorize(request.URL, choice)
		if err != nil {
			log.Fatal(err)
		}
		tokens, err := client.ExchangeCallback(context.Background(), back.Query(), request)
		if err != nil {
			fmt.Println("HTTP status", exchange.HTTPStatus(err))
			continue
		}
		fmt.Println("refresh token:", tokens.RefreshToken != "")
	}
	// Output:
	// HTTP status 403
	// refresh token: true
}

// Moving the clock, and asserting on what was sent.
func ExampleServer_Advance() {
	google := exchangetest.NewServer(exchangetest.Options{Testing: true})
	defer google.Close()
	client, err := exchange.New(google.Config())
	if err != nil {
		log.Fatal(err)
	}
	code := google.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}})
	tokens, err := client.Exchange(context.Background(), code, exchange.App)
	if err != nil {
		log.Fatal(err)
	}
	google.Advance(7 * 24 * time.Hour)
	_, err = client.Refresh(context.Background(), tokens.RefreshToken)
	fmt.Println("the user has to consent again:", errors.Is(err, exchange.ErrInvalidGrant))
	for _, r := range google.Requests(exchangetest.TokenEndpoint) {
		fmt.Println(r.Form.Get("grant_type"), r.Status)
	}
	// Output:
	// the user has to consent again: true
	// authorization_code 200
	// refresh_token 400
}
