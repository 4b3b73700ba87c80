package idtoken

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// A Check is a demand on one token, beside those of the [Config]; see [Nonce]
// and [AccessToken]. It holds a hash of what it compares with, nothing secret.
// The zero Check refuses every token.
type Check struct {
	kind   checkKind
	digest [sha256.Size]byte
}

type checkKind int

const (
	checkNothing checkKind = iota
	checkNonce
	checkAccessToken
)

// Nonce demands that the token carries the nonce that the authorization request
// was sent with. The comparison takes constant time. An empty want is no nonce:
// it refuses every token with [ErrNonce], one without a nonce too.
func Nonce(want string) Check {
	return newCheck(checkNonce, want)
}

// AccessToken demands that the token was issued together with this access
// token, by its at_hash (OpenID Connect Core section 3.1.3.8): the two then
// belong to the same user. A token without at_hash is refused with
// [ErrAccessToken], and so is every token if the access token is empty.
func AccessToken(token string) Check {
	return newCheck(checkAccessToken, token)
}

// newCheck leaves the digest of an empty want zero, which no text has.
func newCheck(kind checkKind, want string) Check {
	c := Check{kind: kind}
	if want != "" {
		c.digest = sha256.Sum256([]byte(want))
	}
	return c
}

func (k Check) run(c *claims) error {
	switch k.kind {
	case checkNonce:
		got := sha256.Sum256([]byte(c.Nonce))
		if subtle.ConstantTimeCompare(got[:], k.digest[:]) != 1 {
			return &ClaimError{Claim: "nonce", Want: "the one of the authorization request", rule: ErrNonce}
		}
	case checkAccessToken:
		if !k.matches(c.atHash) {
			return &ClaimError{Claim: "at_hash", Want: "the hash of the access token", rule: ErrAccessToken}
		}
	default:
		return &ClaimError{Claim: "any", Want: "a Check made by Nonce or AccessToken", rule: ErrClaim}
	}
	return nil
}

// matches compares at_hash with the left half of the digest.
func (k Check) matches(atHash string) bool {
	var want [22]byte
	base64.RawURLEncoding.Encode(want[:], k.digest[:sha256.Size/2])
	return k.digest != [sha256.Size]byte{} && subtle.ConstantTimeCompare([]byte(atHash), want[:]) == 1
}
