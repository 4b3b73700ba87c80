package tokenstore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
	"golang.org/x/oauth2"
)

const (
	bearerType = "Bearer"

	year = 365 * 24 * time.Hour

	// assumedLifetime is that of an access token without an expiry: expires_in is
	// only recommended (RFC 6749 section 5.1).
	assumedLifetime = 5 * time.Minute

	// lookAgain is how long a process serves an access token without looking at
	// the record, with Config.ShareAccessTokens.
	lookAgain = time.Minute
)

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
	if s := extra(tok, "scope"); s != "" {
		scopes = scope.Parse(strings.Clone(s))
	}
	now := m.clock.Time()
	return response{
		refreshToken:       strings.Clone(tok.RefreshToken),
		keyThumbprint:      strings.Clone(extra(tok, "dpop_jkt")), // exchange's Client adds it
		scopes:             scopes,
		refreshTokenExpiry: refreshTokenExpiry(tok, now),
		access:             m.accessTokenOf(tok, now),
		named:              extra(tok, "id_token") != "",
	}
}

// extra returns a string of the token response.
func extra(tok *oauth2.Token, name string) string {
	s, _ := tok.Extra(name).(string)
	return s
}

// refreshTokenExpiry reads Google's refresh_token_expires_in, in seconds.
func refreshTokenExpiry(tok *oauth2.Token, now time.Time) time.Time {
	announced := fmt.Sprint(tok.Extra("refresh_token_expires_in")) // a float64, an int, a json.Number or nil
	seconds, _ := strconv.ParseFloat(announced, 64)
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

// An accessToken is one in memory. It never changes once other goroutines can
// see it. Times are nanoseconds since 1970.
type accessToken struct {
	value, kind string
	checkAt     int64 // from then on Token looks whether there is a better one; 0: an API has refused it
	dueAt       int64 // from then on it is replaced
	expiry      int64
	refreshedAt int64 // when a refresh brought it; 0: it came otherwise
}

// newAccessToken decides when a token is due for a refresh: ahead of its expiry
// by half to all of Config.RefreshAhead, so that tokens of one hour do not all
// come due at once, and by no more than a fifth of its lifetime. It returns nil
// if there is no token or it has expired.
func (m *Manager) newAccessToken(value, kind string, now, expiry time.Time, lifetime time.Duration) *accessToken {
	if value == "" || !now.Before(expiry) {
		return nil
	}
	ahead := min(jittered(m.config.RefreshAhead, now), lifetime/5)
	due := expiry.Add(-ahead).UnixNano()
	return &accessToken{
		value: strings.Clone(value), kind: kind,
		checkAt: due, dueAt: due, expiry: expiry.UnixNano(),
	}
}

// jittered returns between a half and all of d. It takes the low digits of the clock
// for random ones, so that a test that sets the clock gets the same result each time.
func jittered(d time.Duration, now time.Time) time.Duration {
	return d - time.Duration(now.UnixNano()%int64(d/2+1))
}

// oauth2 returns a copy for the caller to keep.
func (c *accessToken) oauth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: c.value, TokenType: c.kind, Expiry: time.Unix(0, c.expiry)}
}

// fresh reports whether the token can be served without a look at anything.
func (c *accessToken) fresh(now int64) bool { return c != nil && now < c.checkAt }

// usable reports whether the token can be served if there is no better one.
func (c *accessToken) usable(now int64) bool { return c != nil && c.checkAt != 0 && now < c.expiry }

// checkedFrom returns a copy that Token serves until then without a check. From 0
// on it is refused, and stays in memory only so that it is not taken from the store
// again.
func (c *accessToken) checkedFrom(at int64) *accessToken {
	copied := *c
	copied.checkAt = at
	return &copied
}
