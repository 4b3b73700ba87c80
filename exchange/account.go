package exchange

import (
	"context"
	"net/http"
	"slices"

	"github.com/seed3a054f9c/googlesignin/internal/detach"
	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
)

// ExchangeFor is [Client.Exchange] for a user who has signed in already, with an ID
// token that was verified: subject is its sub. On Android the two are apart:
// Credential Manager brings the ID token, and AuthorizationClient the code, which
// may be of another Google Account on the device.
//
// The account of the code is that of the ID token that comes with it. If there is
// none and a scope allows it, ExchangeFor asks Google's userinfo endpoint, once. If
// it is another account, the error is ErrAccount: keep nothing. The tokens are
// returned with the error, so that the caller can revoke them. Revoking ends all that
// the other account has granted to any client of the Cloud project, even if its user
// is one of yours. Otherwise an unused refresh token stays valid at Google.
//
// A code for drive.appdata alone does not say whose it is. Then, and if userinfo does
// not answer, Tokens.Subject is empty and there is no error. Have the app ask for
// openid as well.
func (c *Client) ExchangeFor(ctx context.Context, code string, uri RedirectURI, subject string) (*Tokens, error) {
	if subject == "" {
		return nil, &Error{Op: opExchange, kind: ErrBadRequest, reason: "there is no subject to compare the account with",
			hint: "ExchangeFor is for a user who has signed in. Exchange redeems any user's code."}
	}
	t, err := c.Exchange(ctx, code, uri)
	if err != nil {
		return nil, err
	}
	if t.IDToken != "" {
		t.Subject = claimOf(t.IDToken, "sub")
	} else if t.Subject = c.askSubject(ctx, t); t.Subject == "" {
		return t, nil
	}
	if t.Subject != subject {
		return t, &Error{Op: opExchange, kind: ErrAccount}
	}
	return t, nil
}

// claimOf reads a claim of an ID token that came straight from the token endpoint,
// without verifying anything (OpenID Connect Core section 3.1.3.7). It returns "" if
// there is none of that name, or more than one.
func claimOf(idToken, name string) (value string) {
	if exactjson.Claims(idToken, map[string]any{name: &value}) != nil {
		return ""
	}
	return value
}

// askSubject asks the userinfo endpoint for the account of the access token (OpenID
// Connect Core section 5.3), and returns "" if it does not say. It asks once, and
// only with a scope that allows it.
func (c *Client) askSubject(ctx context.Context, t *Tokens) (sub string) {
	if t.Scopes != nil && !slices.ContainsFunc(t.Scopes, asksForIdentity) {
		return ""
	}
	timed, cancel := detach.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer timed.Release()
	req, err := http.NewRequestWithContext(timed, http.MethodGet, c.cfg.Endpoint.UserInfoURL, nil)
	if err != nil {
		return ""
	}
	req.Header.Set("Authorization", "Bearer "+t.AccessToken)
	var resp response
	body, _, err := c.do(req, &resp)
	if err != nil || resp.status != http.StatusOK || exactjson.Members(body, map[string]any{"sub": &sub}) != nil {
		return ""
	}
	return sub
}
