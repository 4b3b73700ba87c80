package exchange_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

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
