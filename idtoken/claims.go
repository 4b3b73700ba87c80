package idtoken

import (
	"crypto/rsa"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

// claims is the payload of a token, read with the right types. Only recent
// changes after it was read.
type claims struct {
	Profile
	object    jose.Object
	audiences []string
	notBefore time.Time
	atHash    string

	keyID string         // of the key under which the signature was good;
	key   *rsa.PublicKey // unset in a token that was not verified

	recent atomic.Bool // has been accepted out of the cache
}

// touch marks the claims as recently used. It writes only on a change, because
// several cores may read the same claims.
func (c *claims) touch() {
	if !c.recent.Load() {
		c.recent.Store(true)
	}
}

// readClaims reads the claims of an ID token and checks the rules that need
// neither a Config nor the time.
func readClaims(object jose.Object) (*claims, error) {
	c := &claims{object: object}
	c.Profile.claims = &c.object
	for _, m := range object {
		if err := c.set(m); err != nil {
			return nil, err
		}
	}
	switch {
	case c.Subject == "":
		return nil, &ClaimError{Claim: "sub", Want: wantSubject, rule: ErrClaim}
	case c.IssuedAt.IsZero():
		return nil, &ClaimError{Claim: "iat", Want: wantTime, rule: ErrClaim}
	case c.Expiry.IsZero():
		return nil, &ClaimError{Claim: "exp", Want: wantTime, rule: ErrClaim}
	}
	return c, nil
}

const (
	wantString  = "a string"
	wantSubject = "a string of 1 to 255 visible ASCII characters"
	wantTime    = "a number of seconds"
)

func (c *claims) set(m jose.Member) error {
	switch m.Name {
	case "iss":
		return text(&c.Issuer, m, ErrIssuer)
	case "aud":
		return c.setAudience(m)
	case "azp":
		return c.setAuthorizedParty(m)
	case "sub":
		return c.setSubject(m)
	case "iat":
		return seconds(&c.IssuedAt, m)
	case "exp":
		return seconds(&c.Expiry, m)
	case "nbf":
		return seconds(&c.notBefore, m)
	case "events": // a security event token, of which the same keys sign many (RFC 8417)
		return &ClaimError{Claim: "events", Want: "none in an ID token", rule: ErrClaim}
	case "at_hash":
		return text(&c.atHash, m, ErrClaim)
	case "nonce":
		return text(&c.Nonce, m, ErrClaim)
	case "email":
		return text(&c.Email, m, ErrClaim)
	case "email_verified":
		return truth(&c.EmailVerified, m)
	case "name":
		return text(&c.Name, m, ErrClaim)
	case "given_name":
		return text(&c.GivenName, m, ErrClaim)
	case "family_name":
		return text(&c.FamilyName, m, ErrClaim)
	case "picture":
		return text(&c.Picture, m, ErrClaim)
	case "locale":
		return text(&c.Locale, m, ErrClaim)
	case "hd":
		return text(&c.HostedDomain, m, ErrClaim)
	case "auth_time":
		if m.Value.IsNull() {
			return nil
		}
		return seconds(&c.AuthTime, m)
	case "amr":
		return c.setMethods(m)
	}
	return nil
}

func (c *claims) setAudience(m jose.Member) error {
	var ok bool
	if c.audiences, ok = m.Value.Strings(); !ok || len(c.audiences) == 0 {
		return wrong(m, "a string or an array of strings", ErrAudience)
	}
	c.Audience = c.audiences[0]
	return nil
}

// setAuthorizedParty refuses null: azp is checked whenever it is present.
func (c *claims) setAuthorizedParty(m jose.Member) error {
	if c.AuthorizedParty, _ = m.Value.Str(); c.AuthorizedParty == "" {
		return wrong(m, "a client ID", ErrAuthorizedParty)
	}
	return nil
}

func (c *claims) setMethods(m jose.Member) error {
	if m.Value.IsNull() {
		return nil
	}
	var ok bool
	if c.Methods, ok = m.Value.Strings(); !ok {
		return wrong(m, "an array of strings", ErrClaim)
	}
	return nil
}

// setSubject checks the form that OpenID Connect Core section 2 gives sub. A
// space is not printable ASCII (RFC 20 section 5.2 lists it as invisible).
func (c *claims) setSubject(m jose.Member) error {
	c.Subject, _ = m.Value.Str()
	if n := len(c.Subject); n < 1 || n > 255 {
		return wrong(m, wantSubject, ErrClaim)
	}
	for i := range len(c.Subject) {
		if c.Subject[i] <= ' ' || c.Subject[i] > '~' {
			return wrong(m, wantSubject, ErrClaim)
		}
	}
	return nil
}

// text reads an optional string; null is absent.
func text(dst *string, m jose.Member, rule error) error {
	if m.Value.IsNull() {
		return nil
	}
	var ok bool
	if *dst, ok = m.Value.Str(); !ok {
		return wrong(m, wantString, rule)
	}
	return nil
}

// truth reads an optional boolean, also in a string, as Google has been seen to
// write it.
func truth(dst *bool, m jose.Member) error {
	if m.Value.IsNull() {
		return nil
	}
	b, ok := m.Value.Bool()
	if s, isString := m.Value.Str(); isString {
		b, ok = s == "true", s == "true" || s == "false"
	}
	if !ok {
		return wrong(m, "true or false", ErrClaim)
	}
	*dst = b
	return nil
}

// seconds reads a NumericDate; null is none.
func seconds(dst *time.Time, m jose.Member) error {
	var ok bool
	if *dst, ok = m.Value.Time(); !ok {
		return wrong(m, wantTime, ErrClaim)
	}
	return nil
}

func wrong(m jose.Member, want string, rule error) error {
	return &ClaimError{Claim: m.Name, Got: printable(shorten(string(m.Value))), Want: want, rule: rule}
}

// printable returns JSON on one line, and without characters that a log or a
// terminal would act on, such as U+2028 and those that turn the direction of
// writing: a stranger may have written it.
func printable(value string) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n', r == '\r', r == '\t': // between tokens; in a string JSON has them escaped
			b.WriteByte(' ')
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	return b.String()
}

// shorten keeps what a log line can hold.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	n := most
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
