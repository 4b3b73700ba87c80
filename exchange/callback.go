package exchange

import (
	"context"
	"crypto/subtle"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// ExchangeCallback redeems the code that a browser has brought to the redirect
// URI: callback is the query of its request, req the AuthRequest that was kept when
// the browser was sent to Google.
//
// The callback must bring the state of req, which must have all its parts: else
// the error is ErrState, and nothing else of the callback counts. An iss must be
// exactly https://accounts.google.com, or Endpoint.Issuer if it is set (ErrState);
// see Config.RequireIssuer for a callback without one. An error that Google reports
// in it is ErrDenied if the user has said no, and otherwise the same as at the token
// endpoint. With neither an error nor a code, the callback is malformed
// (ErrBadRequest). Then the code is redeemed with the PKCE verifier, as by
// [Client.Exchange]. Last, an ID token must have the nonce of req (ErrState).
// Verify the token all the same.
//
// If Google does not name the granted scopes, they are those of req (RFC 6749
// section 5.1). The error is an [*Error].
func (c *Client) ExchangeCallback(ctx context.Context, callback url.Values, req *AuthRequest) (*Tokens, error) {
	if err := c.checkCallback(callback, req); err != nil {
		return nil, err
	}
	resp, err := c.exchange(ctx, callback.Get("code"), RedirectURI(req.RedirectURI), req.CodeVerifier)
	if err != nil {
		return nil, err
	}
	t := resp.tokens()
	if t.Scopes == nil && req.Scopes != nil {
		t.Scopes = scope.Set(req.Scopes...)
		for i, name := range t.Scopes {
			t.Scopes[i] = strings.Clone(name) // whose memory the caller may use again
		}
		// Those who read the scopes of &t.Token find them there.
		extra := maps.Clone(resp.fields)
		extra["scope"] = strings.Join(t.Scopes, " ")
		t.Token = *t.Token.WithExtra(extra)
	}
	if err := checkNonce(t, req.Nonce); err != nil {
		return nil, err
	}
	return t, nil
}

func (c *Client) checkCallback(callback url.Values, req *AuthRequest) error {
	if req == nil || req.State == "" {
		return &Error{Op: opCallback, kind: ErrState, reason: "no sign-in is under way in this session"}
	}
	if !only(callback, "state", req.State) {
		return &Error{Op: opCallback, kind: ErrState, reason: "its state is missing, or another one"}
	}
	if req.RedirectURI == "" || req.Nonce == "" || req.CodeVerifier == "" {
		return &Error{Op: opCallback, kind: ErrState, reason: "the AuthRequest has lost its RedirectURI, Nonce or CodeVerifier",
			hint: "Keep the whole AuthRequest in the session, as its JSON, and let the user start again."}
	}
	if err := c.checkIssuer(callback); err != nil { // errors too have an issuer
		return err
	}
	if callback.Has("error") {
		return refusedCallback(callback, req)
	}
	return checkCallbackCode(callback)
}

func checkCallbackCode(callback url.Values) error {
	if len(callback["code"]) != 1 {
		return &Error{Op: opCallback, kind: errNotACode, reason: "there is none, or more than one", hint: brokenCallback}
	}
	err := checkCode(opCallback, callback.Get("code"))
	if e, ok := errors.AsType[*Error](err); ok {
		e.hint = brokenCallback
	}
	return err
}

const brokenCallback = "Google sends a code or an error, in a query that is decoded once: see what else answers at the redirect URI, or rewrites its query, and let the user start again."

// only reports whether name has that one value, in a time that does not depend
// on the value.
func only(callback url.Values, name, value string) bool {
	return len(callback[name]) == 1 && subtle.ConstantTimeCompare([]byte(callback.Get(name)), []byte(value)) == 1
}

// checkIssuer compares iss exactly (RFC 9207 section 2.4). In ID tokens Google's
// issuer has a second spelling, in callbacks it has not.
func (c *Client) checkIssuer(callback url.Values) error {
	if only(callback, "iss", c.cfg.Endpoint.Issuer) {
		return nil
	}
	if callback.Has("iss") {
		return &Error{Op: opCallback, kind: ErrState, reason: "it names another issuer",
			hint: "The answer is not from the provider that the user was sent to: let the user start again. If the provider is right, set Endpoint.Issuer to its name for itself."}
	}
	if c.cfg.RequireIssuer {
		return &Error{Op: opCallback, kind: ErrState, reason: "it names no issuer, and Config.RequireIssuer is set",
			hint: "If the callbacks of honest users have no iss, the provider does not send it yet: leave RequireIssuer out."}
	}
	return nil
}

// refusedCallback is the error that a callback reports (RFC 6749 section 4.1.2.1).
func refusedCallback(callback url.Values, req *AuthRequest) error {
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
func checkNonce(t *Tokens, want string) error {
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

// nonceOf reads the nonce of an ID token without verifying anything. It returns ""
// if there is none, or more than one.
func nonceOf(idToken string) (nonce string) {
	if exactjson.Claims(idToken, map[string]any{"nonce": &nonce}) != nil {
		return ""
	}
	return nonce
}
