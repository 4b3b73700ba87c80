package apis

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A calendarAPI answers in the place of Google's API.
type calendarAPI struct{ asked []*http.Request }

func (c *calendarAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked = append(c.asked, r)
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"items": [{"summary": "Tea with Ann"}]}`)),
	}, nil
}

func TestNextEvent(t *testing.T) {
	jane := exchangetest.User{Email: "jane.doe@gmail.com", Subject: "108365719284610937465"}
	google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{jane}})
	defer google.Close()
	client, err := exchange.New(google.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "never") // a developer may have settings of other addresses
	t.Setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "")
	api := new(calendarAPI)
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID: google.ClientID(), Store: new(tokenstore.Memory), Refresher: client, Transport: api,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NextEvent(t.Context(), grants, jane.Subject); !errors.Is(err, tokenstore.ErrNeedsConsent) {
		t.Errorf("before the sign-in: %v", err)
	}
	code := google.AppCode(exchangetest.CodeRequest{User: jane.Email, Scopes: []string{"openid", "https://www.googleapis.com/auth/calendar.events.readonly"}})
	tokens, err := client.Exchange(t.Context(), code, exchange.App)
	if err == nil {
		_, err = grants.SignIn(t.Context(), jane.Subject, &oauth2.Token{RefreshToken: tokens.RefreshToken})
	}
	if err != nil {
		t.Fatal(err)
	}
	title, err := NextEvent(t.Context(), grants, jane.Subject)
	if err != nil || title != "Tea with Ann" {
		t.Errorf("%q, %v", title, err)
	}
	if len(api.asked) != 1 || api.asked[0].URL.Host != "www.googleapis.com" || !strings.HasPrefix(api.asked[0].Header.Get("Authorization"), "Bearer ") {
		t.Errorf("asked %v", api.asked)
	}
}
