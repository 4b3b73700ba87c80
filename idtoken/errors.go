package idtoken

import (
	"fmt"
	"net/http"
)

// Why a token is refused; compare with errors.Is. The package documentation has
// a table of the rules behind each.
//
// Every error of this package about a token or a request has, somewhere in its
// chain, a method HTTPStatus() int that says what to answer the client with.
var (
	// ErrMalformed: not a signed token, too long, or with a header or payload
	// that no token of Google's has.
	ErrMalformed error = &sentinel{"malformed token", http.StatusUnauthorized}

	// ErrSignature: the signature is wrong, or no key has the token's kid.
	ErrSignature error = &sentinel{"not signed by the issuer", http.StatusUnauthorized}

	// ErrKeysUnavailable: the token may be good, but the keys could not be
	// fetched; the client may try again with the same token.
	ErrKeysUnavailable error = &sentinel{"no keys to check the signature with", http.StatusServiceUnavailable}

	// ErrExpired: exp has passed.
	ErrExpired error = &sentinel{"token has expired", http.StatusUnauthorized}

	// ErrNotYetValid: iat or nbf is in the future; a clock may be wrong.
	ErrNotYetValid error = &sentinel{"token is not valid yet", http.StatusUnauthorized}

	// ErrIssuer: iss is not Google.
	ErrIssuer error = &sentinel{"not issued by Google", http.StatusUnauthorized}

	// ErrAudience: aud is not, or not only, one of Config.Audiences.
	ErrAudience error = &sentinel{"issued for somebody else", http.StatusUnauthorized}

	// ErrAuthorizedParty: azp is a client that has nothing to do with this
	// backend.
	ErrAuthorizedParty error = &sentinel{"issued to a client that is not ours", http.StatusUnauthorized}

	// ErrHostedDomain: hd is none of Config.HostedDomains.
	ErrHostedDomain error = &sentinel{"account of another organization", http.StatusUnauthorized}

	// ErrNonce: Nonce was demanded, and nonce is another or absent.
	ErrNonce error = &sentinel{"nonce is not the one expected", http.StatusUnauthorized}

	// ErrAccessToken: AccessToken was demanded, and at_hash is another or absent.
	ErrAccessToken error = &sentinel{"not issued with this access token", http.StatusUnauthorized}

	// ErrClaim: a claim that must be there is not, or one has the wrong type.
	ErrClaim error = &sentinel{"missing or invalid claim", http.StatusUnauthorized}
)

type sentinel struct {
	text   string
	status int
}

func (s *sentinel) Error() string   { return "idtoken: " + s.text }
func (s *sentinel) HTTPStatus() int { return s.status }

// A ClaimError is the error of a claim that breaks a rule; it matches the
// sentinel of the rule under errors.Is. Its text never contains the token.
//
// Got is in JSON, with "…" where it was cut off after 80 bytes. A time that the
// token gives as a number of seconds is a string in the form of RFC 3339 there.
type ClaimError struct {
	Claim string // name of the claim, such as aud
	Got   string // its value, fit for a log; empty if it is absent, empty or not to be told
	Want  string // what was expected, in words

	rule error
}

func (e *ClaimError) Error() string {
	text := "idtoken: wrong claim"
	if e.rule != nil {
		text = e.rule.Error()
	}
	if e.Got == "" {
		return fmt.Sprintf("%s: want %s %s", text, e.Claim, e.Want)
	}
	return fmt.Sprintf("%s: %s is %s, want %s", text, e.Claim, e.Got, e.Want)
}

// Unwrap returns the sentinel of the rule that is broken.
func (e *ClaimError) Unwrap() error { return e.rule }

// refusal is a sentinel with a reason. It is put into words only when somebody
// reads it: refusing must cost next to nothing.
type refusal struct {
	rule   error
	reason error
}

func (e *refusal) Error() string   { return e.rule.Error() + ": " + e.reason.Error() }
func (e *refusal) Unwrap() []error { return []error{e.rule, e.reason} }
