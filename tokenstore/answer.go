package tokenstore

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
	"golang.org/x/oauth2"
)

const (
	week = 7 * 24 * time.Hour
	year = 365 * 24 * time.Hour

	// assumedLifetime is that of an access token whose lifetime nobody told:
	// expires_in is only recommended (RFC 6749 section 5.1).
	assumedLifetime = 5 * time.Minute
)

// answer is what the token endpoint said, as far as it matters here.
type answer struct {
	refreshToken       string
	scopes             []string // nil: it did not say
	refreshTokenExpiry time.Time
	access             *cached // nil: none that could be used
}

func (m *Manager) answer(subject string, tok *oauth2.Token) answer {
	now := m.clock.time()
	return answer{
		refreshToken:       tok.RefreshToken,
		scopes:             scopesOf(tok),
		refreshTokenExpiry: refreshTokenExpiry(tok, now),
		access:             m.accessToken(subject, tok, now),
	}
}

func scopesOf(tok *oauth2.Token) []string {
	if s, ok := tok.Extra("scope").(string); ok && s != "" {
		return scope.Parse(s)
	}
	return nil
}

// refreshTokenExpiry reads Google's refresh_token_expires_in, in seconds.
func refreshTokenExpiry(tok *oauth2.Token, now time.Time) time.Time {
	var seconds float64
	switch v := tok.Extra("refresh_token_expires_in").(type) {
	case float64:
		seconds = v
	case int64:
		seconds = float64(v)
	case int:
		seconds = float64(v)
	case json.Number:
		seconds, _ = v.Float64()
	}
	if seconds > 0 && seconds < 100*year.Seconds() {
		return now.Add(time.Duration(seconds * float64(time.Second))).UTC().Round(0)
	}
	return time.Time{}
}

// accessToken is the access token of tok to be cached; nil if there is none or
// it has expired.
func (m *Manager) accessToken(subject string, tok *oauth2.Token, now time.Time) *cached {
	lifetime := assumedLifetime
	switch {
	case !tok.Expiry.IsZero():
		lifetime = tok.Expiry.Sub(now)
	case tok.ExpiresIn > 0:
		lifetime = time.Duration(min(tok.ExpiresIn, int64(year.Seconds()))) * time.Second
	}
	lifetime = min(lifetime, year)
	return m.newCached(subject, tok.AccessToken, tok.Type(), now, now.Add(lifetime), lifetime)
}

// newCached decides when a token is due for a refresh: ahead of its expiry by
// half to all of Config.RefreshAhead, so that tokens of one hour do not all come
// due at once, and by no more than a fifth of its lifetime.
func (m *Manager) newCached(subject, access, kind string, now, expiry time.Time, lifetime time.Duration) *cached {
	if access == "" || !now.Before(expiry) {
		return nil
	}
	ahead := m.refreshAhead - rand.N(m.refreshAhead/2+1)
	return &cached{
		subject:   strings.Clone(subject),
		access:    strings.Clone(access),
		kind:      kind,
		expires:   expiry.Round(0),
		refreshAt: expiry.Add(-min(ahead, lifetime/5)).UnixNano(),
		expiry:    expiry.UnixNano(),
	}
}

// checkIDToken refuses a token answer whose ID token names another user. It
// proves nothing else about the ID token: to verify it is package idtoken's part.
func checkIDToken(tok *oauth2.Token, subject string) error {
	raw, ok := tok.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil
	}
	sub, ok := subjectOf(raw)
	if !ok {
		return fmt.Errorf("%w: the ID token names nobody", ErrSubject)
	}
	if sub != subject {
		return fmt.Errorf("%w: the ID token is another user's", ErrSubject)
	}
	return nil
}

func subjectOf(idToken string) (sub string, ok bool) {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", false
	}
	var claims map[string]json.RawMessage // a struct would take "SUB" for sub
	if json.Unmarshal(payload, &claims) != nil || json.Unmarshal(claims["sub"], &sub) != nil {
		return "", false
	}
	return sub, sub != ""
}
