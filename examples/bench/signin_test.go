// Package bench compares this module with what a team would use otherwise. It
// has only benchmarks; each measures both in the same run and reports a ratio.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

const (
	clientID = "123456789012-backend.apps.googleusercontent.com"
	tokenURL = "https://oauth2.googleapis.com/token"
	keysURL  = "https://www.googleapis.com/oauth2/v3/certs"
	issuer   = "https://accounts.google.com"
)

// memoryTransport answers every code with the same tokens, without a network.
type memoryTransport struct{ tokens, keys []byte }

func (m *memoryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	body := m.keys
	if r.URL.String() == tokenURL {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		body = m.tokens
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body:       io.NopCloser(bytes.NewReader(body)),
		Request:    r,
	}, nil
}

func newMemoryTransport(b *testing.B) *memoryTransport {
	signer := idtokentest.NewIssuer()
	tokens, err := json.Marshal(map[string]any{
		"access_token":  "ya29.benchmark",
		"expires_in":    3599,
		"refresh_token": "1//benchmark",
		"scope":         "openid https://www.googleapis.com/auth/userinfo.email",
		"token_type":    "Bearer",
		"id_token": signer.Token(idtoken.Profile{
			Subject: "110169484474386276334", Audience: clientID, AuthorizedParty: clientID,
			Email: "jane.doe@gmail.com", EmailVerified: true, Name: "Jane Doe",
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	return &memoryTransport{tokens: tokens, keys: signer.JWKS()}
}

// BenchmarkSignIn exchanges a code and verifies the ID token, with this module
// and with golang.org/x/oauth2 plus go-oidc. It reports the ratio of the tenth
// percentiles.
func BenchmarkSignIn(b *testing.B) {
	hc := &http.Client{Transport: newMemoryTransport(b)}
	ours, theirs := ourSignIn(b, hc), peerSignIn(hc)
	ctx := context.WithoutCancel(b.Context()) // as exchange's Handler has it
	var spent [2][]time.Duration
	n := 0
	for b.Loop() {
		n++
		code := "4/" + strconv.Itoa(n)
		for i, signIn := range []func(context.Context, string) error{ours, theirs} {
			start := time.Now()
			if err := signIn(ctx, code); err != nil {
				b.Fatal(err)
			}
			spent[i] = append(spent[i], time.Since(start))
		}
	}
	b.ReportMetric(float64(fastTenth(spent[0]))/float64(fastTenth(spent[1])), "x-of-oauth2+go-oidc")
}

func ourSignIn(b *testing.B, hc *http.Client) func(context.Context, string) error {
	client, err := exchange.New(exchange.Config{ClientID: clientID, ClientSecret: "secret", HTTPClient: hc})
	if err != nil {
		b.Fatal(err)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}, HTTPClient: hc})
	if err != nil {
		b.Fatal(err)
	}
	return func(ctx context.Context, code string) error {
		t, err := client.Exchange(ctx, code, exchange.App)
		if err != nil {
			return err
		}
		_, err = verifier.Verify(ctx, t.IDToken)
		return err
	}
}

func peerSignIn(hc *http.Client) func(context.Context, string) error {
	config := &oauth2.Config{
		ClientID: clientID, ClientSecret: "secret",
		Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), hc), keysURL)
	verifier := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: clientID})
	return func(ctx context.Context, code string) error {
		t, err := config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, hc), code, oauth2.SetAuthURLParam("redirect_uri", ""))
		if err != nil {
			return err
		}
		raw, _ := t.Extra("id_token").(string)
		token, err := verifier.Verify(ctx, raw)
		if err != nil {
			return err
		}
		var claims struct {
			Email         string `json:"email"`
			EmailVerified bool   `json:"email_verified"`
			Name          string `json:"name"`
		}
		return token.Claims(&claims)
	}
}
