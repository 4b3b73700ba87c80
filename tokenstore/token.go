package tokenstore

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"
)

const (
	// patience is how long a caller waits for a better token while there is one
	// that still works.
	patience = 2 * time.Second

	// pause is how long that one then serves before the next attempt.
	pause = 30 * time.Second
)

// Token returns an access token for the user: the cached one, or, from
// [Config].RefreshAhead before its end, a new one. Callers who need the same
// user's token at the same time share one call of the Refresher; it goes on when
// they leave. The token is the caller's own copy, without the refresh token.
//
// While a cached token works, failures of the Refresher or the Store do not show.
// Without one they do, wrapped. A [*ConsentError] means that the user has to
// sign in with consent; as long as the record says so, the Refresher is not
// called. Where nothing is kept, that error Is [ErrNotFound] too.
func (m *Manager) Token(ctx context.Context, subject string) (*oauth2.Token, error) {
	c := m.cache.get(subject)
	if c != nil && m.clock.recently() < c.refreshAt {
		return c.token(), nil
	}
	c, err := m.newer(ctx, subject, c)
	if err != nil {
		return nil, err
	}
	return c.token(), nil
}

// newer returns a fresh token, or had where that still works and there is no
// better one for now.
func (m *Manager) newer(ctx context.Context, subject string, had *cached) (*cached, error) {
	key, err := m.checked(subject)
	if err != nil {
		return nil, err
	}
	if !had.alive(m.clock.unixNano()) {
		return m.fly(ctx, key)
	}
	if ctx.Err() != nil { // it would start nothing, and must not put off what others start
		return had, nil
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := m.fly(waiting, key)
	if err == nil || errors.Is(err, ErrNeedsConsent) {
		return got, err
	}
	now := m.clock.unixNano()
	switch c := m.cache.get(subject); { // had may be no good any more
	case c == had && c.alive(now):
		m.postpone(had, now)
		return had, nil
	case c.alive(now):
		return c, nil
	case waiting.Err() != nil && ctx.Err() == nil:
		return m.fly(ctx, key)
	}
	return nil, err
}

// postpone lets had serve for a pause before anybody tries again, unless there
// is something else cached by now.
func (m *Manager) postpone(had *cached, now int64) {
	m.update(had.subject, func(c *cached) *cached {
		if c != had {
			return c
		}
		p := *had
		p.refreshAt = min(now+int64(pause), had.expiry)
		return &p
	})
}

// landing is how a flight ended, and at which tick of Manager.ticks it began to
// look at the grant for the last time.
type landing struct {
	token *cached
	tick  uint64
}

// fly joins the user's flight or starts it. There is never more than one for a
// user, so a refresh token is in use once. What a flight says about the grant
// counts only if it looked after this call had begun; its token is as good as any
// that is cached, and a failure for now is one for all.
func (m *Manager) fly(ctx context.Context, key Key) (*cached, error) {
	for began := m.ticks.Add(1); ; {
		l, err := m.flights.Do(ctx, key.Subject, m.timeout, func(ctx context.Context) (landing, error) {
			return m.obtain(ctx, key)
		})
		switch {
		case l.tick > began || l.tick == 0: // 0: it was not waited for, or has not landed
			return l.token, err
		case err == nil && m.cache.get(key.Subject) == l.token:
			return l.token, nil
		case err != nil && !errors.Is(err, ErrNeedsConsent) && !errors.Is(err, ErrSealed):
			return nil, err
		}
	}
}

// TokenSource is [Manager.Token] for the user as an [oauth2.TokenSource], for
// API clients that want one. Every Token call uses ctx, so that must outlive the
// source's use: a request's context, for a source that serves that request. Do
// not wrap it in [oauth2.ReuseTokenSource]: that would go on with a token after
// the user has disconnected.
func (m *Manager) TokenSource(ctx context.Context, subject string) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) { return m.Token(ctx, subject) })
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// Invalidate forgets the access token that is cached for the user now, for a
// caller whom an API has refused it with 401. The next call gets a new one.
// Several workers who are refused the same token at about the same time may cost
// a refresh each: see [Manager.InvalidateToken].
func (m *Manager) Invalidate(subject string) {
	m.update(subject, (*cached).refused)
}

// InvalidateToken is Invalidate if accessToken, which an API has refused, is the
// one that is cached; a newer one stays. [Manager.HTTPClient] does this by itself.
func (m *Manager) InvalidateToken(subject, accessToken string) {
	m.update(subject, func(c *cached) *cached {
		if c.access != accessToken {
			return c
		}
		return c.refused()
	})
}
