package tokenstore

import (
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
	"github.com/seed3a054f9c/googlesignin/internal/scope"
	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/tlv"
)

// State says whether a grant can be used.
type State int

const (
	// Active: the refresh token works, as far as is known.
	Active State = iota
	// NeedsConsent: Google has refused the refresh token for good, or
	// [Manager.MarkRevoked] was told that it is revoked; Grant.Reason says why. Only a
	// sign-in with a new refresh token ends it.
	NeedsConsent
)

// String returns "active" or "needs_consent".
func (s State) String() string {
	switch s {
	case Active:
		return "active"
	case NeedsConsent:
		return "needs_consent"
	}
	return "state " + strconv.Itoa(int(s))
}

// A Grant is what a user has granted: a refresh token and what is known about
// it. It holds secrets: fmt, log/slog, encoding/json and other encoders of text show
// it redacted, encoding/gob refuses it, and [Grant.MarshalBinary] is the form to
// store it in.
type Grant struct {
	// RefreshToken is Google's, up to 12 KiB. The record of a [Sealed] store has
	// the sealed form of all its tokens here.
	RefreshToken string
	// KeyThumbprint is that of the key which RefreshToken is bound to (RFC 9449,
	// DPoP; RFC 7638). Empty: it is not bound. See [BoundRefresher].
	KeyThumbprint string
	// Scopes are those the refresh token carries, by their canonical names,
	// sorted. Nil: Google did not say.
	Scopes []string
	// Lost are scopes that an earlier sign-in had and the refresh token lacks,
	// sorted: the user has signed in with fewer, or Google has reported fewer. They
	// stay until a sign-in has them again. After a sign-in without known scopes they
	// are those that may be lost, until the next refresh.
	Lost []string
	// RefreshTokenExpiry is when the refresh token ends. Zero: no end was
	// announced.
	RefreshTokenExpiry time.Time

	// AccessToken is set only with [Config].ShareAccessTokens.
	AccessToken string
	// Expiry is that of AccessToken.
	Expiry time.Time

	State State
	// Reason is why consent is needed: one of the constants beside
	// [ConsentError], or what [Manager.MarkRevoked] was told. Empty while Active.
	Reason string

	// CreatedAt is when the user was first kept, UpdatedAt when the record was
	// last written, RefreshedAt when Google last accepted the refresh token.
	// The latter is exact to a week, because a plain refresh writes no row.
	CreatedAt, UpdatedAt, RefreshedAt time.Time

	// Version is set by the [Store]; empty: never stored.
	Version string

	hashes []string // of the refresh token inside a sealed record; else nil

	lineage lineage // the sign-in that the refresh token goes back to, through rotations

	told bool // consent is needed because MarkRevoked was told so, not because of a refusal

	unknown string // fields that a later release has added, in the storage form
}

// Missing returns those of scopes that the grant does not have, as they were
// given and in their order; nil if there are none. "email" and "profile" equal
// the full names under which Google grants them. What was lost is missing too (see
// Lost), and everything is while Scopes is nil.
func (g *Grant) Missing(scopes ...string) []string {
	return scope.Missing(g.Scopes, scopes)
}

func (g Grant) clone() Grant {
	g.Scopes = slices.Clone(g.Scopes)
	g.Lost = slices.Clone(g.Lost)
	g.hashes = slices.Clone(g.hashes)
	return g
}

// redacted is embedded by types without exported fields.
type redacted = redact.Form

func (g Grant) redacted() redacted {
	refreshed := "never"
	if !g.RefreshedAt.IsZero() {
		refreshed = g.RefreshedAt.Format(time.RFC3339)
	}
	return redacted(fmt.Sprintf("tokenstore.Grant{State: %s, Reason: %q, RefreshToken: %s, AccessToken: %s, Scopes: %q, RefreshedAt: %s}",
		g.State, g.Reason, redact.Secret(g.RefreshToken), redact.Secret(g.AccessToken), g.Scopes, refreshed))
}

// Format prints g without its tokens, under every verb.
func (g Grant) Format(s fmt.State, verb rune) { g.redacted().Format(s, verb) }

// MarshalText returns the text that [Grant.Format] prints, for log/slog,
// encoding/json and other encoders. It cannot be read back; the storage form is
// [Grant.MarshalBinary].
func (g Grant) MarshalText() ([]byte, error) { return g.redacted().MarshalText() }

// GobEncode returns an error: encoding/gob would use MarshalBinary, which writes
// the tokens.
func (g Grant) GobEncode() ([]byte, error) { return g.redacted().GobEncode() }

