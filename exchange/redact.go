package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
)

// Receivers are values, so that a copy is as discreet as a pointer. Every verb
// prints the same.

var errRedacted = errors.New("exchange: this type does not come back from JSON: its secrets are not in there")

func (c Config) redacted() []slog.Attr {
	return []slog.Attr{
		slog.String("client_id", c.ClientID),
		slog.String("client_secret", redact.Secret(c.ClientSecret)),
		slog.Any("redirect_uris", c.RedirectURIs),
		slog.String("token_url", c.Endpoint.withDefaults().TokenURL),
	}
}

// Format prints c without the secret, under every verb.
func (c Config) Format(f fmt.State, _ rune) { printAttrs(f, "exchange.Config", c.redacted()) }

// LogValue logs c without the secret.
func (c Config) LogValue() slog.Value { return slog.GroupValue(c.redacted()...) }

// MarshalJSON marshals c without the secret. There is no way back.
func (c Config) MarshalJSON() ([]byte, error) { return marshalAttrs(c.redacted()) }

// UnmarshalJSON fails: see [ConfigFromJSON].
func (c *Config) UnmarshalJSON([]byte) error { return errRedacted }

// Format prints which OAuth client c is, under every verb.
func (c Client) Format(f fmt.State, _ rune) { printAttrs(f, "exchange.Client", c.redacted()) }

// LogValue logs which OAuth client c is.
func (c Client) LogValue() slog.Value { return slog.GroupValue(c.redacted()...) }

// MarshalJSON marshals which OAuth client c is.
func (c Client) MarshalJSON() ([]byte, error) { return marshalAttrs(c.redacted()) }

func (c Client) redacted() []slog.Attr {
	if c.cfg == nil {
		return nil
	}
	cfg := *c.cfg
	cfg.ClientSecret = c.secret()
	return cfg.redacted()
}

func (t Tokens) redacted() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("access_token", redact.Secret(t.AccessToken)),
		slog.String("refresh_token", redact.Secret(t.RefreshToken)),
		slog.String("id_token", redact.Secret(t.IDToken)),
		slog.Any("scopes", t.Scopes),
		slog.Time("expiry", t.Expiry),
	}
	if !t.RefreshTokenExpiry.IsZero() {
		attrs = append(attrs, slog.Time("refresh_token_expiry", t.RefreshTokenExpiry))
	}
	return attrs
}

// Format prints t without any token, under every verb.
func (t Tokens) Format(f fmt.State, _ rune) { printAttrs(f, "exchange.Tokens", t.redacted()) }

// LogValue logs t without any token.
func (t Tokens) LogValue() slog.Value { return slog.GroupValue(t.redacted()...) }

// MarshalJSON marshals t without any token. There is no way back.
func (t Tokens) MarshalJSON() ([]byte, error) { return marshalAttrs(t.redacted()) }

// UnmarshalJSON fails: a redacted token is none.
func (t *Tokens) UnmarshalJSON([]byte) error { return errRedacted }

func (r AuthRequest) redacted() []slog.Attr {
	return []slog.Attr{
		slog.String("redirect_uri", r.RedirectURI),
		slog.Any("scopes", r.Scopes),
		slog.String("state", redact.Secret(r.State)),
		slog.String("nonce", redact.Secret(r.Nonce)),
		slog.String("code_verifier", redact.Secret(r.CodeVerifier)),
	}
}

// Format prints r without URL, State, Nonce and CodeVerifier, under every verb.
func (r AuthRequest) Format(f fmt.State, _ rune) {
	printAttrs(f, "exchange.AuthRequest", r.redacted())
}

// LogValue logs r without URL, State, Nonce and CodeVerifier.
func (r AuthRequest) LogValue() slog.Value { return slog.GroupValue(r.redacted()...) }

func printAttrs(f fmt.State, name string, attrs []slog.Attr) {
	fmt.Fprintf(f, "%s%v", name, attrs)
}

func marshalAttrs(attrs []slog.Attr) ([]byte, error) {
	object := make(map[string]any, len(attrs))
	for _, a := range attrs {
		object[a.Key] = a.Value.Any()
	}
	return json.Marshal(object)
}
