package exchangetest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestGrants(t *testing.T) {
	const second, foreign = "123456789012-ios.apps.googleusercontent.com", "2-b.apps.googleusercontent.com"
	srv := start(t, exchangetest.Options{
		Testing: true,
		Users:   []exchangetest.User{{Email: jane, Subject: "1"}, {Email: "john.roe@example.com", Subject: "2"}},
		Clients: []exchangetest.Client{{}, {ID: second, Installed: true}, {ID: foreign, Secret: "s"}},
	})
	if got := srv.Grants(); got != nil {
		t.Errorf("at first: %v", got)
	}
	redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid"}}))
	first := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", appdata}}))
	redeemAs(t, srv, second, "", srv.AppCode(exchangetest.CodeRequest{ClientID: second, Scopes: []string{"openid"}}))
	redeemAs(t, srv, foreign, "s", srv.AppCode(exchangetest.CodeRequest{ClientID: foreign, User: "2", OnlineOnly: true, Scopes: []string{"openid"}}))
	srv.AppCode(exchangetest.CodeRequest{User: "2"}) // a grant without tokens
	check := func(when string, want ...exchangetest.Grant) {
		t.Helper()
		same := func(a, b exchangetest.Grant) bool {
			return a.Subject == b.Subject && slices.Equal(a.ClientIDs, b.ClientIDs) && slices.Equal(a.Scopes, b.Scopes) &&
				a.RefreshTokens == b.RefreshTokens && a.AccessTokens == b.AccessTokens
		}
		if got := srv.Grants(); !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	ours := []string{srv.ClientID(), second}
	janes := exchangetest.Grant{Subject: "1", ClientIDs: ours, Scopes: []string{appdata, "openid"}, RefreshTokens: 3, AccessTokens: 3}
	johns := exchangetest.Grant{Subject: "2", ClientIDs: ours, Scopes: []string{email, profile, "openid"}}
	foreigns := exchangetest.Grant{Subject: "2", ClientIDs: []string{foreign}, Scopes: []string{"openid"}, AccessTokens: 1}
	check("after the sign-ins", janes, johns, foreigns)

	srv.Advance(2 * time.Hour)
	post(t, srv, "/token", refreshForm(srv, first.str("refresh_token")))
	janes.AccessTokens, foreigns.AccessTokens = 1, 0
	check("two hours later", janes, johns, foreigns)
	srv.Advance(8 * 24 * time.Hour)
	janes.RefreshTokens, janes.AccessTokens = 2, 0 // the one for a document has ended
	check("eight days later", janes, johns, foreigns)
	srv.RemoveAccess(jane)
	check("without Jane's", johns, foreigns)
}

func TestAccountsAndClients(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	srv.SetBlocked(jane, true)
	srv.SetAdvancedProtection("john.roe@example.com", true)
	srv.DeleteUser("john.roe@example.com")
	all := srv.Accounts()
	if len(all) != 2 || all[0].Email != jane || all[0].Subject == "" || !all[0].Blocked || all[0].AdvancedProtection || all[0].Deleted ||
		all[1].Blocked || !all[1].AdvancedProtection || !all[1].Deleted {
		t.Errorf("accounts are %+v", all)
	}
	clients := srv.Clients()
	if len(clients) != 1 || clients[0].ID != srv.ClientID() || clients[0].Secret != srv.ClientSecret() || clients[0].RedirectURIs[0] != callback {
		t.Errorf("clients are %+v", clients)
	}
}

// Of two users who want the same address at once, one gets it.
func TestSetUserTwice(t *testing.T) {
	srv := start(t, exchangetest.Options{Users: []exchangetest.User{{Email: jane, Subject: "1"}, {Email: "john.roe@example.com", Subject: "2"}}})
	many := make(map[string]any) // takes long to copy
	for n := range 20_000 {
		many[strconv.Itoa(n)] = n
	}
	var refused atomic.Int32
	var wg sync.WaitGroup
	for _, subject := range []string{"1", "2"} {
		wg.Go(func() {
			defer func() {
				if recover() != nil {
					refused.Add(1)
				}
			}()
			srv.SetUser(exchangetest.User{Subject: subject, Email: "same@example.com", Claims: many})
		})
	}
	wg.Wait()
	if refused.Load() != 1 {
		t.Errorf("%d of two users refused", refused.Load())
	}
}

// What a test passes in and gets out is its own, to be used again for the next.
func TestMemoryIsNotShared(t *testing.T) {
	u := exchangetest.User{Email: jane, Methods: []string{"pwd"}, Claims: map[string]any{"locale": "de"}}
	spoil := func(u exchangetest.User) { u.Methods[0], u.Claims["locale"] = "spoiled", "spoiled" }
	const origin = "https://app.example.com"
	client := exchangetest.Client{RedirectURIs: []string{callback}, JavaScriptOrigins: []string{origin}}
	srv := start(t, exchangetest.Options{Users: []exchangetest.User{u}, Clients: []exchangetest.Client{client}})
	token := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid"}})).str("access_token")
	check := func(when string) {
		t.Helper()
		user, client, grant := srv.Accounts()[0], srv.Clients()[0], srv.Grants()[0]
		_, scopes, _ := srv.CheckAccessToken(token)
		if user.Methods[0] != "pwd" || user.Claims["locale"] != "de" || client.RedirectURIs[0] != callback ||
			client.JavaScriptOrigins[0] != origin || grant.Scopes[0] != "openid" || scopes[0] != "openid" {
			t.Errorf("%s: %+v, %+v, %+v, %v", when, user.User, client, grant, scopes)
		}
	}
	spoil(u)
	client.RedirectURIs[0], client.JavaScriptOrigins[0] = "spoiled", "spoiled"
	check("Options")
	client, grant := srv.Clients()[0], srv.Grants()[0]
	_, scopes, _ := srv.CheckAccessToken(token)
	client.RedirectURIs[0], client.JavaScriptOrigins[0], grant.Scopes[0], scopes[0] = "spoiled", "spoiled", "spoiled", "spoiled"
	check("Clients, Grants and CheckAccessToken")
	u.Methods, u.Claims = []string{"pwd"}, map[string]any{"locale": "de"}
	srv.SetUser(u)
	spoil(u)
	check("SetUser")
	spoil(srv.Accounts()[0].User)
	check("Accounts")

	header := http.Header{"Retry-After": {"7"}}
	srv.Inject(exchangetest.TokenEndpoint, exchangetest.Fault{Status: 503, Header: header, Body: "{}"})
	header.Set("Retry-After", "spoiled")
	resp, err := srv.Client().PostForm(srv.URL+"/token?a=b", url.Values{"code": {"x"}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.Header.Get("Retry-After") != "7" {
		t.Errorf("Inject: %v", resp.Header)
	}
	logged := srv.Requests()[1]
	logged.Form.Set("code", "spoiled")
	logged.Query.Set("a", "spoiled")
	logged.Header.Set("Content-Type", "spoiled")
	if r := srv.Requests()[1]; r.Form.Get("code") != "x" || r.Query.Get("a") != "b" || r.Header.Get("Content-Type") == "spoiled" {
		t.Errorf("Requests: %+v", r)
	}
}
