package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
	tick   uint64 // of Manager.ticks: in which order they came in
	origin string // the sign-in that they are, or that sent goes back to

	// Of a sign-in: the record it was to replace (nil: not known), and whether
	// the store has failed it: then it may have been taken all the same, and
	// need not be the newest any more.
	before *record
	tried  bool
	older  []string // origins of sign-ins that were unsaved when it came in
}

// newsOf are news about what g has; a sign-in has nothing but its origin.
func (m *Manager) newsOf(g Grant, kind newsKind, a answer) *news {
	return &news{kind: kind, sent: g.RefreshToken, origin: g.origin, answer: a, at: m.now(), tick: m.ticks.Add(1)}
}

// record is what a store had for a user.
type record struct {
	Grant
	exists bool
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

// verdict is what a record, as it is now, makes of news.
type verdict int

const (
	needed     verdict = iota // the record has to change
	known                     // the record says so already
	superseded                // the record is about another refresh token by now
)

// failed notes that the store has. After that news do not change any more, and
// any number of calls may try to save them.
func (n *news) failed() {
	if !n.tried {
		n.tried = true
	}
}

// weigh compares news with what is kept.
func (n *news) weigh(kept record, now time.Time) verdict {
	if n.kind == signedIn {
		return n.weighSignIn(kept, now)
	}
	switch {
	case !kept.exists:
		return superseded
	case n.kind == rotated && kept.RefreshToken == n.answer.refreshToken:
		return known // saved after all, and the answer was lost
	case kept.RefreshToken != n.sent || !kept.sameOrigin(Grant{RefreshToken: n.sent, origin: n.origin}):
		return superseded
	case n.kind == refused && kept.State == NeedsConsent:
		return known
	case n.kind == refreshed && kept.State == NeedsConsent:
		return superseded
	}
	return needed
}

// apply returns the record with the news in it.
func (m *Manager) apply(n *news, g Grant) Grant {
	now := m.now()
	g.UpdatedAt = now
	if n.kind == refused {
		g.State, g.Reason, g.told = NeedsConsent, n.reason, false
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
	if n.kind == signedIn {
		g.replaced, g.origin, g.signedIn, g.late = g.origin, n.origin, n.at, n.tried
	}
	// Google refuses a token that it has rotated to whoever comes too late with
	// it; what Revoked was told is about the new one as well.
	if n.kind == signedIn || n.kind == rotated && !g.told {
		g.State, g.Reason, g.told = Active, "", false
	}
	if g.CreatedAt.IsZero() {
		g.CreatedAt = now
	}
	if a := n.answer.access; m.share && a != nil && g.State == Active {
		g.AccessToken, g.Expiry = a.access, a.expires.UTC()
		return g
	}
	return withoutAccessToken(g)
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
func (m *Manager) settle(ctx context.Context, key Key, n *news) (Grant, verdict, error) {
	type result struct {
		grant   Grant
		verdict verdict
	}
	r, err := retry.Do(ctx, m.saving, func() (result, error) {
		g, v, err := m.write(ctx, key, n)
		return result{g, v}, err
	}, func(err error) (time.Duration, bool) { return 0, !errors.Is(err, ErrSealed) })
	if err != nil {
		n.failed()
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
func (m *Manager) write(ctx context.Context, key Key, n *news) (Grant, verdict, error) {
	for range maxConflicts {
		kept, err := m.load(ctx, key, n.kind == signedIn)
		if err != nil {
			return Grant{}, needed, err
		}
		if n.kind == signedIn && !n.tried && !n.taken(kept) && !n.outrun(kept) {
			n.before = &kept // a sign-in that is just coming in is the newest
		} else if v := m.weigh(n, kept); v != needed {
			return kept.Grant, v, nil
		}
		g := m.apply(n, kept.Grant)
		g.Version, err = m.store.Save(ctx, key, g)
		if err == nil {
			return g, needed, nil
		}
		if !errors.Is(err, ErrConflict) {
			n.failed()
			return Grant{}, needed, unsavedError{err}
		}
	}
	return Grant{}, needed, ErrConflict
}

// weigh drops a sign-in whose token has come to its end meanwhile: it was taken,
// and what is kept now is what came of it.
func (m *Manager) weigh(n *news, kept record) verdict {
	v := n.weigh(kept, m.now())
	if _, dead := m.dead.reason(n.answer.refreshToken, n.origin); dead && v == needed && n.kind == signedIn {
		return superseded
	}
	return v
}

// load reads what is kept, if anything is. With unopened it takes a record that
// does not open, as far as it is readable.
func (m *Manager) load(ctx context.Context, key Key, unopened bool) (record, error) {
	g, err := m.read(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return record{}, nil
	}
	if unopened && errors.Is(err, ErrSealed) && g.Version != "" {
		err = nil
	}
	return record{g, true}, err
}

// read is Store.Load. A record that is sealed, and whose Store does not open it,
// has no refresh token: what stands in its place must not reach Google, who would
// say that it is dead.
func (m *Manager) read(ctx context.Context, key Key) (Grant, error) {
	g, err := m.store.Load(ctx, key)
	if err == nil && strings.HasPrefix(g.RefreshToken, sealedMark) {
		g.RefreshToken, g.AccessToken, g.hashes = "", "", nil
		err = fmt.Errorf("%w: Config.Store is no Sealed", ErrSealed)
	}
	return g, err
}
