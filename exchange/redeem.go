package exchange

import "context"

// Exchange redeems a code that was issued under uri. Whatever happens, the
// code is sent once: no retry, no redirect followed.
//
// The request goes on when ctx ends, though Exchange then returns: the code is
// spent, and the tokens are lost to the caller. A handler that must not lose
// them because an app has hung up passes context.WithoutCancel(r.Context()), as
// [Client.Handler] does; 30 seconds is the longest that it can take.
//
// Concurrent calls with the same code and uri share one request, and each
// gets its own copy of the result; with another uri the code is refused.
// For ten minutes after a code was redeemed, or may have been (the table in the
// package documentation says when), this Client refuses it as ErrInvalidGrant;
// of such codes it keeps hashes, 8,192 at most. Where Google was not reached, or
// has refused, or turned the request away, the same code may be tried again.
//
// The error is an [*Error].
func (c *Client) Exchange(ctx context.Context, code string, uri RedirectURI) (*Tokens, error) {
	a, err := c.exchange(ctx, code, uri, "")
	if err != nil {
		return nil, err
	}
	return a.tokens(), nil
}

// exchange redeems a code, with the PKCE verifier if there is one. The answer
// is shared: it must not be changed.
func (c *Client) exchange(ctx context.Context, code string, uri RedirectURI, verifier string) (*answer, error) {
	if failed := checkCode(opExchange, code); failed != nil {
		return nil, failed
	}
	if ctx.Err() != nil {
		return nil, notBegun(ctx, opExchange)
	}
	// Hashes, like all that is kept of a code.
	key := append(make([]byte, 0, 1024), code...)
	id := idOf(key)
	key = append(append(key, 0), verifier...)
	key = append(append(key, 0), uri...)
	flight := idOf(key)
	a, err := c.flights.Do(ctx, string(flight[:]), 0, func(ctx context.Context) (*answer, error) {
		return c.redeem(ctx, id, code, uri, verifier)
	})
	if err != nil {
		return nil, asError(opExchange, err)
	}
	return a, nil
}

func (c *Client) redeem(ctx context.Context, id codeID, code string, uri RedirectURI, verifier string) (a *answer, err error) {
	if err := c.codes.take(id, c.cfg.Now()); err != nil {
		return nil, err
	}
	spent := true // also if the transport panics
	defer func() { c.codes.settle(id, spent, c.cfg.Now()) }()

	form := append(c.form("authorization_code"),
		param{"code", code},
		param{"redirect_uri", string(uri)}) // of App: present and empty
	if verifier != "" {
		form = append(form, param{"code_verifier", verifier})
	}
	a, failed := c.requestTokens(ctx, opExchange, form)
	if failed == nil {
		return a, nil
	}
	if spent = failed.ambiguous; spent && failed.hint == "" {
		failed.hint = "Google may have redeemed the code, though no usable answer came back: have the app get a new one. This one is not sent again."
	}
	return nil, failed
}

// form returns what every token request has, with room for more.
func (c *Client) form(grantType string) []param {
	form := append(make([]param, 0, 6), param{"grant_type", grantType}, param{"client_id", c.cfg.ClientID})
	if secret := c.secret(); secret != "" {
		form = append(form, param{"client_secret", secret})
	}
	return form
}

// requestTokens asks the token endpoint once.
func (c *Client) requestTokens(ctx context.Context, op string, form []param) (*answer, *Error) {
	a, failed := c.post(ctx, op, c.cfg.Endpoint.TokenURL, form)
	if failed == nil {
		failed = a.failure(op, func() secrets { return c.secretsOf(form) })
	}
	return a, failed
}
