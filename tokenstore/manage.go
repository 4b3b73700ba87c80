package tokenstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redactoauth"
	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// Grant returns the kept record of the user, needing consent or not, refresh token
// included. None: [ErrNotFound]. If it shows that the user has signed in, has been
// disconnected or has other scopes, [Manager.Token] follows.
func (m *Manager) Grant(ctx context.Context, subject string) (Grant, error) {
	u, err := m.acquire(subject)
	if err != nil {
		return Grant{}, err
	}
	defer m.release(u)
	_ = m.settle(ctx, u) // it stays pending, and the record is true without it
	g, err := m.load(ctx, u)
	if err != nil {
		return Grant{}, failedForNow("loading the grant of", u.subject, err)
	}
	return g, nil
}

// Health is what the Store knows about a user's grant, without a secret: for a
// page that shows the user the connected account, or for support.
type Health struct {
	// State and Reason say whether the user needs to give consent, and why. That
	// Google has ended a grant shows at its next refresh.
	State  State
	Reason string
	// Missing are the scopes asked for that the grant does not have.
	Missing []string
	// Expiry is when the refresh token ends. If zero, no end was announced.
	Expiry time.Time
	// CreatedAt is when the user was first kept.
	CreatedAt time.Time
	// LastUsed is when Google last accepted the refresh token, exact to a week. If
	// zero, that is not known. Google drops a refresh token that was not used for
	// six months: see [Manager.Sweep].
	LastUsed time.Time
}

// Health returns the state of the user's grant, and which of scopes it lacks. It
// only reads the record. None: [ErrNotFound].
func (m *Manager) Health(ctx context.Context, subject string, scopes ...string) (Health, error) {
	u, err := m.acquire(subject)
	if err != nil {
		return Health{}, err
	}
	defer m.release(u)
	g, err := m.load(ctx, u)
	if err != nil {
		return Health{}, failedForNow("loading the grant of", u.subject, err)
	}
	return Health{
		State:     g.State,
		Reason:    g.Reason,
		Missing:   g.Missing(scopes...),
		Expiry:    g.RefreshTokenExpiry,
		CreatedAt: g.CreatedAt,
		LastUsed:  g.RefreshedAt,
	}, nil
}

// Subjects yields the subjects of all kept grants of the client, in their order,
// those that need consent included: for jobs that work for every user. after is
// the last subject that an earlier iteration yielded; if empty, Subjects begins
// with the first.
//
// An error is the last, beside the empty subject: the Store's, why ctx has ended, or
// [errors.ErrUnsupported] if the Store is no [Lister].
func (m *Manager) Subjects(ctx context.Context, after string) iter.Seq2[string, error] {
	after = strings.Clone(after)
	return func(yield func(string, error) bool) {
		lister, ok := m.config.Store.(Lister)
		if !ok {
			yield("", &failure{"listing subjects", errors.ErrUnsupported})
			return
		}
		for key, err := range lister.Keys(ctx, m.key(after)) {
			if err != nil {
				yield("", &unavailable{failure{"listing subjects", err}})
				return
			}
			if key.ClientID != m.config.ClientID || !yield(key.Subject, nil) {
				return
			}
		}
	}
}

// SweepOptions are the options of [Manager.Sweep].
type SweepOptions struct {
	// After is the last subject that an earlier sweep yielded, to go on from. If
	// empty, the sweep begins with the first.
	After string

	// Idle is how long a refresh token must not have been used for the sweep to
	// use it. If zero, 90 days is used. Google drops a refresh token that was not
	// used for six months
	// (https://developers.google.com/identity/protocols/oauth2#expiration).
	// Less than a week has no effect: Grant.RefreshedAt is not more exact.
	Idle time.Duration
}

const (
	// The lease of a sweep is one for the client. No user has its subject:
	// Google's are digits.
	sweepPurpose = "tokenstore/sweep"
	sweepSubject = "sweep"

	// sweepTTL bounds how long no process sweeps after one has died. Two that
	// sweep at the same time do no harm.
	sweepTTL = time.Hour

	sweepPause = 100 * time.Millisecond // between two calls of the Refresher
)

