package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// Refresh gets a new access token. What is transient (5xx, 429, a broken
// connection, 403 with HTML, and the like) is tried again, with growing waits
// and as Retry-After asks, up to five times, until ctx ends, and unless Google
// asks to wait for more than a minute; then the error is ErrTemporary.
// ErrInvalidGrant means that the refresh token is dead: Google has said so.
//
// The token's RefreshToken is the given one, or a new one where Google replaces
// it: keep that. Extra has "scope", "id_token" and "refresh_token_expires_in"
// as for [Tokens], each only if Google sends it.
//
// Refresh keeps nothing and shares no request between callers. The error is an
// [*Error].
func (c *Client) Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	if refreshToken == "" {
		return nil, &Error{Op: opRefresh, kind: ErrInvalidGrant, reason: "there is no refresh token",
			hint: "The refresh token is empty: none is kept for the user, so have the app get a code with consent."}
	}
	form := append(c.form("refresh_token"), param{"refresh_token", refreshToken})
	a, err := again(ctx, opRefresh, func() (*answer, *Error) {
		return c.requestTokens(ctx, opRefresh, form)
	})
	if err != nil {
		return nil, err
	}
	t := a.token()
	if t.RefreshToken == "" {
		t.RefreshToken = refreshToken
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
	form := []param{{"token", token}}
	_, err := again(ctx, opRevoke, func() (*answer, *Error) {
		a, failed := c.post(ctx, opRevoke, c.cfg.Endpoint.RevokeURL, form)
		if failed != nil || a.status == http.StatusBadRequest && a.text("error") == "invalid_token" { // dead already
			return a, failed
		}
		return a, a.refusal(opRevoke, func() secrets { return c.secretsOf(form) })
	})
	return err
}

// again calls op until it succeeds or fails for good.
func again(ctx context.Context, op string, call func() (*answer, *Error)) (*answer, error) {
	a, err := retry.Do(ctx, retry.Policy{}, func() (*answer, error) {
		a, failed := call()
		if failed != nil {
			return nil, failed
		}
		return a, nil
	}, func(err error) (time.Duration, bool) {
		failed := asError(op, err)
		return failed.RetryAfter, failed.retry
	})
	if err != nil {
		return nil, givenUp(ctx, op, err)
	}
	return a, nil
}

// givenUp returns the last failure as an *Error, which says so if ctx has ended
// while waiting to try again.
func givenUp(ctx context.Context, op string, err error) *Error {
	last, ok := errors.AsType[*Error](err)
	if !ok || err == error(last) {
		return asError(op, err)
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

// asError returns err if it is an *Error. Else a context has ended before there
// was anything to say.
func asError(op string, err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return ended(op, err)
}

// notBegun is the failure of a call whose context had ended before it.
func notBegun(ctx context.Context, op string) *Error {
	return &Error{Op: op, kind: ErrTemporary, cause: ctxerr.Of(ctx),
		hint: "The caller's context had ended before anything was sent: call again, with one that has not."}
}

func ended(op string, cause error) *Error {
	return &Error{Op: op, kind: ErrTemporary, cause: cause,
		hint: "The caller's context has ended. If that was during an exchange, the code is spent: what must not be cut short takes context.WithoutCancel."}
}
