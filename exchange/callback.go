package exchange

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// ExchangeCallback redeems the code that a browser has brought to the redirect
// URI: callback is the query of its request, req what was kept when the browser
// was sent to Google.
//
// First the callback must bring the state of req (ErrState), which must be whole.
// Only then does an error count that Google reports in it: ErrDenied if the user
// has said no, else as the token endpoint's errors do. Then its issuer, if it
// names one, must be Google's (RFC 9207). Where there is neither an error nor
// what can be a code, the callback is malformed (ErrBadRequest). Then the code is
// redeemed, with the PKCE verifier, as [Client.Exchange] does. Last, an ID token must name the nonce of req
// (ErrState); whether the token is Google's at all, is for its verifier to say.
//
// If Google does not name the granted scopes, they are those asked for (RFC 6749
// section 5.1). The error is an [*Error].
func (c *Client) ExchangeCallback(ctx context.Context, callback url.Values, req *AuthRequest) (*Tokens, error) {
	if failed := c.checkCallback(callback, req); failed != nil {
		return nil, failed
	}
	a, err := c.exchange(ctx, callback.Get("code"), RedirectURI(req.RedirectURI), req.CodeVerifier)
	if err != nil {
		return nil, err
	}
	t := a.tokens()
	if t.Scopes == nil && req.Scopes != nil {
		t.Scopes = scope.Set(req.Scopes...)
		// Those who read the scopes of &t.Token find them there.
		extra := maps.Clone(a.fields)
		extra["scope"] = strings.Join(t.Scopes, " ")
		t.Token = *t.Token.WithExtra(extra)
	}
	if failed := checkNonce(t, req.Nonce); failed != nil {
		return nil, failed
	}
	return t, nil
}

func (c *Client) checkCallback(callback url.Values, req *AuthRequest) *Error {
	if req == nil || req.State == "" {
		return &Error{Op: opCallback, kind: ErrState, reason: "no sign-in is under way in this session"}
	}
	if !only(callback, "state", req.State) {
		return &Error{Op: opCallback, kind: ErrState, reason: "its state is missing, or another one"}
	}
	if req.RedirectURI == "" || req.Nonce == "" {
		return &Error{Op: opCallback, kind: ErrState, reason: "the AuthRequest has lost its RedirectURI or Nonce",
			hint: "Keep the whole AuthRequest in the session, as its JSON, and let the user start again."}
	}
	if callback.Has("error") {
		return refusedCallback(callback, req)
	}
	if callback.Has("iss") && !c.isIssuer(callback) {
		return &Error{Op: opCallback, kind: ErrState, reason: "it names another issuer",
			hint: "The answer is not from the provider that the user was sent to: let the user start again. If the provider is right, set Endpoint.Issuer to what it calls itself."}
	}
	return checkCallbackCode(callback)
}

func checkCallbackCode(callback url.Values) *Error {
	if len(callback["code"]) != 1 {
		return &Error{Op: opCallback, kind: errNotACode, reason: "there is none, or more than one", hint: brokenCallback}
	}
	failed := checkCode(opCallback, callback.Get("code"))
	if failed != nil {
		failed.hint = brokenCallback
	}
	return failed
}

const brokenCallback = "Google sends a code or an error, in a query that is decoded once: see what else answers at the redirect URI, or rewrites its query, and let the user start again."

// only reports whether name has that one value, in a time that does not depend
// on the value.
func only(callback url.Values, name, value string) bool {
	return len(callback[name]) == 1 && subtle.ConstantTimeCompare([]byte(callback.Get(name)), []byte(value)) == 1
}

// isIssuer accepts Google's issuer in both spellings, with the scheme and
// without, as ID tokens have it.
func (c *Client) isIssuer(callback url.Values) bool {
	issuer := c.cfg.Endpoint.Issuer
	return only(callback, "iss", issuer) ||
		issuer == googleIssuer && only(callback, "iss", strings.TrimPrefix(issuer, "https://"))
}

// refusedCallback is the error that a callback reports (RFC 6749 section 4.1.2.1).
func refusedCallback(callback url.Values, req *AuthRequest) *Error {
	code := callback.Get("error")
	if code == "" {
		return &Error{Op: opCallback, kind: ErrBadRequest, reason: "its error is empty", hint: brokenCallback}
	}
	quoted := secrets{req.State, req.Nonce, req.CodeVerifier, callback.Get("code")}
	return &Error{
		Op:          opCallback,
		Code:        quoted.token(code),
		Subtype:     quoted.token(callback.Get("error_subtype")),
		Description: quoted.clean(callback.Get("error_description")),
		kind:        meaningOf(code),
	}
}

// checkNonce compares the nonce in the ID token, if there has to be one.
func checkNonce(t *Tokens, want string) *Error {
	if t.IDToken == "" && !slices.ContainsFunc(t.Scopes, asksForIdentity) {
		return nil
	}
	got := nonceOf(t.IDToken)
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return &Error{Op: opCallback, kind: ErrState, reason: "the ID token is missing, or has another nonce",
			hint: "The ID token is of another sign-in, or was not asked for with this nonce: redirect the browser to AuthRequest.URL as it is, and let the user start again."}
	}
	return nil
}

// asksForIdentity reports whether Google answers a scope with an ID token.
func asksForIdentity(name string) bool {
	return slices.Contains(scope.Set("openid", "email", "profile"), scope.Canonical(name))
}

// nonceOf reads the nonce of an ID token without verifying anything; "" if
// there is none, or none that is beyond doubt.
func nonceOf(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return ""
	}
	claims, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return ""
	}
	nonce, err := memberOf(claims, "nonce")
	if err != nil {
		return ""
	}
	return nonce
}
