package tokenstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// patience is how long a caller waits for a better token while there is one
	// that still works.
	patience = 2 * time.Second

	// reuseFor is how long that one is then served before the next try.
	reuseFor = 30 * time.Second

	// maxAttempts is how often a refresh starts again because the grant has
	// changed under it.
	maxAttempts = 8
)

// Token returns an access token for the user: the cached one, or, from
// [Config].RefreshAhead before its expiry, a new one. Callers who need the same
// user's token at the same time share one refresh; it goes on when they leave,
// and its context has none of their values. The token is the caller's own copy,
// without the refresh token.
//
// While a cached token works, failures of the Refresher or the Store do not show.
// Without one they do, wrapped. A [*ConsentError] means that the user has to
// sign in with consent; as long as the record says so, the Refresher is not
// called. If nothing is kept, that error Is [ErrNotFound] too.
//
// After a failure that a retry does not cure at once, the Refresher is not called
// for the user for a while. If ctx has a deadline, Token then returns a
// [*PausedError] with the known failure at once; without a deadline it waits and
// tries again. So give a person's request a deadline, and a job none.
func (m *Manager) Token(ctx context.Context, subject string) (*oauth2.Token, error) {
	if u := m.users.get(subject); u != nil {
		if c := u.cached.Load(); c != nil && m.clock.recently() < c.checkAt {
			return c.oauth2(), nil
		}
	}
	u, err := m.acquire(subject)
	if err != nil {
		return nil, err
	}
	defer m.release(u)
	c, err := m.refreshOrReuse(ctx, u)
	if err != nil {
		return nil, err
	}
	return c.oauth2(), nil
}

// refreshOrReuse returns a new access token, or the cached one if that works and
// no better one can be had in time.
func (m *Manager) refreshOrReuse(ctx context.Context, u *user) (*accessToken, error) {
	current := u.cached.Load()
	if !current.usable(m.clock.unixNano()) {
		return m.refreshed(ctx, u, nil)
	}
	if ctx.Err() != nil { // it starts nothing, and must not delay what others start
		return current, nil
	}
	timer := time.NewTimer(patience) // a context made of ctx might be used after the call
	defer timer.Stop()
	c, err := m.refreshed(ctx, u, timer.C)
	if err == nil || errors.Is(err, ErrNeedsConsent) {
		return c, err
	}
	now := m.clock.unixNano()
	switch c := u.cached.Load(); { // current may be another grant's by now
	case c == current && c.usable(now):
		u.change(func(c *accessToken) *accessToken {
			if c != current {
				return c
			}
			return c.checkedFrom(min(now+int64(reuseFor), c.expiry))
		})
		return current, nil
	case c.usable(now):
		return c, nil
	case errors.Is(err, errPatience):
		return m.refreshed(ctx, u, nil)
	}
	return nil, err
}

// A sharedRefresh is one refresh for all callers who need it at the same time. The
// fields behind done are set when that is closed.
type sharedRefresh struct {
	generation uint64 // of the user, when it began; other callers do not join it
	number     uint64 // of the user's shared refreshes

	done     chan struct{}
	token    *accessToken
	err      error
	panicked *panicked
}

// A panicked is a panic of the Refresher or the Store, to be raised again in each
// caller that waits, where net/http can recover it.
type panicked struct{ value any }

func recovered(value any) *panicked {
	if value == nil {
		return nil
	}
	return &panicked{value}
}

func (p *panicked) rethrow() {
	if p != nil {
		panic(p.value)
	}
}

var errPatience = errors.New("the refresh takes long")

var errExited = errors.New("runtime.Goexit was called, perhaps by t.Fatal in a fake")

