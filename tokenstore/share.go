package tokenstore

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// leasePurpose is what the Manager takes a user's lease for.
	leasePurpose = "tokenstore/refresh"

	// leaseTTL bounds how long the processes of a cluster wait for one of them
	// that has died; a refresh that takes longer costs a second call.
	leaseTTL = 15 * time.Second

	// leaseWait is how long a process waits for a lease: a little longer than
	// one lasts, so that whoever waits gets that of a holder that has died.
	leaseWait = leaseTTL + 3*time.Second

	// leaserPatience is how long the Leaser may take to say yes or no.
	leaserPatience = 3 * time.Second

	firstPoll = 20 * time.Millisecond
	lastPoll  = 500 * time.Millisecond
)

// refreshShared takes the access token that another process has stored, or
// refreshes as the one process that does. The cached token is as good as long as
// it belongs to the grant in the record: see [Manager.load].
func (m *Manager) refreshShared(ctx context.Context, u *user, g Grant) (*accessToken, Grant, error) {
	c := u.cached.Load() // once: another call may drop it at any time
	if c.lasts(m.clock.unixNano()) {
		return c.checkedFrom(c.dueAt), g, nil
	}
	c = m.adopt(u, g)
	if c == nil {
		var release func()
		var err error
		if g, release, err = m.queue(ctx, u, g); err != nil {
			return nil, g, err
		}
		defer func() { m.background.run(release) }() // no caller waits for that
		c = m.adopt(u, g)
	}
	if c == nil {
		return m.refresh(ctx, u, g)
	}
	m.stats.adopted.Add(1)
	return c, g, nil
}

// lasts reports whether the token is good and not yet due.
func (c *accessToken) lasts(now int64) bool { return c.usable(now) && now < c.dueAt }

// adopt returns the grant's access token if there is one that is not due and
// that no API has refused.
func (m *Manager) adopt(u *user, g Grant) *accessToken {
	now := m.clock.time()
	lifetime := g.Expiry.Sub(g.RefreshedAt) // the row was written when the token came
	if lifetime <= 0 || lifetime > year {
		lifetime = g.Expiry.Sub(now)
	}
	c := m.newAccessToken(g.AccessToken, bearerType, now, g.Expiry, lifetime)
	if !c.fresh(now.UnixNano()) {
		return nil
	}
	if known := u.cached.Load(); known != nil && known.refused && known.value == c.value {
		return nil
	}
	return c
}

// queue waits for the lease of a refresh, or for another process's token in the
// record that it returns, or until there is no point in waiting any longer: the
// lease saves calls, and a call too many is better than none.
func (m *Manager) queue(ctx context.Context, u *user, g Grant) (Grant, func(), error) {
	none := func() {}
	poll := firstPoll
	for giveUp := leaseDeadline(ctx); ; {
		release, ok, err := m.lease(ctx, u)
		if err != nil {
			return g, none, nil
		}
		if !ok {
			if !time.Now().Before(giveUp) {
				return g, none, nil
			}
			release = none
			if err := wait(ctx, poll); err != nil {
				return g, none, failedForNow("waiting for another process to refresh", u.subject, err)
			}
			poll = min(2*poll, lastPoll)
		}
		if g, err = m.active(ctx, u); err != nil {
			release()
			return g, none, err
		}
		if ok || m.adopt(u, g) != nil {
			return g, release, nil
		}
	}
}

// leaseDeadline returns when waiting for a lease ends: with at least half of the
// time left for the refresh.
func leaseDeadline(ctx context.Context) time.Time {
	longest := leaseWait
	if deadline, ok := ctx.Deadline(); ok {
		longest = min(longest, time.Until(deadline)/2)
	}
	return time.Now().Add(longest)
}

func (m *Manager) lease(ctx context.Context, u *user) (release func(), ok bool, err error) {
	if m.leaser == nil {
		return nil, false, errors.ErrUnsupported
	}
	ctx, cancel := context.WithTimeout(ctx, leaserPatience)
	defer cancel()
	release, ok, err = m.leaser.Lease(ctx, m.key(u.subject), leasePurpose, leaseTTL)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		m.event(ctx, slog.LevelWarn, eventLeaseFailed, u.subject, errorAttr(err))
	}
	return release, ok, err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
