package idtoken

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// A Check is a demand on one token, beside those of the [Config]: see [Nonce],
// [AccessToken], [SignedInWithin] and [Methods]. It prints no secret. The zero
// Check refuses every token.
type Check struct {
	run func(c *claims, now time.Time, leeway time.Duration) error
}

// Nonce demands that the token carries the nonce that the authorization request
// was sent with. The comparison takes constant time. An empty want is no nonce:
// it refuses every token with [ErrNonce], one without a nonce too.
func Nonce(want string) Check {
	digest := sha256.Sum256([]byte(want)) // want itself is not kept
	empty := want == ""
	return Check{func(c *claims, _ time.Time, _ time.Duration) error {
		got := sha256.Sum256([]byte(c.Nonce))
		if empty || subtle.ConstantTimeCompare(got[:], digest[:]) != 1 {
			return &ClaimError{Claim: "nonce", Want: "the one of the authorization request", rule: ErrNonce}
		}
		return nil
	}}
}

// AccessToken demands that the token was issued together with this access
// token, by its at_hash (OpenID Connect Core section 3.1.3.8): the two then
// belong to the same user. A token without at_hash is refused with
// [ErrAccessToken], and so is every token if the access token is empty.
func AccessToken(token string) Check {
	digest := sha256.Sum256([]byte(token))
	want := []byte(base64.RawURLEncoding.EncodeToString(digest[:sha256.Size/2]))
	empty := token == ""
	return Check{func(c *claims, _ time.Time, _ time.Duration) error {
		if empty || subtle.ConstantTimeCompare([]byte(c.atHash), want) != 1 {
			return &ClaimError{Claim: "at_hash", Want: "the hash of the access token", rule: ErrAccessToken}
		}
		return nil
	}}
}

// SignedInWithin demands that the user signed in at Google, in that browser or
// device, at most d ago (plus Config.Leeway), by auth_time. iat says only when
// the token was made. An older sign-in is [ErrNotRecent]; a token without
// auth_time is [ErrNotSaid], and old or new cannot be told. A d of zero or less
// refuses every token.
//
// Google sends auth_time only if the authorization request asks for it
// (AuthParams.AuthTime of package exchange), to an app that is In production and
// Verified, with "Session age claims" switched on in the console
// (https://developers.google.com/identity/siwg/security-bundle). Google cannot be
// made to ask for the password again: where a sign-in is not recent, the
// application needs a proof of its own.
func SignedInWithin(d time.Duration) Check {
	return Check{func(c *claims, now time.Time, leeway time.Duration) error {
		switch earliest := now.Add(-leeway).Add(-d); {
		case c.AuthTime.IsZero():
			return &ClaimError{Claim: "auth_time", Want: "from Google: " + hintAuthTime, rule: ErrNotSaid}
		case d <= 0 || c.AuthTime.Before(earliest):
			return claimError("auth_time", stamp(c.AuthTime), "not before "+stamp(earliest), ErrNotRecent)
		}
		return nil
	}}
}

// Methods demands that the user signed in by one of these methods, as amr names
// them (RFC 8176: "mfa", "hwk", …). Other methods are [ErrNotStrong]; a token
// without amr is [ErrNotSaid], and says nothing about how strong the sign-in was.
// Without any names every token is refused.
//
// Google sends amr under the conditions of [SignedInWithin], with
// "Authentication strength claims" switched on in the console and
// AuthParams.Methods asking for it, and may leave it out even then.
func Methods(anyOf ...string) Check {
	anyOf = slices.Clone(anyOf)
	return Check{func(c *claims, _ time.Time, _ time.Duration) error {
		wanted := func(method string) bool { return slices.Contains(anyOf, method) }
		switch {
		case len(c.Methods) == 0:
			return &ClaimError{Claim: "amr", Want: "from Google: " + hintMethods, rule: ErrNotSaid}
		case !slices.ContainsFunc(c.Methods, wanted):
			return claimError("amr", strings.Join(c.Methods, " "), oneOf(anyOf), ErrNotStrong)
		}
		return nil
	}}
}

// Why Google does not say: what a developer can do about it.
const (
	hintAuthTime = "ask for it (AuthParams.AuthTime), and switch on \"Session age claims\" in the console for an app that is In production and Verified"
	hintMethods  = "ask for it (AuthParams.Methods), and switch on \"Authentication strength claims\" in the console for an app that is In production and Verified; it may be missing even then"
)
