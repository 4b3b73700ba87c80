package idtoken

import (
	"fmt"
	"net/http"
)

// The reasons for which a token is refused, for errors.Is. The package
// documentation has a table of the rules behind each.
//
// Every error of this package about a token or a request has, somewhere in its
// chain, a method HTTPStatus() int that says what to answer the client with.
var (
	// ErrMalformed: not a signed token, too long, or with a header or payload
	// that Google's tokens do not have.
	ErrMalformed error = &sentinel{text: "malformed token", status: http.StatusUnauthorized}

	// ErrNoToken: the token is the empty string. A code that was issued without
	// openid among its scopes brings no ID token. It is ErrMalformed too.
	ErrNoToken error = &sentinel{text: "no ID token: ask for openid among the scopes of the sign-in", status: http.StatusUnauthorized, kind: ErrMalformed}

	// ErrSignature: the signature is wrong, or no key has the token's kid.
	ErrSignature error = &sentinel{text: "not signed by the issuer", status: http.StatusUnauthorized}

	// ErrKeysUnavailable: the token may be good, but the keys could not be
	// fetched; the client may try again with the same token.
	ErrKeysUnavailable error = &sentinel{text: "no keys to check the signature with", status: http.StatusServiceUnavailable}

	// ErrExpired: exp has passed.
	ErrExpired error = &sentinel{text: "token has expired", status: http.StatusUnauthorized}

	// ErrNotYetValid: iat or nbf is in the future; a clock may be wrong.
	ErrNotYetValid error = &sentinel{text: "token is not valid yet", status: http.StatusUnauthorized}

	// ErrIssuer: iss is not Google.
	ErrIssuer error = &sentinel{text: "not issued by Google", status: http.StatusUnauthorized}

	// ErrAudience: aud is not, or not only, one of Config.Audiences.
	ErrAudience error = &sentinel{text: "issued for another client", status: http.StatusUnauthorized}

	// ErrAuthorizedParty: azp is a client that does not belong to this backend.
	ErrAuthorizedParty error = &sentinel{text: "issued to a client that is not ours", status: http.StatusUnauthorized}

	// ErrHostedDomain: hd is none of Config.HostedDomains.
	ErrHostedDomain error = &sentinel{text: "account of another organization", status: http.StatusUnauthorized}

	// ErrNonce: Nonce was demanded, and nonce is another or absent.
	ErrNonce error = &sentinel{text: "nonce is not the one expected", status: http.StatusUnauthorized}

	// ErrAccessToken: AccessToken was demanded, and at_hash is another or absent.
	ErrAccessToken error = &sentinel{text: "not issued with this access token", status: http.StatusUnauthorized}

	// ErrNotRecent: SignedInWithin was demanded, and auth_time is longer ago. As
	// for ErrNotStrong, the status is that of RFC 9470 section 3.
	ErrNotRecent error = &sentinel{text: "the sign-in is not recent", status: http.StatusUnauthorized}

	// ErrNotStrong: Methods was demanded, and amr has none of them.
	ErrNotStrong error = &sentinel{text: "not signed in by a method asked for", status: http.StatusUnauthorized}

	// ErrNotSaid: SignedInWithin or Methods was demanded, and Google says nothing
	// about it. The text says what to switch on in Google's console.
	ErrNotSaid error = &sentinel{text: "Google does not say", status: http.StatusForbidden}

	// ErrClaim: a claim that must be there is not, or one has the wrong type.
	ErrClaim error = &sentinel{text: "missing or invalid claim", status: http.StatusUnauthorized}
)

type sentinel struct {
	text   string
	status int
	kind   error // nil, or the sentinel that this one is a case of
}

func (s *sentinel) Error() string   { return "idtoken: " + s.text }
func (s *sentinel) HTTPStatus() int { return s.status }
func (s *sentinel) Unwrap() error   { return s.kind }

// A ClaimError is the error of a claim that breaks a rule; it matches the
// sentinel of the rule under errors.Is. Its text never contains the token.
//
// Got is in JSON, with "…" where it was cut off after 80 bytes. A time that the
// token gives as a number of seconds is a string in the form of RFC 3339 there.
type ClaimError struct {
	Claim string // name of the claim, such as aud
	Got   string // its value, fit for a log; empty if it is absent, empty or a secret
	Want  string // the expected value, in words

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

// refusal is a sentinel with a reason. Its text is built only when it is read, to
// keep refusing cheap.
type refusal struct {
	rule   error
	reason error
}

func (e *refusal) Error() string   { return e.rule.Error() + ": " + e.reason.Error() }
func (e *refusal) Unwrap() []error { return []error{e.rule, e.reason} }
