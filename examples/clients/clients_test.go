// Package clients runs client libraries that others wrote, unmodified, against
// the fake Google of exchangetest. They were written for Google, so what they send
// is what Google accepts, and a fake that refuses it is wrong.
package clients

import (
	"net/url"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestMain(m *testing.M) { needs.Main(m) }

const (
	origin   = "http://localhost:8080"
	callback = origin + "/callback"
	jane     = "jane.doe@gmail.com"
	appdata  = "https://www.googleapis.com/auth/drive.appdata"
	google   = "https://accounts.google.com" // reached through Server.Client
)

func start(t *testing.T, o exchangetest.Options) *exchangetest.Server {
	t.Helper()
	if o.Clients == nil {
		o.Clients = []exchangetest.Client{{RedirectURIs: []string{callback}}}
	}
	srv := exchangetest.NewServer(o)
	t.Cleanup(srv.Close)
	return srv
}

// startAsGoogle is start for a client that is led to Google's own host names. It
// returns the client's environment too.
func startAsGoogle(t *testing.T, o exchangetest.Options) (srv *exchangetest.Server, env []string) {
	t.Helper()
	srv = start(t, o)
	srv.URL = google
	return srv, guests.AsGoogle(t, srv).Env()
}

// signIn sends jane through the pages that start at authURL, and returns what
// the browser brings back.
func signIn(t *testing.T, srv *exchangetest.Server, authURL string) url.Values {
	t.Helper()
	back, err := srv.Authorize(authURL, exchangetest.Choice{User: jane})
	if err != nil {
		t.Fatal(err)
	}
	answer := back.Query()
	if e := answer.Get("error"); e != "" {
		t.Fatalf("sent back with error %s", e)
	}
	return answer
}

// removeAccess ends jane's grant behind the client's back.
func removeAccess(t *testing.T, srv *exchangetest.Server, accessToken string) {
	t.Helper()
	if _, _, ok := srv.CheckAccessToken(accessToken); !ok {
		t.Error("the access token is not good")
	}
	srv.RemoveAccess(jane)
}

// exchangeForm is what a backend sends for an app's code.
func exchangeForm(srv *exchangetest.Server, code string) url.Values {
	return url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {srv.ClientID()},
		"client_secret": {srv.ClientSecret()},
		"redirect_uri":  {""},
		"code":          {code},
	}
}
