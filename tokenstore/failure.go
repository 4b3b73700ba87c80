package tokenstore

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
)

// What Google's token and revocation endpoints say for good (RFC 6749 section
// 5.2, RFC 7009 section 2.2.1). No other code, and no description, decides
// anything here.
const (
	codeInvalidGrant = "invalid_grant"
	codeInvalidToken = "invalid_token"
)

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

// refusal returns why Google refuses a refresh token for good; ok is false for
// every other failure, which leaves the record alone.
func refusal(err error) (reason string, ok bool) {
	code, subtype := oauthCode(err)
	if code != codeInvalidGrant {
		return "", false
	}
	if isReason(subtype) {
		return subtype, true
	}
	return ReasonInvalidGrant, true
}

// isReason tells whether a word from elsewhere is fit to be shown as a reason.
func isReason(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// withoutBody replaces an error with an [*oauth2.RetrieveError] in its chain,
// whose text may be the whole response, by one with the code and status only.
func withoutBody(err error) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return err
	}
	own, tells := errors.AsType[oauthError](err)
	if tells && len(e.Body) == 0 {
		return err
	}
	clean := &oauth2.RetrieveError{ErrorCode: e.ErrorCode, Response: new(http.Response)}
	if e.Response != nil {
		clean.Response.Status, clean.Response.StatusCode = e.Response.Status, e.Response.StatusCode
	}
	if !tells {
		return clean
	}
	code, subtype := own.OAuthError()
	return &codedError{clean, code, subtype}
}

// codedError keeps what an error has said about itself.
type codedError struct {
	error
	code, subtype string
}

func (e *codedError) Unwrap() error                      { return e.error }
func (e *codedError) OAuthError() (code, subtype string) { return e.code, e.subtype }

// failed says what was being done, and for whom or to what.
func failed(doing, whom string, err error) error {
	return &failure{doing + " " + whom, withoutBody(err)}
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
