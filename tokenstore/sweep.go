package tokenstore

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

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

	// Pace is the time between two calls of the Refresher. If zero, 100 ms is
	// used.
	Pace time.Duration
}

const (
	// The lease of a sweep is one for the client. No user has its subject:
	// Google's are digits.
	sweepPurpose = "tokenstore/sweep"
	sweepSubject = "sweep"

	// sweepTTL bounds how long no process sweeps after one has died. Two that
	// sweep at the same time do no harm.
	sweepTTL = time.Hour
)

// Sweep goes through all kept grants of the client, in the order of their
// subjects, and refreshes those that have been idle for long, so that Google does
// not drop them. It needs a Store that is a [Lister]. The access tokens are not
// cached: the users are away. A sweep calls the Store once for a user, and twice
// for an idle one.
//
// All processes of a cluster may sweep, for example every night: with a [Leaser]
// only one of them does, and for the others there is nothing to do.
//
// Sweep yields each subject it is done with. An error beside a subject is about
// that user and does not end the sweep: a [*ConsentError], or a failure for now. An
// error beside the empty subject is the last: the Store's, or why ctx has ended.
func (m *Manager) Sweep(ctx context.Context, o SweepOptions) iter.Seq2[string, error] {
	o.Idle, o.Pace = cmp.Or(o.Idle, 90*24*time.Hour), cmp.Or(o.Pace, 100*time.Millisecond)
	return func(yield func(string, error) bool) {
		release, ok := m.lease(ctx, sweepSubject, sweepPurpose, sweepTTL)
		if !ok {
			return
		}
		if release != nil {
			defer release()
		}
		for subject, err := range m.Subjects(ctx, o.After) {
			if err == nil {
				err = m.sweepUser(ctx, subject, o)
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
func (m *Manager) sweepUser(ctx context.Context, subject string, o SweepOptions) error {
	u := m.users.acquire(subject)
	defer m.release(u)
	if err := m.settle(ctx, u); err != nil {
		return err
	}
	g, err := m.active(ctx, u)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // deleted since it was listed
	case err != nil || m.clock.Time().Sub(g.RefreshedAt) < o.Idle:
		return err
	}
	if err := m.waitForPause(ctx, u, false); err != nil {
		return err
	}
	err = m.refreshIdle(u, g)
	_ = wait(ctx, o.Pace) // the caller looks at ctx
	if errors.Is(err, errAgain) {
		return nil // it has changed since it was read, so it is not idle
	}
	return err
}

// refreshIdle refreshes g, detached from the sweep: a rotated refresh token must
// not be lost when that ends.
func (m *Manager) refreshIdle(u *user, g Grant) error {
	defer m.background.Begin()()
	ctx, cancel := m.detached()
	defer cancel()
	_, _, err := m.refresh(ctx, u, g)
	return err
}
