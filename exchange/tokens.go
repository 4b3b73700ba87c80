package exchange

import (
	"math"
	"strconv"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// Tokens is what Google issues for a code. The embedded Token is for libraries
// that take an *oauth2.Token, as &t.Token; its Extra has Google's other answers
// under their names, among them "scope" (string), "id_token" (string) and
// "refresh_token_expires_in" (float64, seconds).
//
// Tokens prints, logs and encodes without any token. The embedded Token does
// not, once it is taken out, and neither does Tokens in an unexported field of
// another struct: see Security in the package documentation.
type Tokens struct {
	// Token has a RefreshToken only if the user has just consented to offline
	// access. Never replace a kept refresh token with an empty one. Its Expiry is
	// zero if Google announced none, and the time of the request if what Google
	// announced cannot be read: then it has expired, and needs a refresh.
	oauth2.Token

	// IDToken says who the user is; verify it. Google sends one if the scopes
	// include openid, email or profile. Empty: none was sent.
	IDToken string

	// Scopes are those granted, under the full names that Google gives them,
	// sorted; users may grant fewer than were asked for. Nil: Google did not
	// say. See [Tokens.Missing].
	Scopes []string

	// RefreshTokenExpiry is when the refresh token ends because the user gave
	// access for a limited time, or because the Cloud project is in testing.
	// Zero: no end was announced.
	RefreshTokenExpiry time.Time
}

// Missing returns those of the scopes that were not granted, as they are
// spelled in the call: all of them where Google did not say. The short names
// email and profile stand for those that Google grants,
// https://www.googleapis.com/auth/userinfo.email and userinfo.profile.
func (t *Tokens) Missing(scopes ...string) []string {
	return scope.Missing(t.Scopes, scopes)
}

// hasTokens reports whether a is a token response: an access token, and no token
// or name that is not a string. A lifetime is not worth losing tokens for: see
// accessExpiry.
func (a *answer) hasTokens() bool {
	for _, name := range []string{"access_token", "token_type", "refresh_token", "id_token", "scope"} {
		if _, ok := a.fields[name].(string); !ok && a.fields[name] != nil {
			return false
		}
	}
	return a.text("access_token") != ""
}

// tokens returns what a grants. Nothing of it can be changed through another
// result of the same answer: the map of fields is behind Extra.
func (a *answer) tokens() *Tokens {
	t := &Tokens{
		Token:              *a.token(),
		IDToken:            a.text("id_token"),
		RefreshTokenExpiry: a.refreshExpiry(),
	}
	if s, ok := a.fields["scope"].(string); ok {
		t.Scopes = scope.Parse(s)
	}
	return t
}

func (a *answer) token() *oauth2.Token {
	t := new(oauth2.Token).WithExtra(a.fields)
	t.AccessToken = a.text("access_token")
	t.TokenType = a.text("token_type")
	t.RefreshToken = a.text("refresh_token")
	t.Expiry = a.accessExpiry()
	t.ExpiresIn = int64(seconds(a.fields["expires_in"]) / time.Second)
	return t
}

// accessExpiry is zero if no lifetime is announced. One that cannot be read has
// ended: the next refresh will tell another.
func (a *answer) accessExpiry() time.Time {
	if a.fields["expires_in"] == nil {
		return time.Time{}
	}
	return a.in(seconds(a.fields["expires_in"]))
}

// refreshExpiry is zero if no lifetime is announced, or none that can be read.
func (a *answer) refreshExpiry() time.Time {
	lifetime := seconds(a.fields["refresh_token_expires_in"])
	if lifetime == 0 {
		return time.Time{}
	}
	return a.in(lifetime)
}

// in returns when a lifetime ends, counted from before the request, so that it
// errs on the early side.
func (a *answer) in(lifetime time.Duration) time.Time {
	return a.asked.Add(lifetime).Round(0) // Google's clock is a wall clock
}

// seconds reads a lifetime: a number, or one in a string; else it is zero. What
// no clock can hold is cut to 68 years.
func seconds(v any) time.Duration {
	if s, ok := v.(string); ok {
		v, _ = strconv.ParseFloat(s, 64)
	}
	f, _ := v.(float64)
	if !(f > 0) { // also NaN, which a string can spell
		return 0
	}
	return time.Duration(min(f, math.MaxInt32)) * time.Second
}