// refreshed joins the user's shared refresh, or starts one. That the user needs to
// give consent, or that the record cannot be unsealed, counts only from one that
// began after this call: an earlier one may have read the record before the user
// signed in elsewhere.
//
// If limit is not nil, the caller has a token that works: it waits for no pause,
// and the error is errPatience when limit fires.
func (m *Manager) refreshed(ctx context.Context, u *user, limit <-chan time.Time) (*accessToken, error) {
	var earlier uint64
	for attempt := range maxAttempts {
		if err := m.waitForPause(ctx, u, limit == nil); err != nil {
			return nil, err
		}
		r, start := u.joinRefresh()
		if attempt == 0 {
			earlier = r.number - 1
			if !start {
				earlier = r.number
			}
		}
		switch {
		case start && ctx.Done() == nil && limit == nil: // nothing to wait for but the refresh: no goroutine needed
			m.background.begin()
			func() {
				defer m.background.end()
				m.runRefresh(u, r)
			}()
		case start:
			m.users.retain(u)
			m.background.run(func() {
				defer m.release(u)
				m.runRefresh(u, r)
			})
		}
		if err := m.await(ctx, u, r, limit); err != nil {
			return nil, err
		}
		final := r.number > earlier || !errors.Is(r.err, ErrNeedsConsent) && !errors.Is(r.err, ErrSealed)
		if final && !errors.Is(r.err, errAgain) {
			return r.token, r.err
		}
	}
	return nil, failed("refreshing", u.subject, ErrConflict)
}

// joinRefresh returns the shared refresh under way, or a new one that the caller
// has to run.
func (u *user) joinRefresh() (r *sharedRefresh, start bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.act()
	if a.refresh != nil && a.refresh.generation == u.generation {
		return a.refresh, false
	}
	a.refreshes++
	a.refresh = &sharedRefresh{generation: u.generation, number: a.refreshes, done: make(chan struct{})}
	return a.refresh, true
}

// await waits for r, or until ctx ends or limit fires: the refresh then goes on.
func (m *Manager) await(ctx context.Context, u *user, r *sharedRefresh, limit <-chan time.Time) error {
	select {
	case <-r.done:
	case <-limit:
		return errPatience
	case <-ctx.Done():
		select { // a result that is already there is worth more than the cancellation
		case <-r.done:
		default:
			return m.gaveUp(ctx, "refreshing", u)
		}
	}
	r.panicked.rethrow()
	return nil
}

// runRefresh runs r, detached from its callers.
func (m *Manager) runRefresh(u *user, r *sharedRefresh) {
	r.err = errExited
	defer func() {
		r.panicked = recovered(recover())
		u.mu.Lock()
		if u.activity.refresh == r {
			u.activity.refresh = nil
		}
		u.mu.Unlock()
		close(r.done)
	}()
	ctx, cancel := m.detached()
	defer cancel()
	for range maxAttempts {
		r.token, r.err = m.attempt(ctx, u)
		if !errors.Is(r.err, errAgain) {
			return
		}
	}
	r.err = failed("refreshing", u.subject, ErrConflict)
}

// TokenSource is [Manager.Token] for the user as an [oauth2.TokenSource], for
// API clients that want one. Every Token call uses ctx, so that must outlive the
// source's use: a request's context, for a source that serves that request. Do
// not wrap it in [oauth2.ReuseTokenSource]: that would go on with a token after
// the user has disconnected.
func (m *Manager) TokenSource(ctx context.Context, subject string) oauth2.TokenSource {
	subject = strings.Clone(subject)
	return tokenSource(func() (*oauth2.Token, error) { return m.Token(ctx, subject) })
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// Invalidate forgets the cached access token of the user if it is accessToken,
// which an API has refused with 401; if accessToken is empty, any. The next call
// gets a new one. Pass the token: of several workers who are refused the same one,
// only the first then causes a refresh. [Manager.HTTPClient] does this by itself.
func (m *Manager) Invalidate(subject, accessToken string) {
	if u := m.users.get(subject); u != nil {
		u.invalidate(accessToken)
	}
}

func (u *user) invalidate(value string) {
	u.change(func(c *accessToken) *accessToken {
		if value != "" && value != c.value {
			return c
		}
		return c.refusedByAPI()
	})
}
