package exchange

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// The meaning of a failure for the caller. Every error that comes from a request,
// a response or a callback Is one of these; the package documentation has the
// table.
var (
	// ErrInvalidGrant: the code or refresh token is spent, expired, revoked,
	// issued under another redirect_uri, or was never one. A code: get a new one. A
	// refresh token: the user has to consent again. Never transient.
	ErrInvalidGrant error = &sentinel{text: "invalid grant", status: http.StatusBadRequest, problem: problemCodeSpent}

	// ErrRedirectMismatch: the redirect_uri (see [RedirectURI]) is not the one under
	// which the code was issued, or not a registered one. A fault of this
	// backend's configuration.
	ErrRedirectMismatch error = &sentinel{text: "redirect_uri mismatch", status: http.StatusInternalServerError, problem: problemServer}

	// ErrClient: Google refuses this OAuth client or the way it asks (its
	// secret, its configuration, a code that belongs to another client), or
	// the endpoint is not Google's. Trying again does not help, and no kept
	// refresh token has become bad.
	ErrClient error = &sentinel{text: "OAuth client or request refused", status: http.StatusInternalServerError, problem: problemServer}

	// ErrTemporary: Google was not reached, could not answer, or asks to slow
	// down. Later it may work; for a code see [Client.Exchange].
	ErrTemporary error = &sentinel{text: "temporary failure", status: http.StatusServiceUnavailable, problem: problemRetryLater}

	// ErrDenied: the user, or an administrator on their behalf, said no, or
	// Google does not let this user in this way: not with this account
	// (org_internal), not under Advanced Protection (policy_enforced), not in a
	// web view (disallowed_useragent), or not without asking them something
	// (login_required, consent_required and the like).
	ErrDenied error = &sentinel{text: "denied", status: http.StatusForbidden, problem: problemDenied}

	// ErrAccount: [Client.ExchangeFor] has redeemed a code of another Google Account
	// than the one that has signed in.
	ErrAccount error = &sentinel{text: "code of another account", status: http.StatusForbidden, problem: problemOtherAccount}

	// ErrState: a callback does not belong to the AuthRequest: its state, its
	// issuer or the nonce of its ID token is another one, or the AuthRequest has
	// lost a part.
	ErrState error = &sentinel{text: "callback of another sign-in", status: http.StatusBadRequest, problem: problemNotStarted}

	// ErrBadRequest: a request, or a callback, that should bring a code is not
	// acceptable, or its value cannot be a code; in the latter case the error Is
	// ErrInvalidGrant too.
	ErrBadRequest error = &sentinel{text: "request refused", status: http.StatusBadRequest, problem: problemBadRequest}

	// ErrKey: the refresh token is bound to a key that is not in the Config (see
	// Config.DPoP). Nothing was sent, and with that key it works. A [*KeyError] in
	// the chain names the keys.
	ErrKey error = &sentinel{text: "no key for the refresh token", status: http.StatusInternalServerError, problem: problemServer}
)

// errNotACode Is ErrBadRequest, because the app has sent it, and ErrInvalidGrant,
// as Google would say.
var errNotACode error = &sentinel{
	text: "not a code", status: http.StatusBadRequest, problem: problemBadRequest, is: []error{ErrInvalidGrant, ErrBadRequest},
}

type sentinel struct {
	text    string
	status  int
	problem string
	is      []error
}

func (s *sentinel) Error() string       { return "exchange: " + s.text }
func (s *sentinel) HTTPStatus() int     { return s.status }
func (s *sentinel) ProblemCode() string { return s.problem }
func (s *sentinel) Unwrap() []error     { return s.is }

// An Error is the failure of one operation. It Is one of the sentinels. If Google
// gave an OAuth error code, errors.As finds an *oauth2.RetrieveError in it, whose
// Body and Response are nil. Neither its fields nor the errors that it wraps have
// a code, a token, a secret or a response body. A test may make an Error from its
// Code alone: &Error{Code: "invalid_grant"} Is ErrInvalidGrant. Callers that share one
// request to Google share its Error too: its fields are for reading.
type Error struct {
	Op          string        // "authorize", "callback", "exchange", "refresh", "revoke" or "read code"
	Code        string        // Google's error, such as "invalid_grant"; empty if it gave none
	Subtype     string        // Google's error_subtype, such as "invalid_rapt"; mostly empty
	Description string        // Google's error_description, for people: do not branch on it
	Status      int           // HTTP status of Google's answer; 0: there was none
	RetryAfter  time.Duration // how long Google asks to wait, at most 24 hours; 0: it does not say

	kind   error  // the sentinel; nil: that of Code
	status int    // HTTP status for the app; 0: that of kind
	reason string // the fault, in words of this package
	hint   string // where the hint for kind and Code would not do
	cause  error

	retry     bool // the same request may succeed in a moment
	ambiguous bool // a code may have been redeemed all the same
}

// Error names the operation, the meaning of its failure, and Google's error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("exchange: ")
	if e.Op != opExchange && e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(strings.TrimPrefix(e.means().Error(), "exchange: "))
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

// Unwrap returns the sentinel of the failure and its cause, if there is one: the
// error of a transport or of a context.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.means()}
	}
	return []error{e.means(), e.cause}
}

