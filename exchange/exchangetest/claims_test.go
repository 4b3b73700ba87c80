package exchangetest_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// TestRecentAndStrong goes from the request that asks for auth_time and amr to the
// checks of package idtoken.
func TestRecentAndStrong(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) // of start
	both := exchange.AuthParams{AuthTime: true, Methods: true}
	tests := []struct {
		name           string
		unverified     bool // the app
		user           exchangetest.User
		age            time.Duration // of the user's session at Google
		params         exchange.AuthParams
		recent, strong error // what SignedInWithin(5 minutes) and Methods("mfa") say
	}{
		{name: "recent and strong", user: exchangetest.User{Methods: []string{"pwd", "mfa"}}, age: time.Minute, params: both},
		{name: "signed in long ago, by password", age: 30 * 24 * time.Hour, params: both, recent: idtoken.ErrNotRecent, strong: idtoken.ErrNotStrong},
		{name: "not asked for", recent: idtoken.ErrNotSaid, strong: idtoken.ErrNotSaid},
		{name: "auth_time alone", params: exchange.AuthParams{AuthTime: true}, strong: idtoken.ErrNotSaid},
		{name: "amr alone", params: exchange.AuthParams{Methods: true}, recent: idtoken.ErrNotSaid, strong: idtoken.ErrNotStrong},
		{name: "amr left out", user: exchangetest.User{Claims: map[string]any{"amr": nil}}, params: both, strong: idtoken.ErrNotSaid},
		{name: "app without the claims", unverified: true, params: both, recent: idtoken.ErrNotSaid, strong: idtoken.ErrNotSaid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.user.Email = jane
			if tt.age > 0 {
				tt.user.SignedInAt = now.Add(-tt.age)
			}
			srv := start(t, web(exchangetest.Options{AuthClaims: !tt.unverified, Users: []exchangetest.User{tt.user}}))
			client, err := exchange.New(exchange.Config{ClientID: srv.ClientID(), ClientSecret: srv.ClientSecret(), Endpoint: srv.Endpoint()})
			if err != nil {
				t.Fatal(err)
			}
			tt.params.Scopes = []string{"openid"}
			req, err := client.NewAuthRequest(callback, tt.params)
			if err != nil {
				t.Fatal(err)
			}
			back, err := srv.Authorize(req.URL, exchangetest.Choice{})
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := client.ExchangeCallback(t.Context(), back.Query(), req)
			if err != nil {
				t.Fatal(err)
			}
			checkClaims(t, srv, tokens.IDToken, tt.recent, tt.strong)
			refreshed, err := client.Refresh(t.Context(), tokens.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			idToken, _ := refreshed.Extra("id_token").(string)
			checkClaims(t, srv, idToken, idtoken.ErrNotSaid, idtoken.ErrNotSaid)

			code := srv.AppCode(exchangetest.CodeRequest{AuthTime: tt.params.AuthTime, Methods: tt.params.Methods})
			if tokens, err = client.Exchange(t.Context(), code, exchange.App); err != nil {
				t.Fatal(err)
			}
			checkClaims(t, srv, tokens.IDToken, tt.recent, tt.strong)
		})
	}
}

func checkClaims(t *testing.T, srv *exchangetest.Server, idToken string, recent, strong error) {
	t.Helper()
	keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: srv.CertsURL()})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{srv.ClientID()}, Keys: keys, Now: srv.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(t.Context(), idToken, idtoken.SignedInWithin(5*time.Minute)); !errors.Is(err, recent) {
		t.Errorf("SignedInWithin: %v, want %v", err, recent)
	}
	if _, err := verifier.Verify(t.Context(), idToken, idtoken.Methods("mfa")); !errors.Is(err, strong) {
		t.Errorf("Methods: %v, want %v", err, strong)
	}
}

func TestClaimsParameter(t *testing.T) {
	srv := start(t, web(exchangetest.Options{}))
	for claims, ok := range map[string]bool{
		`{"id_token":{"auth_time":null},"userinfo":{"email":null}}`: true,
		`{}`:                           true,
		``:                             false,
		`{`:                            false,
		`[]`:                           false,
		`{"id_token":{"amr":true}}`:    false,
		`{"id_token":["auth_time"]}`:   false,
		`{"id_token":{}} {"id_token":`: false,
	} {
		at := authURL(srv, authQuery(srv)) + "&claims=" + url.QueryEscape(claims)
		response, err := http.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.StatusCode == http.StatusOK; got != ok {
			t.Errorf("%s: %s", claims, response.Status)
		}
		if _, err := srv.Authorize(at, exchangetest.Choice{}); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "invalid_request") {
			t.Errorf("%s: Authorize: %v", claims, err)
		}
	}
}
