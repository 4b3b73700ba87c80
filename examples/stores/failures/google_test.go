//go:build unix

package failures_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// google is how a process reaches the fake that the test runs.
type google struct {
	ClientID, ClientSecret string
	Endpoint               exchange.Endpoint
}

// startGoogle starts a fake with n users, whose subjects it returns.
func startGoogle(t *testing.T, n int, o exchangetest.Options) (*exchangetest.Server, google, []string) {
	t.Helper()
	var subjects []string
	for i := range n {
		subject := fmt.Sprintf("1101694844743%08d", i)
		subjects = append(subjects, subject)
		o.Users = append(o.Users, exchangetest.User{Subject: subject, Email: fmt.Sprintf("jane.doe.%d@gmail.com", i)})
	}
	server := exchangetest.NewServer(o)
	t.Cleanup(server.Close)
	return server, google{server.ClientID(), server.ClientSecret(), server.Endpoint()}, subjects
}

func (g google) client(now func() time.Time) (*exchange.Client, error) {
	return exchange.New(exchange.Config{
		ClientID:     g.ClientID,
		ClientSecret: g.ClientSecret,
		Endpoint:     g.Endpoint,
		HTTPClient:   &http.Client{Transport: &http.Transport{}},
		Now:          now,
	})
}

func (g google) key(subject string) tokenstore.Key {
	return tokenstore.Key{ClientID: g.ClientID, Subject: subject}
}

// manager makes one as a process of a cluster has it. The Config may lack what
// comes from g.
func (g google) manager(cfg tokenstore.Config) (*tokenstore.Manager, error) {
	client, err := g.client(cfg.Now)
	if err != nil {
		return nil, err
	}
	cfg.ClientID, cfg.Revoker = g.ClientID, client
	if cfg.Refresher == nil {
		cfg.Refresher = client
	}
	return tokenstore.New(cfg)
}

func (g google) mustManager(t *testing.T, cfg tokenstore.Config) *tokenstore.Manager {
	t.Helper()
	m, err := g.manager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tokens are what the user's app brings when they sign in with consent.
func (g google) tokens(t *testing.T, server *exchangetest.Server, subject string) *exchange.Tokens {
	t.Helper()
	client, err := g.client(nil)
	if err != nil {
		t.Fatal(err)
	}
	code := server.AppCode(exchangetest.CodeRequest{User: subject, ForceConsent: true})
	tokens, err := client.Exchange(t.Context(), code, exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// signIn signs users in with a Manager that is then forgotten, and its cache
// with it: what is left is what the store has.
func (g google) signIn(t *testing.T, server *exchangetest.Server, store tokenstore.Store, subjects ...string) {
	t.Helper()
	m := g.mustManager(t, tokenstore.Config{Store: store})
	for _, subject := range subjects {
		if _, err := m.SignIn(t.Context(), subject, &g.tokens(t, server, subject).Token); err != nil {
			t.Fatal(err)
		}
	}
}

// refreshes counts the refreshes that the fake was asked for.
func refreshes(server *exchangetest.Server) (n int) {
	for _, r := range server.Requests(exchangetest.TokenEndpoint) {
		if r.Form.Get("grant_type") == "refresh_token" {
			n++
		}
	}
	return n
}
