package exchange_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

func TestHTTPStatus(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nil", nil, 200},
		{"any error", errors.New("x"), 500},
		{"a context's", context.Canceled, 500},
		{"ErrInvalidGrant", exchange.ErrInvalidGrant, 400},
		{"ErrRedirectMismatch", exchange.ErrRedirectMismatch, 500},
		{"ErrClient", exchange.ErrClient, 500},
		{"ErrTemporary", exchange.ErrTemporary, 503},
		{"ErrDenied", exchange.ErrDenied, 403},
		{"ErrState", exchange.ErrState, 400},
		{"ErrBadRequest", exchange.ErrBadRequest, 400},
		{"wrapped", fmt.Errorf("sign-in: %w", exchange.ErrDenied), 403},
		{"joined", errors.Join(errors.New("x"), exchange.ErrTemporary), 503},
		{"another package's", fmt.Errorf("x: %w", statusError(http.StatusTeapot)), 418},
		{"a status that is no failure", statusError(200), 500},
		{"a status that is none", statusError(0), 500},
	}
	for _, tt := range tests {
		if got := exchange.HTTPStatus(tt.err); got != tt.want {
			t.Errorf("%s: HTTPStatus = %d, want %d", tt.name, got, tt.want)
		}
	}
}

type statusError int

func (e statusError) Error() string   { return "status" }
func (e statusError) HTTPStatus() int { return int(e) }

// Errors that are made elsewhere.
func TestErrorOfYourOwn(t *testing.T) {
	dead := &exchange.Error{Op: "refresh", Code: "invalid_grant", Status: 400}
	if !errors.Is(dead, exchange.ErrInvalidGrant) || exchange.HTTPStatus(dead) != 400 || dead.Hint() == "" {
		t.Errorf("%v is not ErrInvalidGrant", dead)
	}
	if got, want := dead.Error(), "exchange: refresh: invalid grant: HTTP 400 invalid_grant"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (&exchange.Error{Code: "invalid_grant"}).Error(), "exchange: invalid grant invalid_grant"; got != want {
		t.Errorf("of its Code alone: %q, want %q", got, want)
	}
	zero := new(exchange.Error)
	if !errors.Is(zero, exchange.ErrClient) || zero.Error() == "" || zero.Hint() == "" {
		t.Errorf("the zero Error is %v", zero)
	}
}

// A hint must not send anybody after the wrong thing.
func TestHints(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	callback := func(idToken string, pairs ...string) func(*testing.T) error {
		return func(t *testing.T) error {
			values := url.Values{"state": {"s"}, "code": {goodCode}}
			for i := 0; i < len(pairs); i += 2 {
				values.Set(pairs[i], pairs[i+1])
			}
			_, err := newClient(t, scripted(callbackAnswer(idToken, "openid"))).ExchangeCallback(t.Context(), values,
				&exchange.AuthRequest{RedirectURI: callbackURI, State: "s", Nonce: "N", CodeVerifier: "v"})
			return err
		}
	}
	untrusted := scripted(fails(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}))
	tests := []struct {
		name      string
		try       func(*testing.T) error
		want, not string
	}{
		{"no token to revoke", func(t *testing.T) error {
			return newClient(t, scripted()).Revoke(t.Context(), "")
		}, "nothing to revoke", "ReadCode"},
		{"no refresh token", func(t *testing.T) error {
			_, err := newClient(t, scripted()).Refresh(t.Context(), "")
			return err
		}, "none is kept", "revoked or expired"},
		{"request", func(t *testing.T) error {
			_, err := newClient(t, scripted()).ReadCode(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			return err
		}, "ReadCode", "callback"},
		{"callback with an empty code", callback("", "code", ""), "redirect URI", "app"},
		{"callback with an encoded code", callback("", "code", url.QueryEscape(goodCode)), "redirect URI", "app"},
		{"callback with an empty error", callback("", "error", ""), "redirect URI", "ReadCode"},
		{"callback with another state", callback("", "state", "x"), "another browser session", "issuer"},
		{"callback with another issuer", callback("", "iss", "https://evil.example"), "Endpoint.Issuer", "browser session"},
		{"callback without an ID token", callback(""), "ID token", "browser session"},
		{"ID token without a nonce", callback(idToken(`{"sub":"1"}`)), "ID token", "browser session"},
		{"prompt=none", callback("", "error", "login_required"), "prompt=none", "administrator"},
		{"untrusted, exchange", func(t *testing.T) error {
			_, err := newClient(t, untrusted).Exchange(t.Context(), goodCode, exchange.App)
			return err
		}, "certificate", "later"},
		{"untrusted, refresh", func(t *testing.T) error {
			_, err := newClient(t, untrusted).Refresh(t.Context(), refreshToken)
			return err
		}, "proxy", "later"},
		{"ended before the exchange", func(t *testing.T) error {
			_, err := newClient(t, scripted()).Exchange(ended, goodCode, exchange.App)
			return err
		}, "before anything was sent", "spent"},
		{"ended before the refresh", func(t *testing.T) error {
			_, err := newClient(t, scripted()).Refresh(ended, refreshToken)
			return err
		}, "before anything was sent", "spent"},
		{"ended during the exchange", func(t *testing.T) error {
			ctx, cancel := context.WithCancel(t.Context())
			answered := make(chan struct{})
			defer close(answered)
			_, err := newClient(t, scripted(func(r *http.Request) (*http.Response, error) {
				cancel()
				<-answered
				return says(200, tokenAnswer)(r)
			})).Exchange(ctx, goodCode, exchange.App)
			return err
		}, "spent", "before"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := errors.AsType[*exchange.Error](tt.try(t))
			if !ok {
				t.Fatal("no *Error")
			}
			if hint := e.Hint(); !strings.Contains(hint, tt.want) || strings.Contains(hint, tt.not) {
				t.Errorf("hint of %v: %q; want it to say %q, and not %q", e, hint, tt.want, tt.not)
			}
		})
	}
}
