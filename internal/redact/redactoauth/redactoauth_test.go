package redactoauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/redact/redactoauth"
)

var errVault = errors.New("vault is sealed")

// own is the error type of a caller's Refresher.
type own struct{ error }

func (own) HTTPStatus() int { return 418 }
func (e own) Unwrap() error { return e.error }

func TestWithoutBody(t *testing.T) {
	plain := fmt.Errorf("refreshing: %w", &oauth2.RetrieveError{ErrorCode: "invalid_grant"})
	if got := redactoauth.WithoutBody(plain); got != plain {
		t.Errorf("without a body: %v, want the same error", got)
	}
	if got := redactoauth.WithoutBody(nil); got != nil {
		t.Errorf("nil: %v", got)
	}
	whole := own{fmt.Errorf("%w: %w", errVault, &oauth2.RetrieveError{
		ErrorCode: "invalid_grant", ErrorDescription: "the-secret", Body: []byte("the-secret"),
		Response: &http.Response{StatusCode: 400, Status: "400 the-secret"},
	})}
	err := fmt.Errorf("refreshing: %w", redactoauth.WithoutBody(whole))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, e := range []error{err, errors.Unwrap(err)} {
			if text := fmt.Sprintf(verb, e); strings.Contains(text, "the-secret") {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
	if !errors.Is(err, errVault) {
		t.Error("the refresher's own error is lost to errors.Is")
	}
	if e, ok := errors.AsType[own](err); !ok || e.HTTPStatus() != 418 {
		t.Error("the refresher's own error is lost to errors.As")
	}
	re, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || re.ErrorCode != "invalid_grant" || re.Response.StatusCode != 400 || strings.Contains(fmt.Sprintf("%+v %+v", re, re.Response), "the-secret") {
		t.Errorf("RetrieveError: %+v", re)
	}
	for want, e := range map[string]*oauth2.RetrieveError{
		"the token endpoint answers 503":             {Response: &http.Response{StatusCode: 503}, Body: []byte("x")},
		"the token endpoint refuses":                 {},
		"the token endpoint refuses: invalid_client": {ErrorCode: "invalid_client", Body: []byte("x")},
		"the token endpoint answers 400":             {ErrorCode: "your token the-secret", Response: &http.Response{StatusCode: 400}, Body: []byte("x")},
		"the token endpoint answers 401":             {ErrorCode: strings.Repeat("x", 65), Response: &http.Response{StatusCode: 401}, Body: []byte("x")},
	} {
		if got := redactoauth.WithoutBody(e).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
