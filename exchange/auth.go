package exchange

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// AuthParams are the parameters of an authorization request. Only Scopes is required.
// https://developers.google.com/identity/protocols/oauth2/web-server#creatingclient
// explains the parameters.
type AuthParams struct {
	// Scopes to ask for, each in a string of its own: openid and email to know who
	// the user is, and those of the APIs to call. The user may grant fewer: see
	// [Tokens.Missing].
	Scopes []string

	// ForceConsent shows the consent screen (prompt=consent), after which Google
	// issues a refresh token. Do it only when no usable one is kept: at 100 live
	// refresh tokens for a user and client, each new one silently ends the oldest.
	ForceConsent bool

	// SelectAccount lets the user choose among their accounts
	// (prompt=select_account).
	SelectAccount bool

	// OnlineOnly asks for no refresh token (access_type=online).
	OnlineOnly bool

	// OnlyTheseScopes leaves the scopes that the user has granted before out of
	// the new tokens. By default they are included
	// (include_granted_scopes=true): a new refresh token with fewer scopes
	// than the one that is kept would lose access.
	OnlyTheseScopes bool

	// LoginHint is the user's email address or sub, if it is known, so that
	// Google need not ask who signs in (login_hint).
	LoginHint string

	// HostedDomain makes Google offer accounts of that Workspace domain (hd). It
	// is a convenience: whether the user is of that domain, the verified ID
	// token says.
	HostedDomain string

	// AuthTime and Methods ask for the claims auth_time, when the user last signed
	// in to Google in that browser, and amr, by which methods (the parameter claims,
	// OpenID Connect Core section 5.5), for SignedInWithin and Methods of package
	// idtoken. Google sends them for an app that is In production and Verified, with
	// "Session age claims" and "Authentication strength claims" switched on in the
	// console (https://developers.google.com/identity/siwg/security-bundle). They do
	// not make Google ask the user to sign in again: nothing does.
	AuthTime, Methods bool

	// Extra are further parameters. None may be one that this package sets, or
	// approval_prompt, which Google no longer honours.
	Extra url.Values
}

// An AuthRequest is one visit of a user to Google's authorization page: redirect
// the browser to URL, and keep the rest until it comes back to RedirectURI.
// [Redirect] does both, with cookies.
//
// To keep it in a session on the server, keep one entry for each State: a browser
// can have several sign-ins under way, one a tab. Look the entry up by the
// callback's state, give it to [Client.ExchangeCallback], and delete that entry
// alone. A callback whose state has no entry in the session deletes nothing; it
// may be a stranger's link. Answer a prefetch (Sec-Purpose) with 204, and look
// nothing up. Entries older than ten minutes can go.
//
// Keep it where the browser cannot change it and others cannot read it. Its JSON
// form, alone among those of this package's types, has its secrets in it. fmt and
// slog print it without them, except fmt from an unexported field of another
// struct: see Security in the package documentation.
type AuthRequest struct {
	URL          string   `json:"url"`
	RedirectURI  string   `json:"redirect_uri"`
	State        string   `json:"state"`         // must come back with the callback
	Nonce        string   `json:"nonce"`         // must be the nonce of the ID token
	CodeVerifier string   `json:"code_verifier"` // of PKCE (RFC 7636)
	Scopes       []string `json:"scopes"`        // as asked for
}

// NewAuthRequest returns the request for a browser that shall come back to
// redirectURI, with a fresh state, nonce and PKCE verifier.
//
// If Config has RedirectURIs and redirectURI is none of them, the error is
// ErrRedirectMismatch. Other errors are mistakes in redirectURI or p.
func (c *Client) NewAuthRequest(redirectURI string, p AuthParams) (*AuthRequest, error) {
	if err := c.checkRedirect(redirectURI); err != nil {
		return nil, err
	}
	if err := checkScopes(p.Scopes); err != nil {
		return nil, fmt.Errorf("exchange: NewAuthRequest: %w", err)
	}
	req := &AuthRequest{
		RedirectURI:  strings.Clone(redirectURI), // the caller may use its memory again
		State:        rand.Text(),
		Nonce:        rand.Text(),
		CodeVerifier: oauth2.GenerateVerifier(),
		Scopes:       slices.Clone(p.Scopes),
	}
	for i, name := range req.Scopes {
		req.Scopes[i] = strings.Clone(name)
	}
	query := c.authQuery(req, p)
	for name, values := range p.Extra {
		if name == "approval_prompt" {
			return nil, errors.New("exchange: NewAuthRequest: AuthParams.Extra: Google no longer honours approval_prompt: set ForceConsent, which sends prompt=consent")
		}
		if query.Has(name) {
			return nil, fmt.Errorf("exchange: NewAuthRequest: AuthParams.Extra: %q is set already", name)
		}
		query[name] = values
	}
	page := *c.authURL
	page.RawQuery = query.Encode()
	req.URL = page.String()
	return req, nil
}

