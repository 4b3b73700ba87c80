package readme

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A user of a popup has consented before, and no refresh token is kept: the
// handler ends that consent, and the next code brings a refresh token.
func TestConsentInAPopup(t *testing.T) {
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	b, err := NewBackend(google.Config(), google.KeySource(), tokenstore.Config{Store: new(tokenstore.Memory)})
	if err != nil {
		t.Fatal(err)
	}
	google.PopupCode(exchangetest.CodeRequest{}) // the refresh token of this one is lost
	handler := b.client.Handler(exchange.Popup, b.signedInFromPopup)
	send := func() (status int, code string) {
		r := httptest.NewRequest("POST", "/auth/google", strings.NewReader(google.PopupCode(exchangetest.CodeRequest{})))
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("X-Requested-With", "XmlHttpRequest")
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var problem struct{ Code string }
		json.NewDecoder(w.Body).Decode(&problem)
		return w.Code, problem.Code
	}
	if status, code := send(); status != http.StatusForbidden || code != "consent_required" {
		t.Errorf("first code: %d %q, want 403 consent_required", status, code)
	}
	if status, code := send(); status != http.StatusOK {
		t.Errorf("second code: %d %q, want 200", status, code)
	}
}
