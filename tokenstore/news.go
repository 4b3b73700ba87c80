package tokenstore

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// news is what Google has said about a user and the store does not know yet. It
// is written by comparing and swapping: where the record has changed meanwhile,
// it is read again, and the news are looked at again in its light.
type news struct {
	kind   newsKind
	sent   string // the refresh token that Google was asked with
	answer answer
	reason string // of a refusal
	at     time.Time

	// Of a sign-in that was not saved at once: the refresh token that was kept
	// when it came in, if that is known ("": none was).
	before      string
	beforeKnown bool
}

type newsKind int

const (
	signedIn  newsKind = iota // a new refresh token, from a sign-in
	rotated                   // a new refresh token in place of the one sent
	refused                   // the refresh token sent is dead
	refreshed                 // the refresh token sent is alive
)

func (k newsKind) String() string {
	return [...]string{"sign-in", "rotation", "refusal", "refresh"}[k]
}

// saw notes what was kept when the news came in.
func (n *news) saw(g Grant) {
	if !n.beforeKnown {
		n.before, n.beforeKnown = g.RefreshToken, true
	}
}

// verdict is what a record, as it is now, makes of news.
type verdict int

const (
	needed     verdict = iota // the record has to change
	known                     // the record says so already
	superseded                // the record is about another refresh token by now
)

// weigh compares news with the kept grant; exists is false where none is kept.
func (n *news) weigh(g Grant, exists bool) verdict {
	if n.kind == signedIn {
		return n.weighSignIn(g, exists)
	}
	switch {
	case !exists:
		return superseded
	case n.kind == rotated && g.RefreshToken == n.answer.refreshToken:
		return known // saved after all, and the answer was lost
	case g.RefreshToken != n.sent:
		return superseded
	case n.kind == refused && g.State == NeedsConsent:
		return known
	case n.kind == refreshed && g.State == NeedsConsent:
		return superseded
	}
	return needed
}

// weighSignIn decides about a sign-in that could not be saved when it came in.
// A sign-in or a Disconnect elsewhere that came later wins.
func (n *news) weighSignIn(g Grant, exists bool) verdict {
	switch {
	case exists && g.RefreshToken == n.answer.refreshToken:
		return known
	case n.beforeKnown && exists && g.RefreshToken == n.before:
		return needed
	case n.beforeKnown:
		if !exists && n.before == "" {
			return needed
		}
		return superseded
	case exists && g.UpdatedAt.After(n.at):
		return superseded
	}
	return needed
}

// apply returns the record with the news in it.
func (m *Manager) apply(n *news, g Grant) Grant {
	now := m.now()
	g.UpdatedAt = now
	if n.kind == refused {
		g.State, g.Reason = NeedsConsent, n.reason
		return withoutAccessToken(g)
	}
	g.RefreshedAt = n.at
	if n.answer.scopes != nil || n.kind == signedIn {
		g.Scopes = n.answer.scopes
	}
	if !n.answer.refreshTokenExpiry.IsZero() || n.kind == signedIn {
		g.RefreshTokenExpiry = n.answer.refreshTokenExpiry
	}
	if n.answer.refreshToken != "" {
		g.RefreshToken = n.answer.refreshToken
	}
	if n.kind == signedIn || n.kind == rotated && refusedByGoogle(g.Reason) {
		g.State, g.Reason = Active, ""
	}
	if g.CreatedAt.IsZero() {
		g.CreatedAt = now
	}
	if a := n.answer.access; m.share && a != nil && g.State == Active {
		g.AccessToken, g.Expiry = a.access, time.Unix(0, a.expiry).UTC()
		return g
	}
	return withoutAccessToken(g)
}

// refusedByGoogle tells a refusal of a token that another process was still
// using, when it had been rotated already, from what Revoked was told.
func refusedByGoogle(reason string) bool {
	switch reason {
	case ReasonInvalidGrant, ReasonInvalidRAPT, ReasonRAPTRequired:
		return true
	}
	return false
}

func withoutAccessToken(g Grant) Grant {
	g.AccessToken, g.Expiry = "", time.Time{}
	return g
}

// An unsavedError is a store's failure to write news that its record, as just
// read, needs.
type unsavedError struct{ error }

func (e unsavedError) Unwrap() error { return e.error }

// settle writes news that must be kept, trying a few times, and remembers them
// where the store fails. What it returns is the record as it then is.
func (m *Manager) settle(ctx context.Context, key Key, n *news, weigh func(Grant, bool) verdict) (Grant, verdict, error) {
	type result struct {
		grant   Grant
		verdict verdict
	}
	r, err := retry.Do(ctx, m.saving, func() (result, error) {
		g, v, err := m.write(ctx, key, n, weigh)
		return result{g, v}, err
	}, func(err error) (time.Duration, bool) { return 0, !errors.Is(err, ErrSealed) })
	if err != nil {
		m.unsaved.remember(key.Subject, n)
		m.event(ctx, slog.LevelError, eventUnsaved, key.Subject, slog.String("what", n.kind.String()), errorAttr(err))
	} else {
		m.unsaved.settled(key.Subject, n)
	}
	return r.grant, r.verdict, err
}

// maxConflicts is how often one write gives way to others before it gives up.
const maxConflicts = 32

// write reads the record, weighs the news, and saves the record with them in it.
func (m *Manager) write(ctx context.Context, key Key, n *news, weigh func(Grant, bool) verdict) (Grant, verdict, error) {
	for range maxConflicts {
		g, err := m.store.Load(ctx, key)
		exists := !errors.Is(err, ErrNotFound)
		if n.kind == signedIn && errors.Is(err, ErrSealed) && g.Version != "" {
			err = nil // a new refresh token replaces what cannot be read
		}
		if err != nil && exists {
			return Grant{}, needed, err
		}
		n.saw(g)
		v := weigh(g, exists)
		if v != needed {
			return g, v, nil
		}
		g = m.apply(n, g)
		version, err := m.store.Save(ctx, key, g)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return Grant{}, needed, unsavedError{err}
		}
		g.Version = version
		return g, needed, nil
	}
	return Grant{}, needed, ErrConflict
}