// means returns the sentinel. An Error that another package has made, for a test
// perhaps, has only its Code.
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
	if e.status != 0 {
		return e.status
	}
	return HTTPStatus(e.means())
}

// meaningOf returns the sentinel for an OAuth error code, of the token endpoint
// or in a callback.
func meaningOf(code string) error {
	switch code {
	case "invalid_grant":
		return ErrInvalidGrant
	case "redirect_uri_mismatch":
		return ErrRedirectMismatch
	case "internal_failure", "server_error", "temporarily_unavailable", "rate_limit_exceeded":
		return ErrTemporary
	case "access_denied", "admin_policy_enforced", "policy_enforced", "org_internal", "disallowed_useragent",
		"interaction_required", "login_required", "consent_required", "account_selection_required":
		return ErrDenied
	}
	return ErrClient
}

// isOAuthWord reports whether word is an error code of OAuth's or Google's.
func isOAuthWord(word string) bool {
	switch word {
	case "invalid_request", "unsupported_grant_type", "unsupported_response_type", "invalid_token", "unsupported_token_type":
		return true
	}
	return meaningOf(word) != ErrClient || hintFor(word, word) != ""
}

// HTTPStatus returns the HTTP status with which to answer an app or a browser
// when its sign-in has failed with err. An error with a method HTTPStatus() int
// in its chain says its own, also an error of another package; another that Is
// context.DeadlineExceeded is 503, any other 500, and nil is 200.
func HTTPStatus(err error) int {
	if err == nil {
		return http.StatusOK
	}
	says, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !ok && errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable
	}
	if !ok {
		return http.StatusInternalServerError
	}
	if status := says.HTTPStatus(); status >= 400 && status <= 599 {
		return status
	}
	return http.StatusInternalServerError
}

// Hint returns a sentence or two of advice for the people who run the backend, not
// for its users.
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	if h := hintFor(e.Code, e.Subtype); h != "" {
		return h
	}
	switch kind := e.means(); {
	case errors.Is(kind, ErrInvalidGrant) && e.Op == opRefresh:
		return "The refresh token is revoked or expired, or more than 100 newer ones were issued for this user and client: have the app get a code with consent."
	case errors.Is(kind, ErrInvalidGrant):
		return "Codes work once and for a short time: have the app get a new one. If new ones fail too, check that the RedirectURI and the PKCE verifier are those of the code."
	case kind == ErrTemporary:
		return "Try again later: Google, or the network on the way to it, has failed."
	case kind == ErrDenied:
		return "The user or their administrator did not agree: let them go on without Google, and try again when they ask for it."
	case kind == ErrAccount:
		return "The user has chosen another Google Account for the code than for the sign-in: have the app ask for the same one (setAccount on Android), or begin a sign-in with the other."
	case kind == ErrKey:
		return "Put the key that the refresh token is bound to into Config.DPoPKeys, after the one for new grants."
	case kind == ErrState:
		return "The sign-in was started in another browser session, or has been finished already: start a new one."
	case kind == ErrBadRequest:
		return "See the documentation of ReadCode for what a request must look like."
	}
	return "Check the client ID, the secret and the Endpoint of the Config against Google's console."
}

func hintFor(code, subtype string) string {
	if subtype == "invalid_rapt" || subtype == "rapt_required" {
		return "The session length that the user's administrator allows is over: have the user sign in again."
	}
	switch code {
	case "redirect_uri_mismatch":
		return "Use App for codes from iOS and Android, Popup for those of a Google Identity Services popup, and otherwise exactly the redirect URI of the authorization request."
	case "invalid_client":
		return "The client ID or its secret is wrong: compare the Config with Google's console, and look for a secret that was replaced."
	case "unauthorized_client":
		return "The code or token belongs to another OAuth client: the app must be given this backend's web client as its server client ID."
	case "deleted_client", "disabled_client":
		return "The OAuth client was deleted or disabled: restore it in Google's console."
	case "invalid_dpop_proof":
		return "Google does not take the proof of Config.DPoP: look at this machine's clock, at the Endpoint, and whether the refresh token is bound to another key, or to one at all."
	case "use_dpop_nonce":
		return "Google asks for a proof with a nonce, though it got one, or Config.DPoP is not set and the refresh token is bound to a key."
	case "invalid_scope":
		return "A scope is not, or no longer, allowed for this client: check it in Google's console."
	case "admin_policy_enforced":
		return "The user's Workspace administrator does not allow this app or one of its scopes: only the administrator can change that."
	case "policy_enforced":
		return "The user has put the account under Google's Advanced Protection, which lets in only apps that Google has verified, and not for every scope: the user can go on without Google, or with another account."
	case "org_internal":
		return "The app is for users of its own organisation: they must sign in with an account of it."
	case "interaction_required", "login_required", "consent_required", "account_selection_required":
		return "Google has to ask the user, and was told not to (prompt=none): send the user there again, without that."
	case "disallowed_useragent":
		return "Google does not sign users in inside an embedded web view: the app must open the authorization page in the system browser, or use Google's SDK."
	}
	return ""
}