// Sweep goes through all kept grants of the client, in the order of their
// subjects, and refreshes those that have been idle for long, so that Google does
// not drop them. It needs a Store that is a [Lister]. The access tokens are not
// cached: the users are away. A sweep calls the Store once for a user, and twice
// for an idle one. After each call of the Refresher it pauses for 100 ms.
//
// All processes of a cluster may sweep, for example every night: with a [Leaser]
// only one of them does, and for the others there is nothing to do.
//
// Sweep yields each subject it is done with. An error beside a subject is about
// that user and does not end the sweep: a [*ConsentError], or a failure for now. An
// error beside the empty subject is the last: the Store's, or why ctx has ended.
func (m *Manager) Sweep(ctx context.Context, o SweepOptions) iter.Seq2[string, error] {
	idle := cmp.Or(o.Idle, 90*24*time.Hour)
	subjects := m.Subjects(ctx, o.After)
	return func(yield func(string, error) bool) {
		release, ok := m.lease(ctx, sweepSubject, sweepPurpose, sweepTTL)
		if !ok {
			return
		}
		if release != nil {
			defer release()
		}
		for subject, err := range subjects {
			if err == nil {
				err = m.sweepUser(ctx, subject, idle)
			}
			if ctx.Err() != nil {
				subject, err = "", ctxerr.Of(ctx)
			}
			if !yield(subject, err) || subject == "" {
				return
			}
		}
	}
}

// sweepUser loads one grant, and refreshes it and pauses if it is idle.
func (m *Manager) sweepUser(ctx context.Context, subject string, idle time.Duration) error {
	u := m.users.acquire(subject)
	defer m.release(u)
	if err := m.settle(ctx, u); err != nil {
		return err
	}
	generation := u.generation.Load()
	g, err := m.active(ctx, u)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // deleted since it was listed
	case err != nil || m.clock.Time().Sub(g.RefreshedAt) < idle:
		return err
	}
	if err := m.waitForPause(ctx, u, false); err != nil {
		return err
	}
	err = m.refreshIdle(u, generation, g)
	_ = wait(ctx, sweepPause) // the caller looks at ctx
	if errors.Is(err, errAgain) {
		return nil // it has changed since it was read, so it is not idle
	}
	return err
}

// refreshIdle refreshes g, detached from the sweep: a rotated refresh token must
// not be lost when that ends.
func (m *Manager) refreshIdle(u *user, generation uint64, g Grant) error {
	defer m.background.Begin()()
	ctx, cancel := m.detached()
	defer cancel()
	_, _, err := m.refresh(ctx, u, g)
	switch {
	case err != nil && u.generation.Load() != generation:
		u.succeeded() // the failure was that of an older grant
		return errAgain
	case errors.Is(err, ErrNeedsConsent):
		m.forget(u) // a sign-in without a refresh token may have cached an access token
	}
	return err
}

// Import keeps a grant that other software had, so that its user need not sign in
// again. It reports whether that grant is now the kept one: Import never replaces
// a record, which is newer, and it does no harm to import the same grant twice.
//
// Of g it takes RefreshToken, KeyThumbprint, Scopes, RefreshTokenExpiry, CreatedAt
// and RefreshedAt; the rest is left out. Scopes must be those that Google granted. If
// only those that were asked for are known, leave Scopes nil: the first refresh
// fills them in. Without a refresh token the error is a [*ConsentError].
//
// The refresh token must have been issued to the Manager's OAuth client. Import
// does not ask Google: that the token is refused shows at the first refresh.
//
// subject is Google's sub. An e-mail address in its place, which may be another
// user's tomorrow, is [ErrSubject].
func (m *Manager) Import(ctx context.Context, subject string, g Grant) (kept bool, err error) {
	u, err := m.acquire(subject)
	if err != nil {
		return false, err
	}
	defer m.release(u)
	switch {
	case strings.Contains(subject, "@"):
		return false, failed("importing the grant of", u.subject, fmt.Errorf("%w: it is an e-mail address", ErrSubject))
	case g.RefreshToken == "":
		return false, needsConsent(u.subject, ReasonNone)
	}
	if err := m.settle(ctx, u); err != nil { // a pending sign-in is newer
		return false, err
	}
	tried, created, imported := false, false, m.imported(g)
	there, err := m.update(ctx, u, &record{}, func(there *record) (Grant, error) {
		if created = !there.exists && !tried; !created {
			return Grant{}, errKnown // a record that is gone after the first try was ended by a Disconnect
		}
		tried = true
		return imported, nil
	})
	switch {
	case err != nil:
		return false, failedForNow("importing the grant of", u.subject, err)
	case created:
		m.forget(u) // that nothing was kept
		m.event(ctx, slog.LevelInfo, "tokenstore.imported", u.subject)
	}
	return there.RefreshToken == imported.RefreshToken, nil
}

