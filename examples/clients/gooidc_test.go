package clients

import (
	"errors"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"golang.org/x/oauth2"
)

// golang.org/x/oauth2 with coreos/go-oidc.
func TestGoOIDC(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	ctx := oidc.ClientContext(t.Context(), srv.Client())
	provider, err := oidc.NewProvider(ctx, google)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: srv.ClientID(), ClientSecret: srv.ClientSecret(), RedirectURL: callback,
		Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email", "profile"},
	}
	pkce := oauth2.GenerateVerifier()
	answer := signIn(t, srv, config.AuthCodeURL("state-1", oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(pkce), oidc.Nonce("nonce-1")))
	if answer.Get("state") != "state-1" {
		t.Errorf("state %q", answer.Get("state"))
	}
	token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(pkce))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	verifier := provider.Verifier(&oidc.Config{ClientID: srv.ClientID()})
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
	if err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "nonce-1" || info.Email != jane || !info.EmailVerified || info.Subject != id.Subject {
		t.Errorf("nonce %q, user %+v", id.Nonce, info)
	}

	srv.Issuer().Rotate()
	token.Expiry = time.Now().Add(-time.Minute)
	renewed, err := config.TokenSource(ctx, token).Token()
	if err != nil {
		t.Fatal(err)
	}
	raw, _ = renewed.Extra("id_token").(string)
	if _, err := verifier.Verify(ctx, raw); err != nil {
		t.Errorf("after the keys were rotated: %v", err)
	}

	removeAccess(t, srv, renewed.AccessToken)
	_, err = config.TokenSource(ctx, token).Token()
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || refused.ErrorCode != "invalid_grant" {
		t.Errorf("refresh after access was removed: %v", err)
	}
}

// x/oauth2 alone, as backends of apps use it: the code comes from the app.
func TestOAuth2WithAppCode(t *testing.T) {
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInParams, oauth2.AuthStyleInHeader, oauth2.AuthStyleAutoDetect} {
		srv := start(t, exchangetest.Options{})
		endpoint := oauth2.Endpoint{TokenURL: srv.Endpoint().TokenURL, AuthStyle: style}
		config := oauth2.Config{ClientID: srv.ClientID(), ClientSecret: srv.ClientSecret(), Endpoint: endpoint}
		token, err := config.Exchange(t.Context(), srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}}))
		if err != nil {
			t.Fatalf("style %d: %v", style, err)
		}
		if token.RefreshToken == "" || token.Extra("scope") != appdata {
			t.Errorf("style %d: scope %v", style, token.Extra("scope"))
		}
	}
}