// TokenHash returns the hash under which a refresh token is found: standard
// base64 of SHA-512 of SHA-512 of the token, as Google's token-revoked events
// write it with "hash_base64_sha512_sha512". An event that gives the first 16
// characters of the token instead ("prefix") is looked up with TokenHash of
// those (https://developers.google.com/identity/protocols/risc#supported_event_types).
func TokenHash(refreshToken string) string {
	once := sha512.Sum512([]byte(refreshToken))
	twice := sha512.Sum512(once[:])
	return base64.StdEncoding.EncodeToString(twice[:])
}

// Hashes returns what a [Store] indexes the grant under so that a [Finder] finds
// it: [TokenHash] of its refresh token and of the token's first 16 bytes, or
// nothing where there is none. A sealed record brings along those of the token inside.
func (g Grant) Hashes() []string {
	switch {
	case g.hashes != nil:
		return append([]string(nil), g.hashes...)
	case g.RefreshToken != "":
		prefix := g.RefreshToken[:min(len(g.RefreshToken), 16)]
		return []string{TokenHash(g.RefreshToken), TokenHash(prefix)}
	}
	return nil
}

// recordFormat is the first byte of the storage form. The fields follow; new ones
// come last, with odd tags if older releases may ignore them: see package tlv.
const recordFormat = 1

// MarshalBinary returns the form in which a [Store] keeps the grant: everything
// but Version, which is the store's. It holds the tokens as they are; what a
// [Sealed] store passes on holds them sealed.
//
// The form is versioned: every later release of this module reads what this one
// writes.
func (g Grant) MarshalBinary() ([]byte, error) {
	return g.appendBinary(make([]byte, 0, 96+len(g.RefreshToken)+len(g.AccessToken)+64*len(g.Scopes)+96*len(g.hashes)+len(g.lineage.id)+64*len(g.Lost)+len(g.KeyThumbprint)))
}

func (g *Grant) appendBinary(b []byte) ([]byte, error) {
	if g.State != Active && g.State != NeedsConsent {
		return nil, fmt.Errorf("tokenstore: a grant in %s cannot be stored", g.State)
	}
	b = append(b, recordFormat)
	b = tlv.AppendString(b, 2, g.RefreshToken)
	b = tlv.AppendList(b, 4, g.Scopes)
	b = tlv.AppendTime(b, 6, g.RefreshTokenExpiry)
	b = tlv.AppendString(b, 8, g.AccessToken)
	b = tlv.AppendTime(b, 10, g.Expiry)
	b = tlv.AppendFlag(b, 12, g.State == NeedsConsent)
	b = tlv.AppendString(b, 14, g.Reason)
	b = tlv.AppendTime(b, 16, g.CreatedAt)
	b = tlv.AppendTime(b, 18, g.UpdatedAt)
	b = tlv.AppendTime(b, 20, g.RefreshedAt)
	b = tlv.AppendList(b, 21, g.hashes)
	b = tlv.AppendString(b, 23, g.lineage.id)
	b = tlv.AppendTime(b, 25, g.lineage.at)
	b = tlv.AppendFlag(b, 27, g.told)
	b = tlv.AppendFlag(b, 29, g.lineage.byGoogle)
	b = tlv.AppendList(b, 31, g.Lost)
	b = tlv.AppendString(b, 32, g.KeyThumbprint) // even: a reader that does not know it must refuse the record
	return append(b, g.unknown...), nil
}

var errRecord = errors.New("tokenstore: not a stored grant")

// UnmarshalBinary reads what [Grant.MarshalBinary] wrote and replaces *g with
// it, Version empty, times in UTC. It refuses anything else, with an error that
// repeats nothing of the data, and then leaves *g alone.
func (g *Grant) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != recordFormat {
		return fmt.Errorf("%w: unknown format", errRecord)
	}
	var read Grant
	var needsConsent bool
	unknown, err := tlv.Read(data[1:], []tlv.Field{
		{Tag: 2, Value: &read.RefreshToken},
		{Tag: 4, Value: &read.Scopes},
		{Tag: 6, Value: &read.RefreshTokenExpiry},
		{Tag: 8, Value: &read.AccessToken},
		{Tag: 10, Value: &read.Expiry},
		{Tag: 12, Value: &needsConsent},
		{Tag: 14, Value: &read.Reason},
		{Tag: 16, Value: &read.CreatedAt},
		{Tag: 18, Value: &read.UpdatedAt},
		{Tag: 20, Value: &read.RefreshedAt},
		{Tag: 21, Value: &read.hashes},
		{Tag: 23, Value: &read.lineage.id},
		{Tag: 25, Value: &read.lineage.at},
		{Tag: 27, Value: &read.told},
		{Tag: 29, Value: &read.lineage.byGoogle},
		{Tag: 31, Value: &read.Lost},
		{Tag: 32, Value: &read.KeyThumbprint},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errRecord, err)
	}
	if needsConsent {
		read.State = NeedsConsent
	}
	read.unknown = string(unknown)
	*g = read
	return nil
}