// checkScopes refuses two scopes in one string: granted, they are two names, and
// neither is the one asked for.
func checkScopes(scopes []string) error {
	if len(scopes) == 0 {
		return errors.New("AuthParams.Scopes is empty")
	}
	for i, s := range scopes {
		if s == "" || strings.ContainsFunc(s, notNQCHAR) {
			return fmt.Errorf("AuthParams.Scopes[%d] is not a scope: it is empty, or has a space or another character that none has", i)
		}
	}
	return nil
}

// notNQCHAR reports whether RFC 6749 appendix A does not allow r in a scope, and RFC
// 9449 section 8.1 not in a nonce.
func notNQCHAR(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

func (c *Client) checkRedirect(uri string) error {
	if err := checkRedirectURI(uri); err != nil {
		return fmt.Errorf("exchange: NewAuthRequest: redirect URI: %w", err)
	}
	if len(c.cfg.RedirectURIs) > 0 && !slices.Contains(c.cfg.RedirectURIs, uri) {
		return &Error{Op: opAuthorize, kind: ErrRedirectMismatch, reason: "the redirect URI is none of Config.RedirectURIs",
			hint: "Register the redirect URI in Google's console, and add it to Config.RedirectURIs: scheme, case and trailing slash matter."}
	}
	return nil
}

// authQuery returns the parameters of OpenID Connect Core section 3.1.2.1,
// RFC 7636 section 4.3, and Google's own.
func (c *Client) authQuery(req *AuthRequest, p AuthParams) url.Values {
	query := c.authURL.Query() // RFC 6749 section 3.1: an endpoint may have some of its own
	query.Set("client_id", c.cfg.ClientID)
	query.Set("redirect_uri", req.RedirectURI)
	query.Set("response_type", "code")
	query.Set("scope", strings.Join(p.Scopes, " "))
	query.Set("state", req.State)
	query.Set("nonce", req.Nonce)
	query.Set("code_challenge", oauth2.S256ChallengeFromVerifier(req.CodeVerifier))
	query.Set("code_challenge_method", "S256")
	query.Set("access_type", "offline")
	if p.OnlineOnly {
		query.Set("access_type", "online")
	}
	var prompt []string
	if p.ForceConsent {
		prompt = append(prompt, "consent")
	}
	if p.SelectAccount {
		prompt = append(prompt, "select_account")
	}
	if prompt != nil {
		query.Set("prompt", strings.Join(prompt, " "))
	}
	if !p.OnlyTheseScopes {
		query.Set("include_granted_scopes", "true")
	}
	if p.LoginHint != "" {
		query.Set("login_hint", p.LoginHint)
	}
	if p.HostedDomain != "" {
		query.Set("hd", p.HostedDomain)
	}
	if claims := claimsParameter(p); claims != "" {
		query.Set("claims", claims)
	}
	return query
}

// claimsParameter returns the value of claims (OpenID Connect Core section 5.5).
func claimsParameter(p AuthParams) string {
	var asked []string
	if p.AuthTime {
		asked = append(asked, `"auth_time":{"essential":true}`)
	}
	if p.Methods {
		asked = append(asked, `"amr":{"essential":true}`)
	}
	if asked == nil {
		return ""
	}
	return `{"id_token":{` + strings.Join(asked, ",") + `}}`
}

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
		return &Error{Op: opCallback, kind: ErrState, reason: "no sign-in is under way in this browser"}
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
	got := claimOf(t.IDToken, "nonce")
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
