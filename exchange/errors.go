package exchange

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// What a failure means for the caller. Every error that comes from a request,
// an answer or a callback Is one of these; the package documentation has the
// table.
var (
	// ErrInvalidGrant: the code or refresh token is spent, expired, revoked,
	// issued under another redirect_uri, or was never one. A code: get a new one. A
	// refresh token: the user has to consent again. Never transient.
	ErrInvalidGrant error = &sentinel{text: "invalid grant", status: http.StatusBadRequest}

	// ErrRedirectMismatch: the redirect_uri (see [RedirectURI]) is not the one under
	// which the code was issued, or not a registered one. A fault of this
	// backend's configuration.
	ErrRedirectMismatch error = &sentinel{text: "redirect_uri mismatch", status: http.StatusInternalServerError}

	// ErrClient: Google refuses this OAuth client or the way it asks (its
	// secret, its configuration, a code that belongs to another client), or
	// the endpoint is not Google's. Trying again does not help, and no kept
	// refresh token has become bad.
	ErrClient error = &sentinel{text: "OAuth client or request refused", status: http.StatusInternalServerError}

	// ErrTemporary: Google was not reached, could not answer, or asks to slow
	// down. Later it may work; for a code see [Client.Exchange].
	ErrTemporary error = &sentinel{text: "temporary failure", status: http.StatusServiceUnavailable}

	// ErrDenied: the user, or an administrator on their behalf, said no, or
	// Google does not let this user in this way: not with this account
	// (org_internal), not in a web view (disallowed_useragent), or not without
	// asking them something (login_required, consent_required and the like).
	ErrDenied error = &sentinel{text: "denied", status: http.StatusForbidden}

	// ErrState: a callback does not belong to the AuthRequest: its state, its
	// issuer or the nonce of its ID token is another one, or the AuthRequest has
	// lost a part.
	ErrState error = &sentinel{text: "callback of another sign-in", status: http.StatusBadRequest}

	// ErrBadRequest: a request, or a callback, that should bring a code is not
	// acceptable, or what it brings cannot be a code; in the latter case the error Is
	// ErrInvalidGrant too.
	ErrBadRequest error = &sentinel{text: "request refused", status: http.StatusBadRequest}
)

// errNotACode is both what the app did wrong and what Google would say.
var errNotACode error = &sentinel{
	text: "not a code", status: http.StatusBadRequest, is: []error{ErrInvalidGrant, ErrBadRequest},
}

type sentinel struct {
	text   string
	status int
	is     []error
}

func (s *sentinel) Error() string   { return "exchange: " + s.text }
func (s *sentinel) HTTPStatus() int { return s.status }
func (s *sentinel) Unwrap() []error { return s.is }

// An Error is the failure of one operation. It Is one of the sentinels, and, if
// Google gave an OAuth error code, errors.As finds an *oauth2.RetrieveError in
// it, whose Body and Response are nil. No code, token, secret or response body
// is in any of its fields or in what it wraps. One that you make for a test of
// your own means what its Code does: &Error{Code: "invalid_grant"} Is
// ErrInvalidGrant.
type Error struct {
	Op          string        // "authorize", "callback", "exchange", "refresh", "revoke" or "read code"
	Code        string        // Google's error, such as "invalid_grant"; empty if it gave none
	Subtype     string        // Google's error_subtype, such as "invalid_rapt"; mostly empty
	Description string        // Google's error_description, for people: do not branch on it
	Status      int           // HTTP status of Google's answer; 0: there was none
	RetryAfter  time.Duration // how long Google asks to wait, at most 24 hours; 0: it does not say

	kind   error  // the sentinel; nil: what Code means
	answer int    // what to answer the app with, where it is not what kind says
	reason string // what is wrong, in words of this package
	hint   string // where the hint for kind and Code would not do
	cause  error

	retry     bool // the same request may succeed in a moment
	ambiguous bool // a code may have been redeemed all the same
}

// Error says what failed, what that means, and what Google said.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("exchange: " + e.Op + ": " + strings.TrimPrefix(e.means().Error(), "exchange: "))
	if e.reason != "" {
		b.WriteString(": " + e.reason)
	}
	if e.Status != 0 {
		b.WriteString(": HTTP " + strconv.Itoa(e.Status))
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Subtype != "" {
		b.WriteString(" (" + e.Subtype + ")")
	}
	if e.Description != "" {
		b.WriteString(" " + strconv.Quote(e.Description))
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap returns what the failure means and, if there is one, its cause: a
// transport's error or that of a context.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.means()}
	}
	return []error{e.means(), e.cause}
}

// means returns the sentinel. An Error that somebody else has made, for a test
// perhaps, has but its Code.
func (e *Error) means() error {
	if e.kind == nil {
		return meaningOf(e.Code)
	}
	return e.kind
}

// As makes errors.As find the *oauth2.RetrieveError that x/oauth2 would have
// returned, without the response that it would have carried.
func (e *Error) As(target any) bool {
	re, ok := target.(**oauth2.RetrieveError)
	if !ok || e.Code == "" { // without a code, RetrieveError.Error needs the response
		return false
	}
	*re = &oauth2.RetrieveError{ErrorCode: e.Code, ErrorDescription: e.Description}
	return true
}

// OAuthError returns Google's error code and subtype, empty where it gave none.
func (e *Error) OAuthError() (code, subtype string) { return e.Code, e.Subtype }

// HTTPStatus returns the status to answer an app with, as [HTTPStatus] does.
func (e *Error) HTTPStatus() int {
	if e.answer != 0 {
		return e.answer
	}
	return HTTPStatus(e.means())
}

// HTTPStatus returns the HTTP status with which to answer an app or a browser
// when its sign-in has failed with err. An error with a method HTTPStatus() int
// in its chain says its own, also an error of another package; any other is
// 500, and nil is 200.
func HTTPStatus(err error) int {
	if err == nil {
		return http.StatusOK
	}
	says, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !ok {
		return http.StatusInternalServerError
	}
	if status := says.HTTPStatus(); status >= 400 && status <= 599 {
		return status
	}
	return http.StatusInternalServerError
}
