package drive

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// The errors that callers branch on, beside fs.ErrNotExist. The package
// documentation lists which answers of Drive are which.
var (
	// ErrScope: the access token does not open the folder. Ask the user for
	// consent to [Scope]. It is fs.ErrPermission, too.
	ErrScope error = &kind{text: "the scope " + Scope + " is not granted", status: http.StatusForbidden, is: fs.ErrPermission}

	// ErrQuota: the user's Drive is full.
	ErrQuota error = &kind{text: "no room in the user's Drive", status: http.StatusInsufficientStorage}

	// ErrRateLimited: too many requests, also after the retries.
	// [Error.RetryAfter] says when to come back, if Drive did.
	ErrRateLimited error = &kind{text: "too many requests", status: http.StatusTooManyRequests}

	// ErrConflict: the document is not at the revision that the caller has seen, or
	// it is replaced faster than ReadJSON can read it.
	ErrConflict error = &kind{text: "the document has changed", status: http.StatusConflict}

	// ErrChecksum: the bytes that arrived are not those that were sent. After a Put, the
	// stored content is damaged. From a Reader, the content that it read is damaged, or
	// the document has been replaced since it was opened. Do it again.
	ErrChecksum error = &kind{text: "the content does not match its checksum", status: http.StatusBadGateway}

	// ErrSessionEnded: Drive no longer takes content for the session of a large
	// upload, and Put could not start over by itself because the reader cannot seek.
	// Put the whole content again, without [PutOptions.Resume].
	ErrSessionEnded error = &kind{text: "the upload session has ended", status: http.StatusServiceUnavailable}
)

var (
	errNotExist  error = &kind{text: "no such document", status: http.StatusNotFound, is: fs.ErrNotExist}
	errInvalid   error = &kind{text: fs.ErrInvalid.Error(), status: http.StatusBadRequest, is: fs.ErrInvalid}
	errBadAnswer error = &kind{text: "unreadable answer", status: http.StatusBadGateway}
	errEncoded   error = &kind{text: "the content came compressed, against the request", status: http.StatusBadGateway}
)

// A kind is a sentinel that knows what to answer an app with.
type kind struct {
	text   string
	status int
	is     error
}

func (k *kind) Error() string   { return k.text }
func (k *kind) HTTPStatus() int { return k.status }

// ProblemCode returns the code by which an app knows to get a code with consent: see
// exchange.ProblemCode. It is empty for the other kinds.
func (k *kind) ProblemCode() string {
	if k == ErrScope {
		return "consent_required"
	}
	return ""
}

func (k *kind) Unwrap() error { return k.is }

// An Error is Drive's refusal of a request. Its text has no part of the response
// but status and reason. A test may make one of these two alone:
// &Error{Status: 429} is ErrRateLimited.
type Error struct {
	Status     int           // Drive's HTTP status
	Reason     string        // Drive's word for it, such as "storageQuotaExceeded"; empty: none given
	RetryAfter time.Duration // how long Drive asks to wait; zero: it did not say

	api *googleapi.Error // without its body; nil: a test made the Error
}

// Error returns the meaning of the refusal, with status and reason.
func (e *Error) Error() string {
	return fmt.Sprintf("%s (%s)", e.meaning(), strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Reason)))
}

// Unwrap returns the sentinel, if there is one, and the [*googleapi.Error].
func (e *Error) Unwrap() (errs []error) {
	if kind := e.kind(); kind != nil {
		errs = append(errs, kind)
	}
	if e.api != nil {
		errs = append(errs, e.api)
	}
	return errs
}

// kind returns the sentinel, or nil.
func (e *Error) kind() error { return kindOf(e.Status, e.Reason) }

