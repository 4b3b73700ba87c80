package exchange

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
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
		if s == "" || strings.ContainsFunc(s, notInScope) {
			return fmt.Errorf("AuthParams.Scopes[%d] is not a scope: it is empty, or has a space or another character that none has", i)
		}
	}
	return nil
}

// notInScope reports whether RFC 6749 section 3.3 does not allow r in a scope.
func notInScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

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
