// Package exchange turns Google's one-time authorization codes into tokens. It
// is for the backend of an app, or of a page, whose users sign in with Google:
// the app sends the code, the backend redeems it.
//
//	cfg, err := exchange.ConfigFromFile("client_secret.json")
//	…
//	client, err := exchange.New(cfg)
//	…
//	mux.Handle("POST /auth/google", client.Handler(exchange.App,
//		func(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
//			// Verify t.IDToken: it says who has signed in.
//			// Keep t.RefreshToken, if there is one, under the user's subject.
//		}))
//
// [Client.Exchange] redeems a code that came another way, [Client.Refresh] gets
// further access tokens, and [Client.Revoke] takes the user's consent back.
//
// # Where a code comes from
//
// Google redeems a code only under the redirect_uri it was issued under, so each
// exchange says what that was: [App] for Google's SDKs on iOS and Android,
// [Popup] for Google Identity Services in a page, or the redirect URI itself.
// For a browser redirect, [Redirect] is two handlers: one sends the browser to
// Google with state, nonce and PKCE, the other redeems the code that it comes back
// with. A site that keeps sign-ins in its own sessions uses
// [Client.NewAuthRequest] and [Client.ExchangeCallback].
//
// # Consent only when it is needed
//
// Google issues a refresh token when the user sees the consent screen, so most
// sign-ins bring none. Forcing consent each time is no way out: a user has at
// most 100 live refresh tokens for a client, and each further one silently ends
// the oldest. Sign in without; and only if no usable refresh token is kept for
// the user, which tokenstore answers with ErrNeedsConsent, let the app ask for a
// code with consent ([AuthParams].ForceConsent in a browser,
// forceCodeForRefreshToken on Android). examples/redirect is a program that does.
//
// # What can go wrong
//
// Every failure is an [*Error] that Is one of the sentinels. Mistakes in the
// arguments of New, ConfigFromJSON, ConfigFromFile and NewAuthRequest are plain
// errors. The table shows the meaning of Google's responses, the [HTTPStatus] to
// answer an app with, whether Refresh and Revoke try again by themselves, and
// whether a code may have been redeemed all the same. A code is sent once; one
// that may have been redeemed is not sent again later either. [ProblemCode] says
// to an app what to do.
//
//	Google's response                           error                status  again  redeemed
//	invalid_grant, also with the subtype
//	    invalid_rapt or rapt_required           ErrInvalidGrant      400     no     no
//	redirect_uri_mismatch                       ErrRedirectMismatch  500     no     no
//	invalid_client, unauthorized_client,
//	    deleted_client, disabled_client,
//	    invalid_request, invalid_scope,
//	    unsupported_grant_type,
//	    invalid_dpop_proof, use_dpop_nonce for
//	    the second time, any other code         ErrClient            500     no     no
//	4xx without a readable code                 ErrClient            500     no     no
//	a redirect                                  ErrClient            500     no     perhaps
//	access_denied, admin_policy_enforced,
//	    policy_enforced, org_internal,
//	    disallowed_useragent,
//	    interaction_required, login_required,
//	    consent_required,
//	    account_selection_required              ErrDenied            403     no     no
//	429, 403 with HTML, rate_limit_exceeded     ErrTemporary         503     yes    no
//	408, internal_failure, server_error,
//	    temporarily_unavailable                 ErrTemporary         503     yes    perhaps
//	5xx, whatever other code is in it           ErrTemporary         503     yes    perhaps
//	200, but not a token response               ErrTemporary         503     no     perhaps
//	200, but a token_type other than Bearer     ErrClient            500     no     perhaps
//	none: not connected                         ErrTemporary         503     yes    no
//	none: its certificate is not good           ErrTemporary         503     no     no
//	none: connected, and cut off                ErrTemporary         503     yes    perhaps
//	none yet, and a context has ended           ErrTemporary         503     no     perhaps
//	none: a context had ended before, or
//	    ClientSecretFunc or DPoP has failed     ErrTemporary         503     no     no
//	none: bound to a key that is not there      ErrKey               500     no     no
//
//	a callback's error, by its code             as above
//	a callback of another state, iss or nonce,
//	    or for an AuthRequest that lost some    ErrState             400
//	a callback with neither error nor code      ErrBadRequest        400
//	a request that ReadCode refuses             ErrBadRequest        405, 403, 415, 413, 408, 400
//	a code of another account (ExchangeFor)     ErrAccount           403
//	what cannot be a code                       ErrInvalidGrant      400
//	a code that is spent, or may be             ErrInvalidGrant      400
//
// Only ErrInvalidGrant says that a kept refresh token is of no use any more.
// [Error.Hint] says what to do.
//
// # Security
//
// Codes, tokens and client secrets are in no error and no log line, and no type
// of this package shows them when it is printed or encoded; AuthRequest alone has its
// secrets in its JSON. Nothing is known about a user until the ID token is
// verified, which is not done here, and no token is kept.
//
// In an unexported field of your own struct, fmt prints a Tokens, a Config or an
// AuthRequest without asking it. A pointer there comes out as an address under
// %v, %+v, %#v, %d and %x; %s, %q and all other verbs follow it. So do not print
// such a struct, or give it a Format method.
package exchange

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A Client speaks to Google's token and revocation endpoints for one OAuth
// client. Make one and keep it: it remembers which codes are spent. It is safe
// for concurrent use and needs no closing.
type Client struct {
	redacted

	// Functions, because fmt looks into the fields of a Client that is in an
	// unexported field, through pointers too.
	secret    func(context.Context) (string, error)
	roundTrip func(*http.Request) (*http.Response, error)

	cfg     *Config       // without ClientSecret and keys
	timeout time.Duration // of one call
	codes   *codes
	dpop    *dpop

	authURL, tokenURL, revokeURL *url.URL
}

// New returns a Client for cfg, of which it keeps a copy. An error names the
// field that is wrong.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	dpop, err := newDPoP(&cfg)
	if err != nil {
		return nil, err
	}
	c := &Client{
		redacted:  redacted(fmt.Sprintf("exchange.Client{ClientID: %q, TokenURL: %q}", cfg.ClientID, cfg.Endpoint.TokenURL)),
		secret:    cfg.secretFunc(),
		cfg:       &cfg,
		roundTrip: http.DefaultTransport.RoundTrip,
		timeout:   callTimeout,
		codes:     new(codes),
		dpop:      dpop,
	}
	c.authURL, _ = url.Parse(cfg.Endpoint.AuthURL) // complete has parsed all three
	c.tokenURL, _ = url.Parse(cfg.Endpoint.TokenURL)
	c.revokeURL, _ = url.Parse(cfg.Endpoint.RevokeURL)
	cfg.ClientSecret, cfg.DPoP, cfg.DPoPKeys = "", nil, nil
	if given := cfg.HTTPClient; given != nil {
		if given.Transport != nil {
			c.roundTrip = given.Transport.RoundTrip
		}
		if given.Timeout > 0 {
			c.timeout = min(c.timeout, given.Timeout)
		}
	}
	return c, nil
}
