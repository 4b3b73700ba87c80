package exchangetest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestRevokeEndsTheWholeGrant(t *testing.T) {
	const second = "123456789012-ios.apps.googleusercontent.com"
	const foreign = "210987654321-web.apps.googleusercontent.com"
	tests := []struct {
		name   string
		revoke func(*exchangetest.Server, body) *http.Request
	}{
		{"refresh token in the form", func(s *exchangetest.Server, b body) *http.Request {
			return request("POST", s.URL+"/revoke", url.Values{"token": {b.str("refresh_token")}})
		}},
		{"access token in the form", func(s *exchangetest.Server, b body) *http.Request {
			return request("POST", s.URL+"/revoke", url.Values{"token": {b.str("access_token")}})
		}},
		{"POST with a query", func(s *exchangetest.Server, b body) *http.Request {
			return request("POST", s.URL+"/revoke?token="+url.QueryEscape(b.str("refresh_token")), nil)
		}},
		{"GET at the old address", func(s *exchangetest.Server, b body) *http.Request {
			return request("GET", s.URL+"/o/oauth2/revoke?token="+url.QueryEscape(b.str("access_token")), nil)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{Clients: []exchangetest.Client{{}, {ID: second, Installed: true}, {ID: foreign, Secret: "s"}}})
			mine := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{}))
			pending := srv.AppCode(exchangetest.CodeRequest{})
			same := redeemAs(t, srv, second, "", srv.AppCode(exchangetest.CodeRequest{ClientID: second}))
			other := redeemAs(t, srv, foreign, "s", srv.AppCode(exchangetest.CodeRequest{ClientID: foreign}))

			if status, b := send(t, srv, tt.revoke(srv, mine)); status != 200 || len(b) != 0 {
				t.Fatalf("revoke: %d %v, want 200 {}", status, b)
			}
			for name, dead := range map[string]body{"the client": mine, "a client of the project": same} {
				if _, _, ok := srv.CheckAccessToken(dead.str("access_token")); ok {
					t.Errorf("access token of %s is still good", name)
				}
				status, b := post(t, srv, "/revoke", url.Values{"token": {dead.str("refresh_token")}})
				wantRefusal(t, status, b, 400, "invalid_token", "Token expired or revoked")
			}
			if status, _ := post(t, srv, "/token", exchangeForm(srv, pending)); status != 400 {
				t.Errorf("a code from before: %d, want 400", status)
			}
			if _, _, ok := srv.CheckAccessToken(other.str("access_token")); !ok {
				t.Error("another project lost its token too")
			}
		})
	}
}

func TestRevokeRefusals(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	status, b := post(t, srv, "/revoke", url.Values{})
	wantRefusal(t, status, b, 400, "invalid_request", "Missing required parameter: token")
	status, b = post(t, srv, "/revoke", url.Values{"token": {"1//0unknown"}})
	wantRefusal(t, status, b, 400, "invalid_token", "Token expired or revoked")
	resp, err := srv.Client().Do(request("DELETE", srv.URL+"/revoke", nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST, GET" {
		t.Errorf("DELETE: %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
}

func redeemAs(t *testing.T, srv *exchangetest.Server, id, secret, code string) body {
	t.Helper()
	form := exchangeForm(srv, code)
	form.Set("client_id", id)
	form.Set("client_secret", secret)
	status, b := post(t, srv, "/token", form)
	if status != 200 {
		t.Fatalf("exchange as %s: %d %v", id, status, b)
	}
	return b
}
