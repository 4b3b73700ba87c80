package exchange

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
)

// redacted is embedded by types without exported fields. Those with exported
// fields have methods instead; the receivers are values, so that a copy shows no
// more than a pointer.
type redacted = redact.Form

func (c Config) redacted() redacted {
	return redacted(fmt.Sprintf("exchange.Config{ClientID: %q, ClientSecret: %s, RedirectURIs: %q, TokenURL: %q}",
		c.ClientID, redact.Secret(c.ClientSecret), c.RedirectURIs, c.Endpoint.withDefaults().TokenURL))
}

// Format prints c without the secret, under every verb.
func (c Config) Format(s fmt.State, verb rune) { c.redacted().Format(s, verb) }

// MarshalText returns the text that [Config.Format] prints, for log/slog,
// encoding/json and other encoders. It cannot be read back.
func (c Config) MarshalText() ([]byte, error) { return c.redacted().MarshalText() }

// GobEncode returns an error.
func (c Config) GobEncode() ([]byte, error) { return c.redacted().GobEncode() }

func (t Tokens) redacted() redacted {
	return redacted(fmt.Sprintf("exchange.Tokens{AccessToken: %s, RefreshToken: %s, IDToken: %s, Scopes: %q, Expiry: %s, RefreshTokenExpiry: %s}",
		redact.Secret(t.AccessToken), redact.Secret(t.RefreshToken), redact.Secret(t.IDToken), t.Scopes, when(t.Expiry), when(t.RefreshTokenExpiry)))
}

func when(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.Format(time.RFC3339)
}

// Format prints t without any token, under every verb.
func (t Tokens) Format(s fmt.State, verb rune) { t.redacted().Format(s, verb) }

// MarshalText returns the text that [Tokens.Format] prints, for log/slog,
// encoding/json and other encoders. It cannot be read back.
func (t Tokens) MarshalText() ([]byte, error) { return t.redacted().MarshalText() }

// GobEncode returns an error.
func (t Tokens) GobEncode() ([]byte, error) { return t.redacted().GobEncode() }

func (r AuthRequest) redacted() redacted {
	return redacted(fmt.Sprintf("exchange.AuthRequest{RedirectURI: %q, Scopes: %q, State: %s, Nonce: %s, CodeVerifier: %s}",
		r.RedirectURI, r.Scopes, redact.Secret(r.State), redact.Secret(r.Nonce), redact.Secret(r.CodeVerifier)))
}

// Format prints r without URL, State, Nonce and CodeVerifier, under every verb.
func (r AuthRequest) Format(s fmt.State, verb rune) { r.redacted().Format(s, verb) }

// LogValue returns the text that [AuthRequest.Format] prints. The JSON form,
// which a handler would write otherwise, has the secrets.
func (r AuthRequest) LogValue() slog.Value { return r.redacted().LogValue() }

// GobEncode returns an error: keep r as JSON.
func (r AuthRequest) GobEncode() ([]byte, error) { return r.redacted().GobEncode() }
