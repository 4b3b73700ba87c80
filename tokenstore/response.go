package tokenstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
	"github.com/seed3a054f9c/googlesignin/internal/scope"
	"golang.org/x/oauth2"
)

const bearerType = "Bearer"

// A response is the part of a token response that matters here. Its strings are
// its own.
type response struct {
	refreshToken       string
	keyThumbprint      string   // of the key that refreshToken is bound to
	scopes             []string // nil: Google did not say
	refreshTokenExpiry time.Time
	access             *accessToken // nil: none that could be used
	named              bool         // it has an ID token, which says whose tokens they are
}

func (m *Manager) newResponse(tok *oauth2.Token) response {
	if tok == nil {
		return response{}
	}
	var scopes []string
	if s, ok := tok.Extra("scope").(string); ok && s != "" {
		scopes = scope.Parse(strings.Clone(s))
	}
	now := m.clock.Time()
	return response{
		refreshToken:       strings.Clone(tok.RefreshToken),
		keyThumbprint:      thumbprintOf(tok),
		scopes:             scopes,
		refreshTokenExpiry: refreshTokenExpiry(tok, now),
		access:             m.accessTokenOf(tok, now),
		named:              idTokenOf(tok) != "",
	}
}

// thumbprintOf reads the thumbprint that exchange's Client adds.
func thumbprintOf(tok *oauth2.Token) string {
	s, _ := tok.Extra("dpop_jkt").(string)
	return strings.Clone(s)
}

// refreshTokenExpiry reads Google's refresh_token_expires_in, in seconds.
func refreshTokenExpiry(tok *oauth2.Token, now time.Time) time.Time {
	announced := tok.Extra("refresh_token_expires_in")
	if announced == nil {
		return time.Time{}
	}
	seconds, _ := strconv.ParseFloat(fmt.Sprint(announced), 64) // a float64, an int or a json.Number
	if seconds > 0 && seconds < 100*year.Seconds() {
		return now.Add(time.Duration(seconds * float64(time.Second))).UTC().Round(0)
	}
	return time.Time{}
}

func (m *Manager) accessTokenOf(tok *oauth2.Token, now time.Time) *accessToken {
	lifetime := assumedLifetime
	switch {
	case !tok.Expiry.IsZero():
		lifetime = tok.Expiry.Sub(now)
	case tok.ExpiresIn > 0:
		lifetime = time.Duration(min(tok.ExpiresIn, int64(year.Seconds()))) * time.Second
	}
	lifetime = min(lifetime, year)
	kind := tok.Type()
	if kind != bearerType {
		kind = strings.Clone(kind)
	}
	return m.newAccessToken(tok.AccessToken, kind, now, now.Add(lifetime), lifetime)
}

func idTokenOf(tok *oauth2.Token) string {
	raw, _ := tok.Extra("id_token").(string)
	return raw
}

// checkSignIn refuses a token whose ID token names another user, and returns when
// Google issued the ID token; zero: there is none. To verify an ID token is
// package idtoken's part: this one came straight from Google's token endpoint.
func checkSignIn(tok *oauth2.Token, subject string, now time.Time) (issued time.Time, err error) {
	if tok == nil {
		return time.Time{}, errors.New("no token was given")
	}
	raw := idTokenOf(tok)
	if raw == "" {
		return time.Time{}, nil
	}
	var sub string
	var iat json.RawMessage
	switch err := exactjson.Claims(raw, map[string]any{"sub": &sub, "iat": &iat}); {
	case err != nil || sub == "":
		return time.Time{}, fmt.Errorf("%w: the ID token names nobody", ErrSubject)
	case sub != subject:
		return time.Time{}, fmt.Errorf("%w: the ID token is another user's", ErrSubject)
	}
	var seconds float64
	if json.Unmarshal(iat, &seconds) != nil || seconds <= 0 || seconds > float64(now.Add(24*time.Hour).Unix()) {
		return time.Time{}, nil // a time that cannot be is worse than none
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}
