package exchange_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

func TestTokens(t *testing.T) {
	tok, err := newClient(t, scripted(says(200, tokenAnswer))).Exchange(t.Context(), goodCode, exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	if tok.AccessToken != "ya29.marked-access-token" || tok.RefreshToken != refreshToken ||
		tok.IDToken != "eyJ.marked-id-token.sig" || tok.Type() != "Bearer" || tok.ExpiresIn != 3599 {
		t.Error("a token is not what the answer said")
	}
	if want := start.Add(3599 * time.Second); !tok.Expiry.Equal(want) {
		t.Errorf("Expiry %v, want %v", tok.Expiry, want)
	}
	if !tok.RefreshTokenExpiry.IsZero() {
		t.Errorf("RefreshTokenExpiry %v, want zero", tok.RefreshTokenExpiry)
	}
	if want := []string{"https://www.googleapis.com/auth/userinfo.email", "openid"}; !slices.Equal(tok.Scopes, want) {
		t.Errorf("Scopes %q, want %q", tok.Scopes, want)
	}
	if got := tok.Missing("openid", "email", "profile", "https://www.googleapis.com/auth/drive.appdata"); !slices.Equal(got,
		[]string{"profile", "https://www.googleapis.com/auth/drive.appdata"}) {
		t.Errorf("Missing = %q", got)
	}
	if tok.Extra("id_token") != tok.IDToken || (&tok.Token).Extra("scope") != "openid https://www.googleapis.com/auth/userinfo.email" {
		t.Error("Extra does not have what Google answered")
	}
}

func TestTokenAnswers(t *testing.T) {
	exchanged := func(body string) (*exchange.Tokens, error) {
		return newClient(t, scripted(says(200, body))).Exchange(t.Context(), goodCode, exchange.App)
	}
	tests := []struct {
		name, body string
		expiry     time.Duration // 0: none
		refresh    time.Duration
		scopes     []string
	}{
		{"only an access token", `{"access_token":"a"}`, 0, 0, nil},
		{"nulls", `{"access_token":"a","expires_in":null,"scope":null,"id_token":null,"refresh_token":null}`, 0, 0, nil},
		{"no scope granted", `{"access_token":"a","scope":""}`, 0, 0, []string{}},
		{"number in a string", `{"access_token":"a","expires_in":"3599"}`, 3599 * time.Second, 0, nil},
		{"fraction", `{"access_token":"a","expires_in":1.9}`, time.Second, 0, nil},
		{"beyond any clock", `{"access_token":"a","expires_in":1e300}`, (1<<31 - 1) * time.Second, 0, nil},
		{"beyond float64", `{"access_token":"a","expires_in":1e400,"refresh_token_expires_in":-1e400}`, (1<<31 - 1) * time.Second, 0, nil},
		{"beyond float64, somewhere else", `{"access_token":"a","x":{"y":[1e400]}}`, 0, 0, nil},
		{"a project in testing", `{"access_token":"a","refresh_token_expires_in":604799}`, 0, 604799 * time.Second, nil},
		{"other spelling of a name", `{"access_token":"a","Scope":"openid","EXPIRES_IN":"x"}`, 0, 0, nil},
		{"scopes twice, and aliases", `{"access_token":"a","scope":"openid  email openid"}`, 0, 0,
			[]string{"https://www.googleapis.com/auth/userinfo.email", "openid"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tok, err := exchanged(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if !tok.Expiry.Equal(after(tt.expiry)) || !tok.RefreshTokenExpiry.Equal(after(tt.refresh)) {
				t.Errorf("expiries %v and %v", tok.Expiry, tok.RefreshTokenExpiry)
			}
			if !slices.Equal(tok.Scopes, tt.scopes) || (tok.Scopes == nil) != (tt.scopes == nil) {
				t.Errorf("Scopes %#v, want %#v", tok.Scopes, tt.scopes)
			}
			if tt.scopes == nil && len(tok.Missing("openid", "email")) != 2 {
				t.Error("scopes that Google has not named count as granted")
			}
		})
	}
	bad := []struct{ name, body string }{
		{"empty", ""},
		{"HTML", "<html>"},
		{"truncated", tokenAnswer[:len(tokenAnswer)-1]},
		{"more after it", tokenAnswer + "x"},
		{"null", "null"},
		{"array", "[" + tokenAnswer + "]"},
		{"string", `"ya29"`},
		{"no access token", `{"id_token":"a"}`},
		{"empty access token", `{"access_token":""}`},
		{"access token in another spelling", `{"Access_Token":"a"}`},
		{"access token is a number", `{"access_token":1}`},
		{"refresh token is an object", `{"access_token":"a","refresh_token":{}}`},
		{"ID token is a bool", `{"access_token":"a","id_token":true}`},
		{"scope is a list", `{"access_token":"a","scope":["openid"]}`},
		{"token type is a number", `{"access_token":"a","token_type":1}`},
		{"access token is a number beyond float64", `{"access_token":1e400}`},
		{"JSON has no such number", `{"access_token":"a","expires_in":0x10}`},
		{"an error after all", `{"access_token":"a","error":"invalid_grant"}`},
		{"an error that is an object", `{"access_token":"a","error":{}}`},
	}
	for _, tt := range bad {
		t.Run(tt.name, func(t *testing.T) {
			tok, err := exchanged(tt.body)
			if tok != nil || !errors.Is(err, exchange.ErrTemporary) || errors.Is(err, exchange.ErrInvalidGrant) {
				t.Errorf("%v, %v; want ErrTemporary", tok, err)
			}
		})
	}
}

// One odd lifetime must not cost the user's consent.
func TestOddLifetimes(t *testing.T) {
	for _, odd := range []string{`"soon"`, `""`, `"NaN"`, `"-1"`, `-1`, `0`, `true`, `[3599]`, `{}`} {
		body := `{"access_token":"a","refresh_token":"1//r","expires_in":` + odd + `,"refresh_token_expires_in":` + odd + `}`
		tok, err := newClient(t, scripted(says(200, body))).Exchange(t.Context(), goodCode, exchange.App)
		if err != nil || tok.RefreshToken != "1//r" || !tok.Expiry.Equal(start) || !tok.RefreshTokenExpiry.IsZero() {
			t.Errorf("%s: %v, %v; want the tokens, the access token expired, and no end of the refresh token", odd, tok, err)
		}
		again, err := newClient(t, scripted(says(200, body))).Refresh(t.Context(), refreshToken)
		if err != nil || again.RefreshToken != "1//r" || !again.Expiry.Equal(start) {
			t.Errorf("%s: Refresh: %v; want the new refresh token, and the access token expired", odd, err)
		}
	}
}

// Extra has numbers that every reader of them can use, JSON encoders included.
func TestExtraHasFiniteNumbers(t *testing.T) {
	g := scripted(says(200, `{"access_token":"a","expires_in":3599,"refresh_token_expires_in":1e400}`))
	tok, err := newClient(t, g).Exchange(t.Context(), goodCode, exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Extra("expires_in"); got != 3599.0 {
		t.Errorf("expires_in %v, want the float64 3599", got)
	}
	if got := tok.Extra("refresh_token_expires_in"); got != math.MaxFloat64 {
		t.Errorf("refresh_token_expires_in %v, want the largest float64", got)
	}
}

func after(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return start.Add(d)
}

// FuzzTokenAnswer: whatever the token endpoint says, there is an access token or
// a typed error, and never one that says that a refresh token is dead unless
// Google has.
func FuzzTokenAnswer(f *testing.F) {
	for _, r := range refusals {
		f.Add(r.status, []byte(r.body))
	}
	f.Add(200, []byte(tokenAnswer))
	f.Add(200, []byte(`{"access_token":"a","expires_in":1e308,"scope":"\u0000"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		tok, err := newClient(t, scripted(says(status, string(body)))).Exchange(t.Context(), goodCode, exchange.App)
		if err == nil {
			if tok.AccessToken == "" || status != 200 || tok.Expiry.Before(start) && !tok.Expiry.IsZero() {
				t.Errorf("%d %q: %v", status, body, tok)
			}
			return
		}
		e, ok := errors.AsType[*exchange.Error](err)
		if !ok || e.Hint() == "" || exchange.HTTPStatus(err) < 400 {
			t.Errorf("%d %q: %v", status, body, err)
		}
		code, _ := e.OAuthError()
		if dead := errors.Is(err, exchange.ErrInvalidGrant); dead != (code == "invalid_grant") || dead && (status < 400 || status >= 500) {
			t.Errorf("%d %q: %v", status, body, err)
		}
	})
}
