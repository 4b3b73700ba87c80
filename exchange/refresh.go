package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// Refresh gets a new access token. After a transient failure (5xx, 429, a broken
// connection, 403 with HTML, and the like) it tries again, with growing pauses and
// as Retry-After asks, as long as Config.Retry says and until ctx ends; then the
// error is ErrTemporary. ErrInvalidGrant means that Google has refused the refresh
// token for good.
//
// The token's RefreshToken is the given one, or a new one where Google replaces
// it: keep that. Extra has "scope", "id_token" and "refresh_token_expires_in"
// as for [Tokens], each only if Google sends it.
//
// With Config.DPoP or DPoPKeys the request has a proof of the first key, and Extra
// has "dpop_jkt", the key's thumbprint. [Client.RefreshBound] uses the others.
//
// Refresh keeps nothing and shares no request between callers. The error is an
// [*Error].
func (c *Client) Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	return c.refresh(ctx, refreshToken, c.dpop.first())
}

// RefreshBound is [Client.Refresh] for a refresh token that is bound to the key
// with that thumbprint: the "dpop_jkt" in the Extra of the token that it came with.
// For an empty thumbprint no proof is sent.
//
// If none of the keys in the Config has the thumbprint, nothing is sent: the error
// Is [ErrKey], and errors.As finds a [*KeyError] in it.
func (c *Client) RefreshBound(ctx context.Context, refreshToken, thumbprint string) (*oauth2.Token, error) {
	key, err := c.dpop.bound(thumbprint)
	if err != nil {
		return nil, err
	}
	return c.refresh(ctx, refreshToken, key)
}

func (c *Client) refresh(ctx context.Context, refreshToken string, key *dpopKey) (*oauth2.Token, error) {
	if refreshToken == "" {
		return nil, &Error{Op: opRefresh, kind: ErrInvalidGrant, reason: "there is no refresh token",
			hint: "The refresh token is empty: none is kept for the user, so have the app get a code with consent."}
	}
	resp, err := c.again(ctx, opRefresh, func() (*response, error) {
		f := append(make(form, 0, 4), param{"grant_type", "refresh_token"}, param{"refresh_token", refreshToken})
		return c.requestTokens(ctx, opRefresh, f, key, new(bool))
	})
	if err != nil {
		return nil, err
	}
	t := resp.token()
	if t.RefreshToken == "" {
		t.RefreshToken = strings.Clone(refreshToken) // whose memory the caller may use again
	}
	return t, nil
}

// Revoke ends the grant behind an access or refresh token: everything that the
// user has granted to any client of the Cloud project, the app's own tokens
// included (https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke).
// It is for "disconnect my account", not for signing out. A token that is dead
// already is no error. Transient failures are tried again as by Refresh.
//
// The error is an [*Error].
func (c *Client) Revoke(ctx context.Context, token string) error {
	if token == "" {
		return &Error{Op: opRevoke, kind: ErrBadRequest, reason: "there is no token",
			hint: "The token is empty: without one that is kept for the user there is nothing to revoke."}
	}
	_, err := c.again(ctx, opRevoke, func() (*response, error) {
		f := form{{"token", token}}
		resp, err := c.post(ctx, opRevoke, c.revokeURL, f)
		if err != nil || resp.status == http.StatusBadRequest && resp.text("error") == "invalid_token" { // dead already
			return resp, err
		}
		return resp, resp.refusal(opRevoke, f)
	})
	return err
}

// again calls op until it succeeds or fails for good, as Config.Retry says.
func (c *Client) again(ctx context.Context, op string, call func() (*response, error)) (*response, error) {
	policy := retry.Policy{Total: c.cfg.Retry.Total, Initial: c.cfg.Retry.First}
	resp, err := retry.Do(ctx, policy, call, func(err error) (time.Duration, bool) {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return 0, false
		}
		return e.RetryAfter, e.retry
	})
	if err != nil {
		return nil, givenUp(ctx, op, err)
	}
	return resp, nil
}

// givenUp returns the last failure as an *Error. If ctx has ended while waiting to
// try again, the *Error says so.
func givenUp(ctx context.Context, op string, err error) error {
	last, ok := errors.AsType[*Error](err)
	if !ok || err == error(last) {
		return err
	}
	if errors.Is(last, ctx.Err()) && errors.Is(last, context.Cause(ctx)) {
		return last // ctx has ended the call itself
	}
	e := *last
	e.cause = fmt.Errorf("%w while waiting to try again", ctxerr.Of(ctx))
	if last.cause != nil {
		e.cause = fmt.Errorf("%w, and %w", last.cause, e.cause)
	}
	return &e
}

// notBegun is the failure of a call whose context had ended before it.
func notBegun(ctx context.Context, op string) error {
	return &Error{Op: op, kind: ErrTemporary, cause: ctxerr.Of(ctx),
		hint: "The caller's context had ended before anything was sent: call again, with one that has not."}
}

func ended(op string, cause error) error {
	return &Error{Op: op, kind: ErrTemporary, cause: cause,
		hint: "The caller's context has ended. If that was during an exchange, the code is spent: what must not be cut short takes context.WithoutCancel."}
}
