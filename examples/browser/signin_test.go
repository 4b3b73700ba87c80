// Package browser signs in with a real browser: an app's backend made with
// exchange, the pages of exchangetest, and Chromium between them.
package browser

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

const appdata = "https://www.googleapis.com/auth/drive.appdata"

var asked = []string{"openid", "email", appdata, "https://www.googleapis.com/auth/calendar.readonly"}

// startApp starts a fake Google and, beside it, an app whose users sign in with
// it at /login. Its pages have one paragraph.
func startApp(t *testing.T) (app *httptest.Server) {
	t.Helper()
	mux := http.NewServeMux()
	app = httptest.NewServer(mux)
	t.Cleanup(app.Close)
	callback := app.URL + "/callback"
	google := exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{Name: "Notes", RedirectURIs: []string{callback}}},
	})
	t.Cleanup(google.Close)
	client, err := exchange.New(exchange.Config{
		ClientID: google.ClientID(), ClientSecret: google.ClientSecret(),
		RedirectURIs: []string{callback}, Endpoint: google.Endpoint(),
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := idtoken.StaticKeys(google.Issuer().JWKS())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{google.ClientID()}, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}

	var sessions sync.Map // of *exchange.AuthRequest, by cookie
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		request, err := client.NewAuthRequest(callback, exchange.AuthParams{Scopes: asked})
		if err != nil {
			t.Error(err)
			return
		}
		id := rand.Text()
		sessions.Store(id, request)
		http.SetCookie(w, &http.Cookie{Name: "session", Value: id, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, request.URL, http.StatusFound)
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		request := &exchange.AuthRequest{}
		if cookie, err := r.Cookie("session"); err == nil {
			if found, ok := sessions.LoadAndDelete(cookie.Value); ok {
				request = found.(*exchange.AuthRequest)
			}
		}
		tokens, err := client.ExchangeCallback(r.Context(), r.URL.Query(), request)
		if err != nil {
			fmt.Fprintf(w, "<p>not signed in, %d", exchange.HTTPStatus(err))
			return
		}
		user, err := verifier.Verify(r.Context(), tokens.IDToken, idtoken.Nonce(request.Nonce))
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(w, "<p>%s, without %s", user.Email, strings.Join(tokens.Missing(asked...), " "))
	})
	return app
}

const john = "john.roe@example.com"

func TestSignInDecliningOneScope(t *testing.T) {
	b := startBrowser(t)
	app := startApp(t)
	b.goTo(app.URL + "/login")
	b.mustSee("h1", "Choose an account")
	b.click("//button[contains(., '" + john + "')]")
	b.mustSee("h1", "Notes wants access to your Google Account")
	b.mustSee("span", john)
	b.click("//input[@value='" + appdata + "']")
	b.click("//button[.='Continue']")
	b.mustSee("p", john+", without "+appdata)

	b.goTo(app.URL + "/login")
	b.click("//button[contains(., '" + john + "')]")
	b.mustSee("h1", "Notes wants access to your Google Account") // for what was declined
	b.click("//button[.='Continue']")
	b.mustSee("p", john+", without")

	b.goTo(app.URL + "/login")
	b.click("//button[contains(., '" + john + "')]")
	b.mustSee("p", john+", without") // consent is remembered
}

func TestDeny(t *testing.T) {
	b := startBrowser(t)
	b.goTo(startApp(t).URL + "/login")
	b.click("//button[contains(., '" + john + "')]")
	b.click("//button[.='Cancel']")
	b.mustSee("p", "not signed in, 403")
}
