package tokenstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/redact/redactoauth"
)

// What callers branch on, with errors.Is. Each has an HTTPStatus method, which
// exchange.HTTPStatus honours; the package comment has the table.
var (
	// ErrNotFound: no grant is kept for the user.
	ErrNotFound error = &sentinel{"no grant is kept", http.StatusNotFound}
	// ErrConflict: the grant has changed since it was read. The Manager decides
	// again, so it comes from a [Store], from [Manager.Disconnect] when the user
	// signs in meanwhile, or if the store never settles.
	ErrConflict error = &sentinel{"the grant has changed since it was read", http.StatusConflict}
	// ErrNeedsConsent: the user has to go through Google's consent screen
	// again. A [*ConsentError] says why.
	ErrNeedsConsent error = &sentinel{"the user's consent is needed", http.StatusForbidden}
	// ErrSealed: the record is there and cannot be opened: another key, another
	// user's record, a changed or a plaintext one. It stays as it is, and so does
	// the error at each sign-in without a new refresh token: log it loudly.
	// Mostly a key is missing, and with it back all is well. If it is gone for
	// good, treat it as ErrNeedsConsent: a sign-in with consent replaces the
	// record, and the refresh token in it is lost, also if the key turns up.
	ErrSealed error = &sentinel{"the record cannot be unsealed", http.StatusInternalServerError}
	// ErrSubject: the subject cannot be one, or the ID token is another user's.
	ErrSubject error = &sentinel{"wrong subject", http.StatusUnauthorized}
	// ErrKey: the refresh token is bound to a key, and [Config].Refresher is no
	// [BoundRefresher], so that it cannot prove to have the key. Nothing was sent,
	// and the grant stays as it is. A BoundRefresher without the key has an error of
	// its own: exchange.ErrKey.
	ErrKey error = &sentinel{"the refresh token is bound to a key, and Config.Refresher has no RefreshBound", http.StatusInternalServerError}
)

type sentinel struct {
	text   string
	status int
}

func (s *sentinel) Error() string   { return s.text }
func (s *sentinel) HTTPStatus() int { return s.status }

// The reasons of a [ConsentError] and of [Grant].Reason that the Manager itself
// gives. Another one is the error_subtype that came with Google's invalid_grant,
// or what [Manager.MarkRevoked] was told.
const (
	// ReasonNone: no refresh token is kept for the user.
	ReasonNone = "none_kept"
	// ReasonInvalidGrant: Google refuses the refresh token: revoked, expired,
	// or pushed out by newer ones.
	ReasonInvalidGrant = "invalid_grant"
	// ReasonInvalidRAPT and ReasonRAPTRequired: the session control of the
	// user's organisation asks for a new login.
	ReasonInvalidRAPT  = "invalid_rapt"
	ReasonRAPTRequired = "rapt_required"
	// ReasonRevoked: [Manager.MarkRevoked] was told so, without another reason.
	ReasonRevoked = "revoked"
)

// A ConsentError says that a user has to sign in with consent again, and why. It
// Is [ErrNeedsConsent]; where no refresh token is kept, it Is [ErrNotFound] too.
type ConsentError struct {
	Subject, Reason string

	absent bool
}

func noneKept(subject string) error { return &ConsentError{subject, ReasonNone, true} }

func needsConsent(subject, reason string) error { return &ConsentError{subject, reason, false} }

func (e *ConsentError) Error() string {
	return fmt.Sprintf("tokenstore: %s needs to give consent: %s", e.Subject, e.Reason)
}

// Is matches [ErrNeedsConsent], and [ErrNotFound] where none is kept.
func (e *ConsentError) Is(target error) bool {
	return target == ErrNeedsConsent || target == ErrNotFound && e.absent
}

// HTTPStatus returns 403.
func (e *ConsentError) HTTPStatus() int { return http.StatusForbidden }

// ProblemCode returns "consent_required", by which an app knows to get a code with
// consent: see exchange.ProblemCode.
func (e *ConsentError) ProblemCode() string { return "consent_required" }

// oauthError is what exchange.Error and its like say about themselves.
type oauthError interface {
	error
	OAuthError() (code, subtype string)
}

// oauthCode returns the OAuth error code in err's chain and Google's
// error_subtype, or nothing.
func oauthCode(err error) (code, subtype string) {
	if e, ok := errors.AsType[oauthError](err); ok {
		return e.OAuthError()
	}
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		var body struct {
			Subtype string `json:"error_subtype"`
		}
		_ = json.Unmarshal(e.Body, &body) // no JSON: no subtype
		return e.ErrorCode, body.Subtype
	}
	return "", ""
}

// refusal returns why Google refuses a refresh token for good (RFC 6749 section
// 5.2); ok is false for every other failure, which leaves the record alone. No
// other code, and no description, decides anything.
func refusal(err error) (reason string, ok bool) {
	code, subtype := oauthCode(err)
	if code != ReasonInvalidGrant {
		return "", false
	}
	if isReason(subtype) {
		return subtype, true
	}
	return ReasonInvalidGrant, true
}

// isReason reports whether a word from elsewhere is fit to be shown as a reason.
func isReason(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// failed says what was being done, and for whom or to what.
func failed(doing, whom string, err error) error {
	return &failure{doing + " " + whom, redactoauth.WithoutBody(err)}
}

// failure is a wrapped error whose text names the package once, also where the
// cause is one of its own stores'.
type failure struct {
	doing string
	err   error
}

func (f *failure) Error() string {
	return prefix + f.doing + ": " + strings.TrimPrefix(f.err.Error(), prefix)
}

func (f *failure) Unwrap() error { return f.err }

const prefix = "tokenstore: "

// failedForNow is failed for an operation that may succeed later: where err does
// not say which HTTP status it has, that is 503.
func failedForNow(doing, whom string, err error) error {
	f := failure{doing + " " + whom, redactoauth.WithoutBody(err)}
	if _, says := errors.AsType[statusError](err); says {
		return &f
	}
	return &unavailable{f}
}

type statusError interface {
	error
	HTTPStatus() int
}

// unavailable is a failure for now.
type unavailable struct{ failure }

// HTTPStatus returns 503.
func (*unavailable) HTTPStatus() int { return http.StatusServiceUnavailable }

// A PausedError says that the Refresher has failed for a user and is not asked
// again before Until. The pause begins with a failure that does not pass by itself,
// such as invalid_client, and otherwise with the second one in a row; it grows from
// a second to a minute. A success or a sign-in ends it.
type PausedError struct {
	Until time.Time
	Err   error // the failure

	after time.Duration
}

func (e *PausedError) Error() string {
	return fmt.Sprintf("%v; not asked again until %s UTC", e.Err, e.Until.UTC().Format(time.TimeOnly))
}

// Unwrap returns the failure.
func (e *PausedError) Unwrap() error { return e.Err }

// RetryAfter returns how long the pause still lasted when the error was returned,
// for a Retry-After header.
func (e *PausedError) RetryAfter() time.Duration { return e.after }

// HTTPStatus returns what the failure says, or 503.
func (e *PausedError) HTTPStatus() int {
	if says, ok := errors.AsType[statusError](e.Err); ok {
		return says.HTTPStatus()
	}
	return http.StatusServiceUnavailable
}
