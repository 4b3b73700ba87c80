package exchange

import (
	"context"
	"net/url"
	"strings"
)

// Exchange redeems a code that was issued under origin. Whatever happens, the
// code is sent once: no retry, no redirect followed.
//
// The request goes on when ctx ends, though Exchange then returns: the code is
// spent, and the tokens are lost to the caller. A handler that must not lose
// them because an app has hung up passes context.WithoutCancel(r.Context()), as
// [Client.Handler] does; 30 seconds is the longest that it can take.
//
// Concurrent calls with the same code and origin share one request, and each
// gets its own copy of the result; with another origin the code is refused.
// For ten minutes after a code was redeemed, or may have been because no usable
// answer came back, this Client refuses it as ErrInvalidGrant; of such codes it
// keeps hashes, 8,192 at most. Where Google was not reached, or has answered
// that it will not serve the request now, the same code may be tried again.
//
// The error is an [*Error].
func (c *Client) Exchange(ctx context.Context, code string, origin Origin) (*Tokens, error) {
	a, err := c.exchange(ctx, code, origin, "")
	if err != nil {
		return nil, err
	}
	return a.tokens(), nil
}

// exchange redeems a code, with the PKCE verifier if there is one. The answer
// is shared: it must not be changed.
func (c *Client) exchange(ctx context.Context, code string, origin Origin, verifier string) (*answer, error) {
	if err := checkCode(opExchange, code); err != nil {
		return nil, err
	}
	flight := idOf(strings.Join([]string{code, verifier, string(origin)}, "\x00"))
	a, err := c.flights.Do(ctx, string(flight[:]), 0, func(ctx context.Context) (*answer, error) {
		return c.redeem(ctx, code, origin, verifier)
	})
	if err != nil {
		return nil, asError(opExchange, err)
	}
	return a, nil
}

func (c *Client) redeem(ctx context.Context, code string, origin Origin, verifier string) (a *answer, err error) {
	id := idOf(code)
	if err := c.codes.take(id, c.cfg.Now()); err != nil {
		return nil, err
	}
	spent := true // also if the transport panics
	defer func() { c.codes.settle(id, spent, c.cfg.Now()) }()

	form := c.form("authorization_code")
	form.Set("code", code)
	form.Set("redirect_uri", string(origin)) // App: present and empty
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	a, failed := c.requestTokens(ctx, opExchange, form)
	if failed == nil {
		return a, nil
	}
	if spent = failed.ambiguous; spent {
		failed.hint = "Google may have redeemed the code, though no usable answer came back: have the app get a new one. This one is not sent again."
	}
	return nil, failed
}

// form returns what every token request has.
func (c *Client) form(grantType string) url.Values {
	form := url.Values{"grant_type": {grantType}, "client_id": {c.cfg.ClientID}}
	if secret := c.secret(); secret != "" {
		form.Set("client_secret", secret)
	}
	return form
}

// requestTokens asks the token endpoint once.
func (c *Client) requestTokens(ctx context.Context, op string, form url.Values) (*answer, *Error) {
	a, failed := c.post(ctx, op, c.cfg.Endpoint.TokenURL, form)
	if failed == nil {
		failed = a.failure(op, c.secretsOf(form))
	}
	return a, failed
}
