package risc

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

// ErrInvalid is the error of a token that is not from Google, not for this
// backend, or not a security event.
var ErrInvalid = errors.New("risc: invalid security event token")

// The error codes of RFC 8935 section 2.4.
const (
	invalidRequest  = "invalid_request"
	invalidKey      = "invalid_key"
	invalidIssuer   = "invalid_issuer"
	invalidAudience = "invalid_audience"
)

type invalidError struct {
	status       int
	code, reason string
}

func invalid(code, reason string) error {
	return &invalidError{http.StatusBadRequest, code, reason}
}

func (e *invalidError) Error() string { return ErrInvalid.Error() + ": " + e.reason }
func (e *invalidError) Unwrap() error { return ErrInvalid }

// verify returns the jti and the events of a token. There is no exp to check
// (RFC 8417 section 2.2).
func (r *Receiver) verify(ctx context.Context, token string) (id string, events []Event, err error) {
	t, err := r.parser.Parse(token)
	if err != nil {
		return "", nil, invalid(invalidRequest, err.Error())
	}
	key, err := r.keys.Key(ctx, t.KeyID)
	if err != nil && !errors.Is(err, idtoken.ErrSignature) {
		if !errors.Is(err, idtoken.ErrKeysUnavailable) {
			err = fmt.Errorf("%w: %w", idtoken.ErrKeysUnavailable, err)
		}
		return "", nil, err
	}
	if err != nil || !t.Verify(key) {
		return "", nil, invalid(invalidKey, "not signed by a key of the issuer")
	}
	return r.read(t.Claims)
}

func (r *Receiver) read(claims jose.Object) (id string, events []Event, err error) {
	var m Meta
	if iss := text(claims, "iss"); !slices.Contains(r.issuers, iss) {
		return "", nil, invalid(invalidIssuer, "iss is not the issuer")
	}
	aud, _ := claims.Get("aud")
	if m.Audiences, _ = aud.Strings(); !slices.ContainsFunc(m.Audiences, r.ours) {
		return "", nil, invalid(invalidAudience, "aud has no client ID of this backend")
	}
	if m.ID = text(claims, "jti"); m.ID == "" || len(m.ID) > 255 {
		return "", nil, invalid(invalidRequest, "jti is not a string of 1 to 255 bytes")
	}
	iat, _ := claims.Get("iat")
	var ok bool
	if m.IssuedAt, ok = iat.Time(); !ok {
		return "", nil, invalid(invalidRequest, "iat is not a number of seconds")
	}
	value, _ := claims.Get("events")
	members, ok := value.Object()
	if !ok || len(members) == 0 {
		return "", nil, invalid(invalidRequest, "events is not an object with an event")
	}
	subject, _ := claims.Get("sub_id")
	if events, err = r.readEvents(m, subject, members); err != nil {
		return "", nil, err
	}
	return m.ID, events, nil
}

// readEvents fails if it can read none of the events. Beside one that it can,
// the others are of unknown content: to refuse the token would lose that one.
func (r *Receiver) readEvents(m Meta, subject jose.Value, members jose.Object) ([]Event, error) {
	var events []Event
	var unreadable []error
	for _, member := range members {
		event, err := r.readEvent(m, subject, member)
		if err != nil {
			unreadable = append(unreadable, err)
			event = unknown(m, member)
		}
		events = append(events, event)
	}
	if len(unreadable) == len(members) {
		return nil, unreadable[0]
	}
	return events, nil
}

func unknown(m Meta, member jose.Member) Unknown {
	return Unknown{Meta: m, Type: member.Name, Payload: json.RawMessage(member.Value)}
}

func (r *Receiver) ours(aud string) bool { return slices.Contains(r.audiences, aud) }

// text returns the string under this name, or "".
func text(o jose.Object, name string) string {
	v, _ := o.Get(name)
	s, _ := v.Str()
	return s
}

func (r *Receiver) readEvent(m Meta, subject jose.Value, member jose.Member) (Event, error) {
	payload, ok := member.Value.Object()
	if !ok {
		return nil, invalid(invalidRequest, "an event is not an object")
	}
	switch member.Name {
	case uriVerification:
		return Verification{Meta: m, State: text(payload, "state")}, nil
	case uriTokenRevoked:
		e, ok := readTokenRevoked(m, payload)
		if !ok {
			return unknown(m, member), nil
		}
		return e, nil
	case uriSessionsRevoked, uriTokensRevoked, uriAccountDisabled, uriAccountEnabled, uriAccountPurged, uriCredentialChangeRequired:
	default:
		return unknown(m, member), nil
	}
	var err error
	if own, ok := payload.Get("subject"); ok {
		subject = own
	}
	if m.Subject, err = r.readSubject(subject); err != nil {
		return nil, err
	}
	switch member.Name {
	case uriSessionsRevoked:
		return SessionsRevoked{m}, nil
	case uriTokensRevoked:
		return TokensRevoked{m}, nil
	case uriAccountDisabled:
		return AccountDisabled{Meta: m, Reason: Reason(text(payload, "reason"))}, nil
	case uriAccountEnabled:
		return AccountEnabled{m}, nil
	case uriAccountPurged:
		return AccountPurged{m}, nil
	default:
		return CredentialChangeRequired{m}, nil
	}
}

// readSubject takes an account of the issuer, and no other: another issuer's sub
// could be the same as that of a user who has nothing to do with it. It reads the
// subject of an event as Google names its type, and the "format" of RFC 9493,
// which stands in an event or, as sub_id, beside the events.
func (r *Receiver) readSubject(v jose.Value) (Subject, error) {
	o, ok := v.Object()
	s := Subject{ID: text(o, "sub"), Email: text(o, "email"), Issuer: text(o, "iss")}
	kind, named := o.Get("subject_type")
	if !named {
		kind, _ = o.Get("format")
	}
	name, _ := kind.Str()
	switch strings.ReplaceAll(name, "_", "-") { // Google's documentation has both
	case "iss-sub", "id-token-claims":
	default:
		ok = false
	}
	if !ok || s.ID == "" || !slices.Contains(r.issuers, s.Issuer) {
		return Subject{}, invalid(invalidRequest, "subject is not an account of the issuer")
	}
	return s, nil
}

// readTokenRevoked reports whether it knows the way in which the token is named.
func readTokenRevoked(m Meta, payload jose.Object) (TokenRevoked, bool) {
	v, _ := payload.Get("subject")
	o, _ := v.Object()
	e := TokenRevoked{Meta: m}
	token := text(o, "token")
	switch text(o, "token_identifier_alg") {
	case "prefix":
		once := sha512.Sum512([]byte(token))
		twice := sha512.Sum512(once[:])
		e.TokenHash = base64.StdEncoding.EncodeToString(twice[:])
	case "hash_base64_sha512_sha512":
		e.TokenHash = token
	}
	return e, token != "" && e.TokenHash != ""
}
