package readme

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// TestSignInAndCodeApart is an app on Android: the ID token says who has signed in,
// and the code comes on its own, perhaps of another account.
func TestSignInAndCodeApart(t *testing.T) {
	const jane, john = "jane.doe@gmail.com", "john.roe@example.com"
	for _, tt := range []struct {
		name   string
		code   exchangetest.CodeRequest
		status int
		answer string
	}{
		{"the same account", exchangetest.CodeRequest{User: jane, Scopes: []string{"openid", drive.Scope}}, 200, ""},
		{"another account", exchangetest.CodeRequest{User: john, Scopes: []string{"openid", drive.Scope}}, 403, "other_account"},
		{"unknown account", exchangetest.CodeRequest{User: jane, Scopes: []string{drive.Scope}}, 401, "not_signed_in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{{Email: jane, Subject: "10836571"}, {Email: john}}})
			defer google.Close()
			keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: google.CertsURL()})
			if err != nil {
				t.Fatal(err)
			}
			b, err := NewBackend(
				exchange.Config{ClientID: google.ClientID(), ClientSecret: google.ClientSecret(), Endpoint: google.Endpoint()},
				keys, tokenstore.Config{Store: new(tokenstore.Memory)},
			)
			if err != nil {
				t.Fatal(err)
			}

			const nonce = "of the session"
			token := google.Issuer().Token(idtoken.Profile{Audience: google.ClientID(), Subject: "10836571", Nonce: nonce})
			user, err := b.verifier.Verify(t.Context(), token, idtoken.Nonce(nonce))
			if err != nil {
				t.Fatal(err)
			}

			r := httptest.NewRequest("POST", "/auth/google", strings.NewReader(google.AppCode(tt.code)))
			r.Header.Set("Content-Type", "text/plain")
			r.Header.Set("X-Requested-With", "com.example.app")
			r.Header.Set("Accept", "application/json")
			w := httptest.NewRecorder()
			b.connect(w, r, user.Subject)
			var problem struct{ Code string }
			json.NewDecoder(w.Body).Decode(&problem)
			if w.Code != tt.status || problem.Code != tt.answer {
				t.Errorf("%d %q, want %d %q", w.Code, problem.Code, tt.status, tt.answer)
			}
			if _, err := b.grants.Grant(t.Context(), user.Subject); errors.Is(err, tokenstore.ErrNotFound) == (tt.status == http.StatusOK) {
				t.Errorf("the grant: %v", err)
			}
		})
	}
}
