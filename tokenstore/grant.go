package tokenstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// State says whether a grant can be used.
type State int

const (
	// Active: the refresh token works, as far as is known.
	Active State = iota
	// NeedsConsent: Google has refused the refresh token for good, or somebody
	// said that it is revoked; Grant.Reason says why. Only a sign-in with a new
	// refresh token ends it.
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
// it. It holds secrets: fmt, log/slog and encoding/json show it redacted, and
// [Grant.MarshalBinary] is the form to store it in.
type Grant struct {
	// RefreshToken is Google's, up to 12 KiB. The record of a [Sealed] store has
	// the sealed form of all its tokens here.
	RefreshToken string
	// Scopes are those the refresh token carries, by their canonical names,
	// sorted. Nil: Google did not say.
	Scopes []string
	// RefreshTokenExpiry is when the refresh token ends. Zero: no end was
	// announced.
	RefreshTokenExpiry time.Time

	// AccessToken is set only with [Config].ShareAccessTokens.
	AccessToken string
	// Expiry is that of AccessToken.
	Expiry time.Time

	State State
	// Reason is why consent is needed: one of the constants beside
	// [ConsentError], or what [Manager.Revoked] was told. Empty while Active.
	Reason string

	// CreatedAt is when the user was first kept, UpdatedAt when the record was
	// last written, RefreshedAt when Google last accepted the refresh token.
	// The latter is exact to a week, because a plain refresh writes no row.
	CreatedAt, UpdatedAt, RefreshedAt time.Time

	// Version is set by the [Store]; empty: never stored.
	Version string

	hashes []string // of the refresh token inside a sealed record; else nil

	// The sign-in that the refresh token goes back to, through rotations: its
	// name, when it was, by the clock of the process that had it, whose record it
	// replaced, and whether that took the store a second try. Zero: not known, or
	// none.
	origin   string
	signedIn time.Time
	replaced string
	late     bool

	told bool // that consent is needed is what Revoked was told, not Google's refusal
}

// Missing returns those of scopes that the grant does not have, as they were
// given and in their order; nil if there are none. "email" and "profile" equal
// the full names under which Google grants them.
func (g *Grant) Missing(scopes ...string) []string {
	return scope.Missing(g.Scopes, scopes)
}

// sameOrigin tells whether two records go back to one sign-in, through rotations.
// Where that is not known, the refresh token has to do.
func (g Grant) sameOrigin(other Grant) bool {
	if g.origin == "" || other.origin == "" {
		return g.RefreshToken == other.RefreshToken
	}
	return g.origin == other.origin
}

func (g Grant) clone() Grant {
	g.Scopes = slices.Clone(g.Scopes)
	g.hashes = slices.Clone(g.hashes)
	return g
}

// Format writes the grant without its tokens, under every verb.
func (g Grant) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "grant{%s", g.State)
	if g.Reason != "" {
		fmt.Fprintf(f, " (%s)", g.Reason)
	}
	fmt.Fprintf(f, ", refresh token %s, access token %s, scopes %q, refreshed %s}",
		redact.Secret(g.RefreshToken), redact.Secret(g.AccessToken), g.Scopes, g.RefreshedAt.Format(time.RFC3339))
}

// LogValue is the grant without its tokens.
func (g Grant) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("state", g.State.String()),
		slog.String("reason", g.Reason),
		slog.Any("scopes", g.Scopes),
		slog.Time("refreshed_at", g.RefreshedAt),
	)
}

// MarshalJSON writes the grant without its tokens, for a log or an API; it
// cannot be read back.
func (g Grant) MarshalJSON() ([]byte, error) { return redactedJSON(g) }

// UnmarshalJSON fails: the JSON form has no tokens, so what could be read from
// it is no grant.
func (*Grant) UnmarshalJSON([]byte) error {
	return errors.New("tokenstore: a Grant is not read from JSON; its storage form is MarshalBinary")
}

// redactedJSON is the text that Format writes, as a JSON string.
func redactedJSON(v fmt.Formatter) ([]byte, error) {
	return json.Marshal(fmt.Sprint(v))
}
