package drive

import (
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
)

// tokenError marks an error of the token source: none of its causes is a broken
// connection to Drive.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return fmt.Sprintf("access token: %v", e.err) }
func (e *tokenError) Unwrap() error { return e.err }

// withoutBody hides an error whose text may be the whole answer of a token
// endpoint behind one of our own.
func withoutBody(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok && (len(e.Body) > 0 || !printable(e)) {
		return &retrieveError{whole: err, clean: clean(e)}
	}
	return err
}

// printable reports whether e has a text: without code and response it panics.
func printable(e *oauth2.RetrieveError) bool { return e.ErrorCode != "" || e.Response != nil }

// clean keeps the code and the status.
func clean(e *oauth2.RetrieveError) *oauth2.RetrieveError {
	kept := &oauth2.RetrieveError{Response: new(http.Response)}
	if isReason(e.ErrorCode) {
		kept.ErrorCode = e.ErrorCode
	}
	if e.Response != nil {
		kept.Response.StatusCode = e.Response.StatusCode
		kept.Response.Status = http.StatusText(e.Response.StatusCode)
	}
	return kept
}

// A retrieveError is, for errors.Is and errors.As, the error that it hides, but for
// the [*oauth2.RetrieveError] there.
type retrieveError struct {
	whole error
	clean *oauth2.RetrieveError
}

func (e *retrieveError) Error() string {
	switch status := e.clean.Response.StatusCode; {
	case e.clean.ErrorCode != "":
		return "the token endpoint refuses: " + e.clean.ErrorCode
	case status != 0:
		return fmt.Sprintf("the token endpoint answers %d", status)
	}
	return "the token endpoint refuses"
}

func (e *retrieveError) Is(target error) bool { return errors.Is(e.whole, target) }

func (e *retrieveError) As(target any) bool {
	if at, ok := target.(**oauth2.RetrieveError); ok {
		*at = e.clean
		return true
	}
	return errors.As(e.whole, target)
}
