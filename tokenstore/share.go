package tokenstore

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

const (
	leasePurpose = "tokenstore/refresh"

	// leaseTTL bounds how long the processes of a cluster wait for one of them
	// that has died; a refresh that takes longer costs a second call. A process
	// waits a little longer, so that it gets the lease of such a holder.
	leaseTTL  = 15 * time.Second
	leaseWait = leaseTTL + 3*time.Second

	leaserPatience = 3 * time.Second // for one call of the Leaser

	firstPoll = 20 * time.Millisecond
	lastPoll  = 500 * time.Millisecond
)

// refreshShared takes the access token that another process has stored, or
// refreshes as the one process that does: the lease saves calls, and a call too
// many is better than none. The cached token is as good as long as it belongs to
// the grant in the record: see [Manager.load].
func (m *Manager) refreshShared(ctx context.Context, u *user, g Grant) (*accessToken, Grant, error) {
	now := m.clock.UnixNano()
	if c := u.cached.Load(); c.usable(now) && now < c.dueAt {
		return c.checkedFrom(c.dueAt), g, nil
	}
	var release func()
	defer func() {
		if release != nil {
			m.inBackground(u, release) // no caller waits for that
		}
	}()
	longest := leaseWait
	if deadline, ok := ctx.Deadline(); ok {
		longest = min(longest, time.Until(deadline)/2) // the rest is for the refresh
	}
	giveUp := time.Now().Add(longest)
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		if c := m.adopt(u, g); c != nil {
			m.stats.adopted.Add(1)
			return c, g, nil
		}
		if release != nil {
			return m.refresh(ctx, u, g)
		}
		var ok bool
		if release, ok = m.lease(ctx, u.subject, leasePurpose, leaseTTL); ok && release == nil || !ok && !time.Now().Before(giveUp) {
			return m.refresh(ctx, u, g)
		}
		if !ok {
			if err := wait(ctx, poll); err != nil {
				return nil, g, failedForNow("waiting for another process to refresh", u.subject, err)
			}
		}
		var err error
		if g, err = m.active(ctx, u); err != nil {
			return nil, g, err
		}
	}
}

// adopt returns the grant's access token if there is one that is not due and
// that no API has refused.
func (m *Manager) adopt(u *user, g Grant) *accessToken {
	now := m.clock.Time()
	lifetime := g.Expiry.Sub(g.RefreshedAt) // the row was written when the token came
	if lifetime <= 0 || lifetime > year {
		lifetime = g.Expiry.Sub(now)
	}
	c := m.newAccessToken(g.AccessToken, bearerType, now, g.Expiry, lifetime)
	if !c.fresh(now.UnixNano()) {
		return nil
	}
	if known := u.cached.Load(); known != nil && known.value == c.value {
		return nil // it is due, or an API has refused it
	}
	return c
}

// lease reports whether this process may do what the lease is for. If leases do
// not work it may, and release is nil.
func (m *Manager) lease(ctx context.Context, subject, purpose string, ttl time.Duration) (release func(), ok bool) {
	if m.config.Leaser == nil {
		return nil, true
	}
	ctx, cancel := context.WithTimeout(ctx, leaserPatience)
	defer cancel()
	release, ok, err := m.config.Leaser.Lease(ctx, m.key(subject), purpose, ttl)
	if err == nil {
		return release, ok
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		m.event(ctx, slog.LevelWarn, "tokenstore.lease_failed", subject, errorAttr(err))
	}
	return nil, true
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctxerr.Of(ctx)
	case <-timer.C:
		return nil
	}
}