// HTTPStatus returns what to answer an app with whose request failed for this.
func (e *Error) HTTPStatus() int {
	var k *kind
	switch {
	case errors.As(e.kind(), &k):
		return k.status
	case e.Status >= 500, e.Status == http.StatusRequestTimeout:
		return http.StatusServiceUnavailable
	case e.Status == http.StatusUnauthorized:
		return http.StatusUnauthorized
	case e.Status == http.StatusForbidden && !notEnabled(e.Reason):
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}

func (e *Error) meaning() string {
	switch {
	case e.kind() != nil:
		return e.kind().Error()
	case notEnabled(e.Reason):
		return "the Drive API is not enabled in the Cloud project"
	case e.Reason == domainPolicy:
		return "the administrator of the user's domain does not allow Drive apps"
	case e.Status == http.StatusUnauthorized:
		return "Drive does not accept the access token"
	case e.Status >= 500:
		return "Drive has a problem of its own"
	}
	return "Drive refuses"
}

// temporary reports whether Google says to try again.
func (e *Error) temporary() bool {
	return e.Status >= 500 || e.Status == http.StatusRequestTimeout ||
		e.kind() == ErrRateLimited && e.Reason != dailyLimit
}

const (
	dailyLimit   = "dailyLimitExceeded"
	domainPolicy = "domainPolicy"
)

func notEnabled(reason string) bool {
	return reason == "accessNotConfigured" || reason == "SERVICE_DISABLED"
}

// statusOf returns the status of Drive's refusal, or 0 for any other error.
func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok && !ofContent(err) {
		return e.Status
	}
	return 0
}

// newError reads a refusal.
func newError(api *googleapi.Error) *Error {
	return &Error{
		Status:     api.Code,
		Reason:     reasonOf(api),
		RetryAfter: retry.After(api.Header, time.Now()),
		api:        &googleapi.Error{Code: api.Code, Message: api.Message, Errors: api.Errors, Header: harmless(api.Header)},
	}
}

// harmless returns the header of a refusal without the fields that may hold a
// session or a cookie.
func harmless(h http.Header) http.Header {
	kept := h.Clone()
	for _, name := range []string{"Location", "Set-Cookie", "X-Guploader-Uploadid"} {
		kept.Del(name)
	}
	return kept
}

func kindOf(status int, reason string) error {
	switch status {
	case http.StatusNotFound:
		return errNotExist
	case http.StatusConflict, http.StatusPreconditionFailed:
		return ErrConflict
	case http.StatusTooManyRequests:
		return ErrRateLimited
	case http.StatusForbidden:
		return kindOfForbidden(reason)
	}
	return nil
}

func kindOfForbidden(reason string) error {
	switch reason {
	case "insufficientPermissions", "insufficientScopes", "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
		return ErrScope
	case "userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded", dailyLimit:
		return ErrRateLimited
	case "storageQuotaExceeded", "activeItemCreationLimitExceeded", "numChildrenInNonRootLimitExceeded":
		return ErrQuota
	}
	return nil
}

// reasonOf returns the first reason that means something here, or else the first.
func reasonOf(api *googleapi.Error) string {
	reasons := reasonsOf(api)
	for _, reason := range reasons {
		if kindOfForbidden(reason) != nil || notEnabled(reason) || reason == domainPolicy {
			return reason
		}
	}
	return append(reasons, "")[0]
}

// reasonsOf returns the reasons of error.errors, and then those of each
// google.rpc.ErrorInfo in error.details.
func reasonsOf(api *googleapi.Error) (reasons []string) {
	for _, item := range api.Errors {
		reasons = append(reasons, item.Reason)
	}
	for _, detail := range api.Details {
		info, _ := detail.(map[string]any)
		reason, _ := info["reason"].(string)
		reasons = append(reasons, reason)
	}
	return slices.DeleteFunc(reasons, func(s string) bool { return !isReason(s) })
}

// isReason keeps whatever is not one of Google's identifiers out of our texts.
func isReason(s string) bool {
	foreign := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_')
	}
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, foreign)
}

// failed says at which operation err happened, at the exported edge.
func failed(op, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case name == "":
		return fmt.Errorf("drive: %s: %w", op, err)
	}
	return fmt.Errorf("drive: %s %q: %w", op, name, err)
}

// tokenError marks an error of the token source: none of its causes is a broken
// connection to Drive.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return fmt.Sprintf("access token: %v", e.err) }
func (e *tokenError) Unwrap() error { return e.err }
