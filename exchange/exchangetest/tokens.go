package exchangetest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// A code is an authorization code and its state.
type code struct {
	value string
	signIn
	consent   *consent
	scopes    []string // granted
	refreshes bool     // comes with a refresh token
	asked     bool     // the user has seen the consent screen
	expiry    time.Time
	authTime  time.Time // when the user signed in to Google

	redeemed bool
	dead     bool // a wrong try has used it up
	ended    bool // with all tokens that were issued for it
}

// A token is the common part of access and refresh tokens.
type token struct {
	value string
	*code
	scopes []string
	expiry time.Time // zero: none
	ended  bool
}

type accessToken struct {
	token
	offline bool // came with, or from, a refresh token
}

type refreshToken struct {
	token
	used       time.Time
	thumbprint string // of the key that it is bound to; empty: none
	reauth     bool   // the user has to sign in again
}

func (t *token) alive(now time.Time) bool {
	return !t.ended && !t.code.ended && !t.consent.ended && !t.user.deleted &&
		!t.client.deleted &&
		(t.expiry.IsZero() || now.Before(t.expiry))
}

// issued are the tokens of one response of the token endpoint.
type issued struct {
	access  *accessToken
	refresh *refreshToken // nil: none
	limit   time.Time     // when refreshing ends; zero: never
	fresh   bool          // for a code, not for a refresh token
}

// authenticate returns the client that a request comes from.
func (l *ledger) authenticate(id, secret string) (*client, *refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.client(id)
	if no := c.refusal(); no != nil {
		return nil, no
	}
	switch {
	case secret == c.Secret, secret == "" && c.Installed:
		return c, nil
	case secret == "":
		return nil, badRequest("invalid_request", "client_secret is missing.")
	}
	return nil, unauthorized("invalid_client", "Unauthorized")
}

// redeem turns a code into tokens, once. A refresh token is bound to the key with
// that thumbprint, if it is not empty.
func (l *ledger) redeem(c *client, value, redirectURI, verifier, thumbprint string) (issued, *refusal) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	code := l.codes[value]
	if code == nil {
		return issued{}, errMalformedCode
	}
	if no := l.usable(code, c, redirectURI, verifier, now); no != nil {
		if code.redeemed {
			code.ended = !l.options.KeepReusedTokens
		} else {
			code.dead = !l.options.KeepFailedCodes
		}
		return issued{}, no
	}
	code.redeemed = true
	tokens := issued{fresh: true}
	if code.refreshes {
		tokens.refresh = l.newRefreshToken(code, thumbprint, now)
		tokens.limit = tokens.refresh.expiry
	}
	tokens.access = l.newAccessToken(code, code.scopes, code.refreshes, now)
	return tokens, nil
}

func (l *ledger) usable(code *code, c *client, redirectURI, verifier string, now time.Time) *refusal {
	switch {
	case code.client != c:
		return errForeign
	case code.redeemed, code.dead, code.consent.ended, !now.Before(code.expiry):
		return errDeadCode
	case code.redirectURI != redirectURI:
		return badRequest("redirect_uri_mismatch", "Bad Request")
	case code.challenge != "" && verifier == "":
		return badRequest("invalid_grant", "Missing code verifier.")
	case !proves(verifier, code.challenge, code.method):
		return badRequest("invalid_grant", "Invalid code verifier.")
	}
	return code.user.refusal()
}

// proves checks a code_verifier (RFC 7636 section 4.6). A verifier without a
// challenge proves nothing, and is as wrong as a challenge without a verifier.
func proves(verifier, challenge, method string) bool {
	if challenge == "" || !rfc7636.MatchString(verifier) {
		return challenge == verifier
	}
	if method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return verifier == challenge
}

// renew turns a refresh token into an access token, for fewer scopes if scopes
// has any. thumbprint is that of the key which the request proves possession of.
func (l *ledger) renew(c *client, value string, scopes []string, thumbprint string) (issued, *refusal) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.refresh[value]
	switch {
	case t == nil:
		return issued{}, errDeadCode
	case t.client != c:
		return issued{}, errForeign
	case t.user.refusal() != nil:
		return issued{}, t.user.refusal()
	case !t.alive(now), now.After(t.used.AddDate(0, 6, 0)):
		return issued{}, errEndedToken
	case t.thumbprint != "" && t.thumbprint != thumbprint:
		return issued{}, badProof("Refresh token is bound to another key.")
	case t.reauth:
		return issued{}, errReauth
	case len(scope.Missing(t.scopes, scopes)) > 0:
		return issued{}, badRequest("invalid_scope", "Bad Request")
	case len(scopes) == 0:
		scopes = t.scopes
	}
	t.used = now
	tokens := issued{limit: t.expiry}
	if l.options.RotateRefreshTokens {
		t.ended = true
		tokens.refresh = l.newRefreshToken(t.code, t.thumbprint, now)
		tokens.refresh.expiry = t.expiry
	}
	tokens.access = l.newAccessToken(t.code, scope.Set(scopes...), true, now)
	return tokens, nil
}

func (l *ledger) newAccessToken(c *code, scopes []string, offline bool, now time.Time) *accessToken {
	t := &accessToken{offline: offline, token: token{
		value: secret("ya29.a0", 150), code: c, scopes: scopes,
		expiry: now.Add(l.options.AccessTokenLifetime),
	}}
	l.access[t.value] = t
	return t
}

func (l *ledger) newRefreshToken(c *code, thumbprint string, now time.Time) *refreshToken {
	t := &refreshToken{used: now, thumbprint: thumbprint, token: token{value: secret("1//0", 72), code: c, scopes: c.scopes}}
	if l.options.Testing && slices.ContainsFunc(c.scopes, func(s string) bool { return !isIdentity(s) }) {
		t.expiry = now.Add(7 * 24 * time.Hour)
	}
	l.refresh[t.value] = t
	l.evict(t, now)
	return t
}

// refreshTokenLimit is how many refresh tokens a user can have for one client
// (https://developers.google.com/identity/protocols/oauth2#expiration).
const refreshTokenLimit = 100

// evict adds t to the user's refresh tokens for the client, and ends the oldest
// beyond the limit, silently as Google does.
func (l *ledger) evict(t *refreshToken, now time.Time) {
	key := tokenKey{t.client.ID, t.user.subject}
	live := slices.DeleteFunc(l.kept[key], func(t *refreshToken) bool { return !t.alive(now) })
	live = append(live, t)
	if n := len(live) - refreshTokenLimit; n > 0 {
		for _, old := range live[:n] {
			old.ended = true
		}
		live = live[n:]
	}
	l.kept[key] = live
}

// inspect returns an access token that is good now; nil if it is not.
func (l *ledger) inspect(value string) *accessToken {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.access[value]; t != nil && t.alive(now) {
		return t
	}
	return nil
}

// revoke ends, with either kind of token, all that the user has granted to the
// whole project. It reports whether the token was good.
func (l *ledger) revoke(value string) bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	var t *token
	if a := l.access[value]; a != nil {
		t = &a.token
	} else if r := l.refresh[value]; r != nil {
		t = &r.token
	}
	if t == nil || !t.alive(now) {
		return false
	}
	l.end(t.key())
	return true
}

// secret returns prefix followed by n random bytes in base64url.
func secret(prefix string, n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}
