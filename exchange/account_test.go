package exchange_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// withoutIDToken is a Google that answers a code without an ID token, whatever the
// scopes.
type withoutIDToken struct{ http.RoundTripper }

func (t withoutIDToken) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path != "/token" {
		return resp, err
	}
	defer resp.Body.Close()
	var members map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&members); err != nil {
		return nil, err
	}
	delete(members, "id_token")
	body, err := json.Marshal(members)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

// TestExchangeFor redeems codes for a user who has signed in.
func TestExchangeFor(t *testing.T) {
	const appdata = "https://www.googleapis.com/auth/drive.appdata"
	const jane, john = "108365719284610937465", "208365719284610937465"
	broken := func(f exchangetest.Fault) func(*exchangetest.Server) {
		return func(srv *exchangetest.Server) { srv.Script(exchangetest.UserInfoEndpoint, f) }
	}
	tests := []struct {
		name    string
		user    string // of the code
		scopes  string
		bare    bool // no ID token comes
		google  func(*exchangetest.Server)
		subject string // found out; ErrAccount unless it is jane or unknown
		asked   int
	}{
		{name: "ID token, the same account", user: jane, scopes: "openid " + appdata, subject: jane},
		{name: "ID token, another account", user: john, scopes: "openid " + appdata, subject: john},
		{name: "drive.appdata alone", user: jane, scopes: appdata},
		{name: "drive.appdata alone, another account", user: john, scopes: appdata},
		{name: "userinfo, the same account", user: jane, scopes: "openid " + appdata, bare: true, subject: jane, asked: 1},
		{name: "userinfo, another account", user: john, scopes: "email", bare: true, subject: john, asked: 1},
		{name: "userinfo fails", user: john, scopes: "openid", bare: true, google: broken(exchangetest.Fault{Status: 500}), asked: 1},
		{name: "userinfo refuses", user: john, scopes: "openid", bare: true, google: broken(exchangetest.Fault{Status: 401, Body: `{"sub":"` + john + `"}`}), asked: 1},
		{name: "userinfo breaks off", user: john, scopes: "openid", bare: true, google: broken(exchangetest.Fault{Status: 200, Cut: true}), asked: 1},
		{name: "userinfo says it twice", user: john, scopes: "openid", bare: true, asked: 1,
			google: broken(exchangetest.Fault{Status: 200, Body: `{"sub":"` + john + `","sub":"` + jane + `"}`})},
		{name: "userinfo does not say", user: john, scopes: "openid", bare: true, asked: 1,
			google: broken(exchangetest.Fault{Status: 200, Body: `{"SUB":"` + jane + `"}`})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{
				{Email: "jane.doe@gmail.com", Subject: jane}, {Email: "john.roe@example.com", Subject: john},
			}})
			defer srv.Close()
			if tt.google != nil {
				tt.google(srv)
			}
			c := clientOf(t, srv, func(cfg *exchange.Config) {
				if tt.bare {
					cfg.HTTPClient = &http.Client{Transport: withoutIDToken{cfg.HTTPClient.Transport}}
				}
			})
			code := srv.AppCode(exchangetest.CodeRequest{User: tt.user, Scopes: strings.Fields(tt.scopes)})
			tok, err := c.ExchangeFor(t.Context(), code, exchange.App, jane)
			if tok == nil || tok.RefreshToken == "" || tok.Subject != tt.subject {
				t.Fatalf("%v, %v; want the tokens of %q", tok, err, tt.subject)
			}
			if other := tt.subject == john; errors.Is(err, exchange.ErrAccount) != other || !other && err != nil {
				t.Errorf("error %v; another account: %v", err, other)
			}
			if err != nil {
				if exchange.HTTPStatus(err) != 403 || exchange.ProblemCode(err) != "other_account" {
					t.Errorf("%d %s", exchange.HTTPStatus(err), exchange.ProblemCode(err))
				}
				if text := fmt.Sprintf("%v %+v %#v", err, err, tok); strings.Contains(text, tok.RefreshToken) || strings.Contains(text, tok.AccessToken) {
					t.Errorf("a token is in %s", text)
				}
				if err := c.Revoke(t.Context(), tok.AccessToken); err != nil {
					t.Errorf("Revoke: %v", err)
				}
			}
			asked := 0
			for _, r := range srv.Requests() {
				if r.Endpoint == exchangetest.UserInfoEndpoint {
					asked++
				}
			}
			if asked != tt.asked {
				t.Errorf("userinfo was asked %d times, want %d", asked, tt.asked)
			}
		})
	}
}

// An ID token without a readable sub does not belong to the user.
func TestExchangeForUnreadableIDToken(t *testing.T) {
	for _, claims := range []string{`{}`, `{"sub":"a","sub":"jane"}`, `{"sub":"jane","sub":"a"}`, `{"SUB":"jane"}`, `[]`, `{"sub":1}`} {
		answer, _ := json.Marshal(map[string]any{"access_token": "ya29.marked", "id_token": idToken(claims), "token_type": "Bearer"})
		g := scripted(says(200, string(answer)))
		if tok, err := newClient(t, g).ExchangeFor(t.Context(), goodCode, exchange.App, "jane"); !errors.Is(err, exchange.ErrAccount) || tok == nil {
			t.Errorf("%s: %v, %v; want ErrAccount", claims, tok, err)
		}
		if g.posts() != 1 {
			t.Errorf("%s: %d requests", claims, g.posts())
		}
	}
}

func TestExchangeForNobody(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	if _, err := newClient(t, g).ExchangeFor(t.Context(), goodCode, exchange.App, ""); !errors.Is(err, exchange.ErrBadRequest) || g.posts() != 0 {
		t.Errorf("%v after %d requests, want ErrBadRequest after none", err, g.posts())
	}
}