// imported returns the record of an imported grant.
func (m *Manager) imported(g Grant) Grant {
	now := m.now()
	record := Grant{
		RefreshToken:       strings.Clone(g.RefreshToken),
		KeyThumbprint:      strings.Clone(g.KeyThumbprint),
		RefreshTokenExpiry: g.RefreshTokenExpiry,
		CreatedAt:          g.CreatedAt,
		RefreshedAt:        g.RefreshedAt,
		UpdatedAt:          now,
		lineage:            lineage{id: rand.Text()}, // the time of the sign-in is not known
	}
	if record.CreatedAt.IsZero() {
		record.CreatedAt = now
	}
	if g.Scopes != nil {
		record.Scopes = scope.Parse(strings.Clone(strings.Join(g.Scopes, " ")))
	}
	return record
}

// Stats counts what a Manager has done since New. Export them as counters,
// Cached as a gauge, and Unsaved as a gauge with an alarm.
type Stats struct {
	SignIns uint64 // sign-ins kept, with or without a new refresh token

	// Calls of the Refresher by outcome.
	Refreshed uint64 // an access token
	Rotated   uint64 // of those, with a new refresh token
	Refused   uint64 // the refresh token is refused for good: consent needed
	Failed    uint64 // anything else

	Adopted  uint64 // access tokens taken from the store, with ShareAccessTokens
	Replayed uint64 // requests of an HTTPClient that were sent again after a 401

	// Cached is how many users are in memory, mostly with an access token; those
	// included whose token has expired and who have not been removed yet.
	Cached int

	// Unsaved is for how many users the Store has not taken what is new: see
	// [Manager.Flush].
	Unsaved int
}

type counters struct {
	signIns, refreshed, rotated, refused, failed, adopted, replayed atomic.Uint64
}

// Stats returns the counts as they are now.
func (m *Manager) Stats() Stats {
	m.users.mu.Lock()
	defer m.users.mu.Unlock()
	return Stats{
		SignIns:   m.stats.signIns.Load(),
		Refreshed: m.stats.refreshed.Load(),
		Rotated:   m.stats.rotated.Load(),
		Refused:   m.stats.refused.Load(),
		Failed:    m.stats.failed.Load(),
		Adopted:   m.stats.adopted.Load(),
		Replayed:  m.stats.replayed.Load(),
		Cached:    m.users.total,
		Unsaved:   m.users.pending.Len(),
	}
}

// event logs one of the messages that Config.Logger lists.
func (m *Manager) event(ctx context.Context, level slog.Level, name, subject string, attrs ...slog.Attr) {
	if !m.config.Logger.Enabled(ctx, level) {
		return
	}
	attrs = append(attrs, slog.String("client_id", m.config.ClientID), slog.String("subject", subject))
	m.config.Logger.LogAttrs(ctx, level, name, attrs...)
}

// errorAttr is the text of an error without a response body in it.
func errorAttr(err error) slog.Attr {
	return slog.String("error", redactoauth.WithoutBody(err).Error())
}
