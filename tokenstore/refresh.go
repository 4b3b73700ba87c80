package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/oauth2"
)

// maxTurns is how often one flight starts again because the record changed
// under it.
const maxTurns = 8

// errAgain: what the attempt was about has changed; read again, decide again.
var errAgain = errors.New("the grant has changed meanwhile")

// obtain gets an access token for the one flight of a user.
func (m *Manager) obtain(ctx context.Context, key Key) (landing, error) {
	for range maxTurns {
		l, err := m.attempt(ctx, key)
		if !errors.Is(err, errAgain) {
			return l, err
		}
	}
	return landing{tick: m.ticks.Add(1)}, failed("refreshing", key.Subject, ErrConflict)
}

// attempt takes one turn of the state machine, and caches what it found if that
// still holds.
func (m *Manager) attempt(ctx context.Context, key Key) (landing, error) {
	v := m.visit(key.Subject)
	defer v.end()
	l := landing{tick: m.ticks.Add(1)}
	if c := m.cache.get(key.Subject); c.fresh(m.clock.unixNano()) {
		l.token = c // a sign-in brought it meanwhile
		return l, nil
	}
	c, err := m.turn(ctx, key)
	l.token = c
	switch {
	case err == nil && v.publish(c):
		return l, nil
	case err == nil || v.stale() && ctx.Err() == nil:
		return l, errAgain
	case errors.Is(err, ErrNeedsConsent):
		v.replace(nil)
	}
	return l, err
}

func (m *Manager) turn(ctx context.Context, key Key) (*cached, error) {
	late, err := m.catchUp(ctx, key)
	if err != nil {
		return nil, err
	}
	g, err := m.usable(ctx, key)
	if err != nil {
		return nil, err
	}
	if late != nil && g.RefreshToken == late.answer.refreshToken && late.answer.access.fresh(m.clock.unixNano()) {
		return late.answer.access, nil
	}
	if m.share {
		return m.refreshShared(ctx, key, g)
	}
	return m.refresh(ctx, key, g)
}

// usable loads a grant that the Refresher may be asked with.
func (m *Manager) usable(ctx context.Context, key Key) (Grant, error) {
	g, err := m.read(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return Grant{}, noneKept(key.Subject)
	case err != nil:
		return Grant{}, failed("loading the grant of", key.Subject, err)
	case g.State != Active:
		return Grant{}, needsConsent(key.Subject, g.Reason)
	case g.RefreshToken == "":
		return Grant{}, needsConsent(key.Subject, ReasonNone)
	}
	return g, nil
}

// refresh asks Google with the grant's refresh token. What it answers about that
// token is in the store before the access token leaves here.
func (m *Manager) refresh(ctx context.Context, key Key, g Grant) (*cached, error) {
	if reason, dead := m.dead.reason(g.RefreshToken, g.origin); dead {
		return nil, m.refused(ctx, key, g, reason, nil)
	}
	tok, err := m.refresher.Refresh(ctx, g.RefreshToken)
	if err != nil {
		return nil, m.refreshFailed(ctx, key, g, err)
	}
	if tok == nil {
		tok = new(oauth2.Token)
	}
	n := m.newsOf(g, refreshed, m.answer(key.Subject, tok))
	if n.answer.refreshToken != "" && n.answer.refreshToken != n.sent {
		n.kind = rotated
		m.dead.add(n.sent, g.origin, ReasonInvalidGrant)
	}
	if err := m.accepted(ctx, key, g, n); err != nil {
		return nil, err
	}
	if n.answer.access == nil {
		m.stats.failed.Add(1)
		return nil, failed("refreshing", key.Subject, errNoAccessToken)
	}
	m.stats.refreshed.Add(1)
	m.event(ctx, slog.LevelDebug, eventRefreshed, key.Subject)
	return n.answer.access, nil
}

var errNoAccessToken = errors.New("the answer has no access token that is still good")

// accepted saves what a successful refresh says about the refresh token. Where
// that is nothing but its being alive, a failure costs nobody anything.
func (m *Manager) accepted(ctx context.Context, key Key, g Grant, n *news) error {
	switch {
	case n.kind == rotated:
		m.stats.rotated.Add(1)
		m.event(ctx, slog.LevelInfo, eventRotated, key.Subject)
		ctx, cancel := m.detached(ctx) // the Refresher may have used up all of it
		defer cancel()
		got, v, err := m.settle(ctx, key, n)
		if err != nil {
			return n.notSaved(key.Subject, err)
		}
		if v == superseded || got.State != Active {
			return errAgain
		}
	case m.worthARow(g, n):
		_, v, err := m.write(ctx, key, n)
		if err != nil {
			m.event(ctx, slog.LevelWarn, eventNotNoted, key.Subject, errorAttr(err))
		} else if v == superseded {
			return errAgain
		}
	}
	return nil
}

// worthARow tells whether a refresh without a new refresh token changes the
// record: once a week, where Google announces another end or other scopes, and
// where the access token is shared.
func (m *Manager) worthARow(g Grant, n *news) bool {
	a := n.answer
	return m.share && a.access != nil ||
		n.at.Sub(g.RefreshedAt).Abs() >= week ||
		a.scopes != nil && !slices.Equal(a.scopes, g.Scopes) ||
		!a.refreshTokenExpiry.IsZero() && a.refreshTokenExpiry.Sub(g.RefreshTokenExpiry).Abs() > 24*time.Hour
}

// refreshFailed decides what a failure of the Refresher means. Only a refusal
// for good changes the record, and only if that still has the token refused.
func (m *Manager) refreshFailed(ctx context.Context, key Key, g Grant, err error) error {
	reason, dead := refusal(err)
	if !dead {
		m.stats.failed.Add(1)
		err = failed("refreshing", key.Subject, err)
		m.event(ctx, slog.LevelWarn, eventRefreshFailed, key.Subject, errorAttr(err))
		return err
	}
	m.stats.refused.Add(1)
	m.dead.add(g.RefreshToken, g.origin, reason)
	return m.refused(ctx, key, g, reason, err)
}

// refused notes that a refresh token is dead.
func (m *Manager) refused(ctx context.Context, key Key, g Grant, reason string, cause error) error {
	n := m.newsOf(g, refused, answer{})
	n.reason = reason
	ctx, cancel := m.detached(ctx)
	defer cancel()
	_, v, err := m.settle(ctx, key, n)
	switch {
	case err != nil:
		return n.notSaved(key.Subject, err)
	case v == superseded:
		return errAgain
	}
	m.event(ctx, slog.LevelInfo, eventRefused, key.Subject, slog.String("reason", reason))
	consent := needsConsent(key.Subject, reason)
	if cause == nil {
		return consent
	}
	return fmt.Errorf("%w: %w", consent, withoutBody(cause))
}
