package drive_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// What a token endpoint has answered is in no text, and in nothing that errors.As
// finds.
func TestTokenErrorsHideTheAnswer(t *testing.T) {
	answer := func(status int) *http.Response {
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " at-secret")}
	}
	tests := []struct {
		name string
		err  *oauth2.RetrieveError
		want string
		code string
	}{
		{"body", &oauth2.RetrieveError{Response: answer(503), Body: []byte("at-secret")}, "answers 503", ""},
		{"code", &oauth2.RetrieveError{Response: answer(400), Body: []byte("at-secret"), ErrorCode: "invalid_grant", ErrorDescription: "at-secret"}, "refuses: invalid_grant", "invalid_grant"},
		{"prose for a code", &oauth2.RetrieveError{Response: answer(400), Body: []byte("at-secret"), ErrorCode: "your token at-secret"}, "answers 400", ""},
		{"nothing", &oauth2.RetrieveError{}, "refuses", ""},
		{"body only", &oauth2.RetrieveError{Body: []byte("at-secret")}, "refuses", ""},
	}
	for _, tt := range tests {
		source := tokenSource(func() (*oauth2.Token, error) { return nil, consentError{tt.err} })
		for kind, cfg := range map[string]drive.Config{
			"TokenSource": {TokenSource: source},
			"HTTPClient":  {HTTPClient: &http.Client{Transport: &oauth2.Transport{Source: source}}},
		} {
			t.Run(tt.name+" "+kind, func(t *testing.T) {
				_, err := open(t, cfg).Info(t.Context())
				if !errors.Is(err, errConsent) {
					t.Fatalf("%v, want the cause in the chain", err)
				}
				e, ok := errors.AsType[*oauth2.RetrieveError](err)
				if !ok || e.Body != nil || strings.Contains(e.Error(), "at-secret") {
					t.Fatalf("%#v, want one without the answer", e)
				}
				if tt.code != e.ErrorCode {
					t.Errorf("code %q, want %q", e.ErrorCode, tt.code)
				}
				if text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err); strings.Contains(text, "at-secret") || !strings.Contains(text, tt.want) {
					t.Errorf("%s, want %q and nothing of the answer", text, tt.want)
				}
			})
		}
	}
}

// consentError is as one of a token store might be, its text apart.
type consentError struct{ cause error }

func (consentError) Error() string     { return "needs consent, at-secret" }
func (e consentError) Unwrap() []error { return []error{errConsent, e.cause} }
