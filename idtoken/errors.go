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
	ErrMalformed       error = &sentinel{"malformed token", http.StatusUnauthorized}
	ErrSignature       error = &sentinel{"not signed by the issuer", http.StatusUnauthorized}
	ErrKeysUnavailable error = &sentinel{"no keys to check the signature with", http.StatusServiceUnavailable}
	ErrExpired         error = &sentinel{"token has expired", http.StatusUnauthorized}
	ErrNotYetValid     error = &sentinel{"token is not valid yet", http.StatusUnauthorized}
	ErrIssuer          error = &sentinel{"not issued by Google", http.StatusUnauthorized}
	ErrAudience        error = &sentinel{"issued for somebody else", http.StatusUnauthorized}
	ErrAuthorizedParty error = &sentinel{"issued to a client that is not ours", http.StatusUnauthorized}
	ErrHostedDomain    error = &sentinel{"account of another organization", http.StatusUnauthorized}
	ErrNonce           error = &sentinel{"nonce is not the one expected", http.StatusUnauthorized}
	ErrAccessToken     error = &sentinel{"not issued with this access token", http.StatusUnauthorized}
	ErrClaim           error = &sentinel{"missing or invalid claim", http.StatusUnauthorized}
)

type sentinel struct {
	text   string
	status int
}

func (s *sentinel) Error() string   { return "idtoken: " + s.text }
func (s *sentinel) HTTPStatus() int { return s.status }

// A ClaimError is the error of a claim that breaks a rule; it matches the
// sentinel of the rule under errors.Is. Its text never contains the token.
type ClaimError struct {
	Claim string // name of the claim, such as aud
	Got   string // its value in JSON, shortened; empty if it is absent, or not to be told
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
