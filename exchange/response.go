package exchange

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// Tokens are the tokens that Google issues for a code. The embedded Token is for
// libraries that take an *oauth2.Token, as &t.Token. Its Extra has the other members
// of Google's response under their names, among them "scope" (string), "id_token"
// (string) and "refresh_token_expires_in" (float64, seconds). With Config.DPoP it also
// has "dpop_jkt" (string), the thumbprint of the key that the refresh token is bound
// to.
//
// Tokens prints, logs and encodes without any token. The embedded Token does
// not, once it is taken out, and neither does Tokens in an unexported field of
// another struct: see Security in the package documentation.
type Tokens struct {
	// Token has a RefreshToken only if the user has just consented to offline
	// access. Never replace a kept refresh token with an empty one. Its Expiry is
	// zero if Google announced none, and the time of the request if it cannot be
	// read: then it has expired, and needs a refresh.
	oauth2.Token

	// IDToken says who the user is; verify it. Google sends one if the scopes
	// include openid, email or profile. Empty: none was sent.
	IDToken string

	// Subject is the sub of the account that the tokens are of, where
	// [Client.ExchangeFor] has found it out. Otherwise it is empty.
	Subject string

	// Scopes are those granted, under the full names that Google gives them,
	// sorted; users may grant fewer than were asked for. Nil: Google did not
	// say. See [Tokens.Missing].
	Scopes []string

	// RefreshTokenExpiry is when the refresh token ends because the user gave
	// access for a limited time, or because the Cloud project is in testing.
	// Zero: no end was announced.
	RefreshTokenExpiry time.Time
}

// Missing returns those of the scopes that were not granted, as they are
// spelled in the call: all of them where Google did not say. The short names
// email and profile stand for those that Google grants,
// https://www.googleapis.com/auth/userinfo.email and userinfo.profile.
func (t *Tokens) Missing(scopes ...string) []string {
	return scope.Missing(t.Scopes, scopes)
}

// A response is the outcome of one request that Google has answered.
type response struct {
	status     int
	header     http.Header
	fields     map[string]any // of the JSON object in the body; nil if it is not one
	retryAfter time.Duration  // Retry-After
	asked      time.Time      // when the request was about to be sent
}

// text returns the string member of that exact name, or "".
func (r *response) text(name string) string {
	s, _ := r.fields[name].(string)
	return s
}

// fieldsOf returns the members of the JSON object in body, with numbers as
// float64; nil if there is none. A number that float64 does not hold becomes the
// largest: no number is worth losing tokens for.
func fieldsOf(body []byte) map[string]any {
	fields := flatObject(body)
	if fields != nil || json.Unmarshal(body, &fields) == nil {
		return fields
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	fields = nil
	if d.Decode(&fields) != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF { // more after it
		return nil
	}
	for name, v := range fields {
		if n, ok := v.(json.Number); ok {
			f, _ := n.Float64() // infinite, where it is out of range
			fields[name] = max(-math.MaxFloat64, min(f, math.MaxFloat64))
		}
	}
	return fields
}

// flatObject decodes a JSON object as Google's token endpoint sends it: its values
// are strings of plain ASCII and whole numbers. For any other text, JSON or not, it
// returns nil. Google's responses take it a quarter of the time of json.Unmarshal,
// which is a fifth of an exchange in memory.
func flatObject(text []byte) map[string]any {
	rest, ok := skip(text, '{')
	if !ok {
		return nil
	}
	fields := make(map[string]any, 8)
	for {
		var name string
		if name, rest, ok = plainString(rest); !ok {
			return nil
		}
		if rest, ok = skip(rest, ':'); !ok {
			return nil
		}
		var value any
		if value, rest, ok = plainValue(rest); !ok {
			return nil
		}
		fields[name] = value
		if after, more := skip(rest, ','); more {
			rest = after
			continue
		}
		if rest, ok = skip(rest, '}'); !ok || len(rest) > 0 {
			return nil
		}
		return fields
	}
}

// skip returns text after c and the white space around it.
func skip(text []byte, c byte) (rest []byte, ok bool) {
	text = trimSpace(text)
	if len(text) == 0 || text[0] != c {
		return text, false
	}
	return trimSpace(text[1:]), true
}

// trimSpace returns text without the white space at its start.
func trimSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\r' || text[0] == '\t') {
		text = text[1:]
	}
	return text
}

// plainString reads a string without escapes from the start of text.
func plainString(text []byte) (s string, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return "", nil, false
	}
	for i, c := range text[1:] {
		switch {
		case c == '"':
			return string(text[1 : i+1]), text[i+2:], true
		case c < ' ' || c > '~' || c == '\\':
			return "", nil, false
		}
	}
	return "", nil, false
}

// plainValue reads a string without escapes or a whole number of at most 15 digits,
// which float64 holds, from the start of text.
func plainValue(text []byte) (v any, rest []byte, ok bool) {
	digits, n := 0, int64(0)
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		n = n*10 + int64(text[digits]-'0')
		if digits++; digits > 15 {
			return nil, nil, false
		}
	}
	if digits == 0 {
		return plainString(text)
	}
	rest = text[digits:]
	ends := len(rest) > 0 && strings.IndexByte(", }\r\n\t", rest[0]) >= 0
	return float64(n), rest, ends && (text[0] != '0' || digits == 1)
}

