// Package redactoauth keeps the responses of token endpoints out of errors.
package redactoauth

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
)

// WithoutBody returns err. If there is an [*oauth2.RetrieveError] in its chain whose
// text may be the whole response, it returns an error that stands for err: its text
// has the code and the status only.
func WithoutBody(err error) error {
	// Without code and response, the Error method of a RetrieveError panics.
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || len(e.Body) == 0 && (e.ErrorCode != "" || e.Response != nil) {
		return err
	}
	f := &failure{whole: err, clean: &oauth2.RetrieveError{Response: new(http.Response)}}
	if isCode(e.ErrorCode) {
		f.clean.ErrorCode = e.ErrorCode
	}
	if e.Response != nil {
		f.clean.Response.StatusCode = e.Response.StatusCode
		f.clean.Response.Status = http.StatusText(e.Response.StatusCode)
	}
	return f
}

func isCode(s string) bool {
	return len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// A failure is, for errors.Is and errors.As, the error that it hides, except for
// the [*oauth2.RetrieveError] there.
type failure struct {
	whole error
	clean *oauth2.RetrieveError
}

func (f *failure) Error() string {
	switch status := f.clean.Response.StatusCode; {
	case f.clean.ErrorCode != "":
		return "the token endpoint refuses: " + f.clean.ErrorCode
	case status != 0:
		return fmt.Sprintf("the token endpoint answers %d", status)
	}
	return "the token endpoint refuses"
}

// Format writes the text under every verb: %#v would go into the hidden error.
func (f *failure) Format(s fmt.State, _ rune) { io.WriteString(s, f.Error()) }

func (f *failure) Is(target error) bool { return errors.Is(f.whole, target) }

func (f *failure) As(target any) bool {
	if at, ok := target.(**oauth2.RetrieveError); ok {
		*at = f.clean
		return true
	}
	return errors.As(f.whole, target)
}
