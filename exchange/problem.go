package exchange

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The problem codes, by which an app knows what to do. The documentation of
// ProblemCode has the table.
const (
	problemBadRequest   = "bad_request"
	problemCodeSpent    = "code_spent"
	problemConsent      = "consent_required"
	problemDenied       = "denied"
	problemNotSignedIn  = "not_signed_in"
	problemNotStarted   = "not_started"
	problemOtherAccount = "other_account"
	problemRetryLater   = "retry_later"
	problemServer       = "server_error"
)

// ProblemCode returns a stable code, by which an app or a page knows what to do
// about err. [WriteProblem] writes it.
//
//	code              err                                     what the app does
//	bad_request       Is ErrBadRequest; or status 4xx         nothing: it has to be corrected
//	code_spent        Is ErrInvalidGrant                      gets a new code
//	consent_required  tokenstore.ErrNeedsConsent,             gets a code with consent
//	                  drive.ErrScope
//	denied            Is ErrDenied; or status 403             goes on without Google
//	not_signed_in     status 401                              lets the user sign in again
//	not_started       Is ErrState                             begins the sign-in anew
//	other_account     Is ErrAccount                           gets a code of the account that has signed in
//	retry_later       Is ErrTemporary; or status 408, 429,    waits, as Retry-After says, and gets
//	                  503, 504                                a new code
//	server_error      any other                               nothing: the backend is at fault
//
// An error with a method ProblemCode() string in its chain says its own, unless that
// is empty, also an error of another package. The status is that of [HTTPStatus].
func ProblemCode(err error) string {
	own, ok := errors.AsType[interface {
		error
		ProblemCode() string
	}](err)
	if ok && own.ProblemCode() != "" {
		return own.ProblemCode()
	}
	return problemOfStatus(HTTPStatus(err))
}

func problemOfStatus(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return problemNotSignedIn
	case status == http.StatusForbidden:
		return problemDenied
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return problemRetryLater
	case status < 500:
		return problemBadRequest
	}
	return problemServer
}

// ProblemCode returns the problem code of e: see the function [ProblemCode].
func (e *Error) ProblemCode() string {
	kind := e.means()
	switch {
	case kind == ErrInvalidGrant && e.Op == opRefresh:
		return problemConsent
	case e.status == http.StatusRequestTimeout: // ErrBadRequest, but not the app's fault
		return problemRetryLater
	}
	return ProblemCode(kind)
}

// Fail answers a request that has failed with err: it tells Config.OnError, and
// then answers with Config.Answer, as the handlers of c do. Call it where the
// function of [Client.Handler] fails, with an error of any package, before
// anything is written to w.
func (c *Client) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if c.cfg.OnError != nil {
		c.cfg.OnError(r, err)
	}
	if c.cfg.Answer != nil {
		c.cfg.Answer(w, r, err)
		return
	}
	WriteProblem(w, r, err)
}

// WriteProblem answers r with the [HTTPStatus] of err and its [ProblemCode]. If
// the request has a JSON body or accepts JSON, the answer is an
// application/problem+json (RFC 9457) with the members status, title and code;
// otherwise it is the text of the status. Nothing else of err is shown. If err says
// how long to wait, the answer has a Retry-After header.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	status := HTTPStatus(err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost) // RFC 9110 section 15.5.6
	}
	if wait := retryAfter(err); wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	if !speaksJSON(r) {
		http.Error(w, http.StatusText(status), status)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(problem{status, http.StatusText(status), ProblemCode(err)})
}

type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"` // of type about:blank: the text of the status
	Code   string `json:"code"`
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	own, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err)
	if !ok {
		return 0
	}
	return own.RetryAfter()
}

// speaksJSON reports whether r has a JSON body or accepts JSON by name: browsers
// and HTTP libraries accept */* without knowing it.
func speaksJSON(r *http.Request) bool {
	if isJSON(r.Header.Get("Content-Type")) {
		return true
	}
	for _, accept := range r.Header["Accept"] {
		for accepted := range strings.SplitSeq(accept, ",") {
			if isJSON(accepted) {
				return true
			}
		}
	}
	return false
}

func isJSON(mediaType string) bool {
	name, params, err := mime.ParseMediaType(mediaType)
	if err != nil || params["q"] == "0" {
		return false
	}
	return name == "application/json" || strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+json")
}