// tokenFailure returns the *Error that r reports as the response to a token
// request with form f, or nil if it has tokens.
func (r *response) tokenFailure(op string, f form) error {
	if err := r.refusal(op, f); err != nil {
		return err
	}
	// Google may have redeemed the code in both cases.
	if !r.hasTokens() {
		return &Error{Op: op, Status: r.status, kind: ErrTemporary, ambiguous: true,
			reason: "the response has no tokens as RFC 6749 section 5.1 defines them"}
	}
	if kind := r.text("token_type"); kind != "" && !strings.EqualFold(kind, "Bearer") {
		return &Error{Op: op, Status: r.status, kind: ErrClient, ambiguous: true,
			reason: "the token_type of the response is not Bearer",
			hint:   "A client must not use a token whose type it does not know (RFC 6749 section 7.1): see what is at the Endpoint, and how the client is set up in Google's console."}
	}
	return nil
}

// refusal returns the *Error that r reports as the response to a request with form
// f, or nil if it is a success.
func (r *response) refusal(op string, f form) error {
	if r.status == http.StatusOK && r.fields["error"] == nil {
		return nil
	}
	code, secrets := r.text("error"), f.secrets()
	e := &Error{
		Op:          op,
		Code:        secrets.token(code),
		Subtype:     secrets.token(r.text("error_subtype")),
		Description: secrets.clean(r.text("error_description")),
		Status:      r.status,
		RetryAfter:  r.retryAfter,
		kind:        r.meaning(code),
	}
	if e.kind != meaningOf(code) {
		// The status says otherwise: who reads the code elsewhere must not
		// conclude that a refresh token is dead.
		e.Code, e.Subtype = "", ""
	}
	e.retry = e.kind == ErrTemporary && r.status >= 400
	e.ambiguous = r.status < 400 || e.kind == ErrTemporary && !r.slowDown(code)
	switch {
	case r.status/100 == 3:
		e.reason = "the endpoint redirects, which is not followed"
		e.hint = "Set the Endpoint of the Config to Google's own addresses, or look for a proxy that answers for Google."
	case r.fields == nil:
		e.reason = "the response is not a JSON object"
	}
	return e
}

// meaning returns the sentinel of a response that is not a success. The status
// goes before the code: "not now" never means "never".
func (r *response) meaning(code string) error {
	switch {
	case r.status/100 == 2, r.status >= 500, r.status == http.StatusRequestTimeout, r.slowDown(code):
		return ErrTemporary
	case r.status < 400:
		return ErrClient
	}
	return meaningOf(code)
}

// slowDown reports whether r says that there were too many requests, so that this
// one was not even tried. Other temporary failures may come from a server that
// broke down after it had redeemed the code, or from one in front of it.
func (r *response) slowDown(code string) bool {
	return r.status == http.StatusTooManyRequests ||
		r.status == http.StatusForbidden && r.fields == nil || // "User Rate Limit Exceeded", as HTML
		r.status >= 400 && code == "rate_limit_exceeded"
}

// hasTokens reports whether r has an access token, and no token or name that is
// not a string. A lifetime may be unreadable: see accessExpiry.
func (r *response) hasTokens() bool {
	for _, name := range []string{"access_token", "token_type", "refresh_token", "id_token", "scope"} {
		if _, ok := r.fields[name].(string); !ok && r.fields[name] != nil {
			return false
		}
	}
	return r.text("access_token") != ""
}

// tokens returns the tokens of r. Each call returns its own copy: the map of
// fields, which all share, is behind Extra.
func (r *response) tokens() *Tokens {
	t := &Tokens{
		Token:              *r.token(),
		IDToken:            r.text("id_token"),
		RefreshTokenExpiry: r.refreshExpiry(),
	}
	if s, ok := r.fields["scope"].(string); ok {
		t.Scopes = scope.Parse(s)
	}
	return t
}

func (r *response) token() *oauth2.Token {
	t := oauth2.Token{
		AccessToken:  r.text("access_token"),
		TokenType:    r.text("token_type"),
		RefreshToken: r.text("refresh_token"),
		Expiry:       r.accessExpiry(),
		ExpiresIn:    int64(seconds(r.fields["expires_in"]) / time.Second),
	}
	return t.WithExtra(r.fields)
}

// accessExpiry is zero if no lifetime is announced. One that cannot be read has
// ended: the next refresh announces another.
func (r *response) accessExpiry() time.Time {
	if r.fields["expires_in"] == nil {
		return time.Time{}
	}
	return r.in(seconds(r.fields["expires_in"]))
}

// refreshExpiry is zero if no lifetime is announced, or it cannot be read.
func (r *response) refreshExpiry() time.Time {
	lifetime := seconds(r.fields["refresh_token_expires_in"])
	if lifetime == 0 {
		return time.Time{}
	}
	return r.in(lifetime)
}

// in returns when a lifetime ends, counted from before the request, so that it
// errs on the early side.
func (r *response) in(lifetime time.Duration) time.Time {
	return r.asked.Add(lifetime).Round(0) // Google's clock is a wall clock
}

// seconds reads a lifetime: a number, or one in a string; else it is zero. It is
// at most 68 years.
func seconds(v any) time.Duration {
	if s, ok := v.(string); ok {
		v, _ = strconv.ParseFloat(s, 64)
	}
	f, _ := v.(float64)
	if !(f > 0) { // also NaN, which a string can spell
		return 0
	}
	return time.Duration(min(f, math.MaxInt32)) * time.Second
}
