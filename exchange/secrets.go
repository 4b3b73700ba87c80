package exchange

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

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

// A secrets list holds the values that must not appear in an error, because an
// answer or a transport may quote them.
type secrets []string

// secrets returns the values of f that no failure of the request may quote.
func (f form) secrets() secrets {
	var s secrets
	for _, p := range f {
		switch p.name {
		case "client_secret", "code", "code_verifier", "refresh_token", "token":
			s = append(s, p.value)
		}
	}
	return s
}

const (
	// quoteLen bytes in common make a quotation: a provider may cut or escape
	// a value that it echoes.
	quoteLen = 8

	// A secret shorter than that is one of a test, and could be an English word.
	secretLen = 6
)

// in reports whether text quotes one of the secrets.
func (s secrets) in(text string) bool {
	for _, secret := range s {
		if len(secret) < secretLen {
			continue
		}
		n := min(quoteLen, len(secret))
		for i := 0; i+n <= len(text); i++ {
			if strings.Contains(secret, text[i:i+n]) {
				return true
			}
		}
	}
	return false
}

// clean returns text from a provider in a form that is fit for a log: a
// printable line of 200 bytes at most, or nothing if it quotes a secret.
func (s secrets) clean(text string) string {
	const max = 200
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, text[:min(len(text), 4*max)])
	if len(text) > max {
		text = strings.ToValidUTF8(text[:max], "") + "…"
	}
	if s.in(text) {
		return ""
	}
	return text
}

// token returns text if it looks like an OAuth error code and quotes no secret.
// The words that OAuth defines give nothing away, not even where they are in a
// secret too.
func (s secrets) token(text string) string {
	if isOAuthWord(text) {
		return text
	}
	if len(text) > 64 || strings.ContainsFunc(text, notInCode) || s.in(text) {
		return ""
	}
	return text
}

func notInCode(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
}

var (
	errWithheld = errors.New("the error is withheld: it quotes the request or the answer")
	errAnother  = errors.New("another OAuth request has failed")
)

// cleanError returns err, or an error that stands for it. Where an answer is no
// HTTP, net/http quotes its first line. The failure of another OAuth request, of a
// transport that gets a token of its own for example, must not be found in the
// chain: its invalid_grant is not that of this request.
func (s secrets) cleanError(err error) error {
	if isOAuthFailure(err) {
		return errAnother
	}
	if strings.Contains(err.Error(), "malformed") {
		return errWithheld
	}
	if s.inside(err) {
		return errWithheld
	}
	return err
}

func isOAuthFailure(err error) bool {
	_, withCode := errors.AsType[*oauth2.RetrieveError](err)
	_, own := errors.AsType[*Error](err)
	_, kind := errors.AsType[*sentinel](err)
	return withCode || own || kind
}

// inside reports whether err, or an error that it wraps, holds one of the
// secrets: errors.As hands out each of them, and %#v prints its fields.
func (s secrets) inside(err error) bool {
	if err == nil {
		return false
	}
	if s.in(fmt.Sprintf("%v %#v", err, err)) {
		return true
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		return s.inside(err.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(err.Unwrap(), s.inside)
	}
	return false
}
