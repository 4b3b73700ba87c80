package tokenstore

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"
)

// SweepOptions says what [Manager.Sweep] does; its zero value is fit for use.
type SweepOptions struct {
	// After is the last subject that an earlier sweep yielded, to go on from.
	After string

	// Idle is how long Google must not have seen a refresh token for the sweep
	// to use it. Zero: 90 days. Google drops one that was not used for six
	// months (https://developers.google.com/identity/protocols/oauth2#expiration).
	// Less than a week makes no sense: Grant.RefreshedAt is no more exact.
	Idle time.Duration

	// Pace is the time between two calls of the Refresher. Zero: 100 ms.
	Pace time.Duration
}

// Sweep goes through all kept grants of the client, in the order of their
// subjects, and refreshes those that have been idle for long, so that Google
// does not drop them. It needs a Store that is a [Lister].
//
// It yields each subject it is done with. An error beside a subject is about
// that user and does not end the sweep: a [*ConsentError] tells that the user
// needs to give consent, or any other what failed for now. An error beside the
// empty subject is the Store's, or that ctx has ended, and is the last.
func (m *Manager) Sweep(ctx context.Context, o SweepOptions) iter.Seq2[string, error] {
	o.Idle, o.Pace = cmp.Or(o.Idle, 90*24*time.Hour), cmp.Or(o.Pace, 100*time.Millisecond)
	return func(yield func(string, error) bool) {
		lister, ok := m.store.(Lister)
		if !ok {
			yield("", errors.ErrUnsupported)
			return
		}
		for key, err := range lister.Keys(ctx, m.key(o.After)) {
			if err == nil && key.ClientID != m.clientID {
				return
			}
			if err == nil {
				err = m.sweep(ctx, key, o)
			}
			if ctx.Err() != nil {
				key, err = Key{}, ctx.Err()
			}
			if !yield(key.Subject, err) || key.Subject == "" {
				return
			}
		}
	}
}

// sweep looks at one grant, and refreshes it and pauses if it is idle.
func (m *Manager) sweep(ctx context.Context, key Key, o SweepOptions) error {
	u := m.users.acquire(key.Subject)
	defer m.release(u)
	g, err := m.active(ctx, u)
	if errors.Is(err, ErrNotFound) {
		return nil // gone since it was listed
	}
	if err != nil || m.clock.time().Sub(g.RefreshedAt) < o.Idle {
		return err
	}
	u.change((*accessToken).due)
	_, err = m.refreshed(ctx, u)
	_ = wait(ctx, o.Pace) // the caller looks at ctx
	return err
}
