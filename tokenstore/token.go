package tokenstore

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/background"
	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/bearer"
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
		if c := u.cached.Load(); c != nil && m.clock.Recently() < c.checkAt {
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
	if !current.usable(m.clock.UnixNano()) {
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
	now := m.clock.UnixNano()
	switch c := u.cached.Load(); { // current may be another grant's by now
	case c.usable(now):
		if c == current {
			u.cached.CompareAndSwap(c, c.checkedFrom(min(now+int64(reuseFor), c.expiry)))
		}
		return c, nil
	case errors.Is(err, errPatience):
		return m.refreshed(ctx, u, nil)
	}
	return nil, err
}

var errPatience = errors.New("the refresh takes long")

// A sharedRefresh is one refresh for all callers who need it at the same time.
type sharedRefresh struct {
	background.Task
	generation uint64       // of the user, when it began; other callers do not join it
	token      *accessToken // if the Task is done
}

// refreshed joins the user's shared refresh, or starts one. That the user needs to
// give consent, or that the record cannot be unsealed, counts only from one that
// began after this call: an earlier one may have read the record before the user
// signed in elsewhere.
//
// If limit is not nil, the caller has a token that works: it waits for no pause,
// and the error is errPatience when limit fires.
func (m *Manager) refreshed(ctx context.Context, u *user, limit <-chan time.Time) (*accessToken, error) {
	for first := true; ; first = false {
		if err := m.waitForPause(ctx, u, limit == nil); err != nil {
			return nil, err
		}
		r, began := u.joinRefresh()
		switch {
		case began && ctx.Done() == nil && limit == nil: // nothing to wait for but the refresh: no goroutine needed
			m.runRefresh(u, r)
		case began:
			m.inBackground(u, func() { m.runRefresh(u, r) })
		}
		select {
		case <-r.Done():
		case <-limit:
			return nil, errPatience
		case <-ctx.Done():
			select { // a result that is already there is worth more than the cancellation
			case <-r.Done():
			default:
				return nil, m.gaveUp(ctx, u)
			}
		}
		err := r.Result()
		if began || !first || !errors.Is(err, ErrNeedsConsent) && !errors.Is(err, ErrSealed) {
			return r.token, err
		}
	}
}

// joinRefresh returns the shared refresh under way, or a new one that the caller
// has to run.
func (u *user) joinRefresh() (r *sharedRefresh, began bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r := u.activity.refresh; r != nil && r.generation == u.generation.Load() {
		return r, false
	}
	u.activity.refresh = &sharedRefresh{Task: background.NewTask(), generation: u.generation.Load()}
	return u.activity.refresh, true
}

// runRefresh runs r, detached from its callers.
func (m *Manager) runRefresh(u *user, r *sharedRefresh) {
	defer m.background.Begin()()
	r.Run(func() (err error) {
		defer func() {
			u.mu.Lock()
			defer u.mu.Unlock()
			if u.activity.refresh == r {
				u.activity.refresh = nil
			}
		}()
		ctx, cancel := m.detached()
		defer cancel()
		for range maxAttempts {
			r.token, err = m.attempt(ctx, u, r)
			if !errors.Is(err, errAgain) {
				return err
			}
		}
		return failed("refreshing", u.subject, ErrConflict)
	})
}

// TokenSource is [Manager.Token] for the user as an [oauth2.TokenSource], for
// API clients that want one. Every Token call uses ctx, so that must outlive the
// source's use: a request's context, for a source that serves that request. Do
// not wrap it in [oauth2.ReuseTokenSource]: that would go on with a token after
// the user has disconnected.
//
// Where an API's own error says that a scope is missing, as a gRPC client's does,
// call [Manager.Grant] once: if the user has granted more since, Token follows.
func (m *Manager) TokenSource(ctx context.Context, subject string) oauth2.TokenSource {
	subject = strings.Clone(subject)
	return tokenSource(func() (*oauth2.Token, error) { return m.Token(ctx, subject) })
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// HTTPClient returns a client that sends each request with the user's access
// token, for the API clients of Google and others, also when the user is away.
//
// The token goes to [Config].Hosts only. A request for another host, with a Host
// header that names another one, or without TLS is refused before anything is
// sent. If a redirect leads to another host, the request goes there without the
// token, as the signed URLs of downloads want it.
//
// After a 401 the token is replaced and the request is sent once more, if it has
// no body or one that GetBody can repeat. After a 403 whose WWW-Authenticate
// header says insufficient_scope (RFC 6750 section 3.1) the record is read: if
// the user has granted more since, the request is sent once more with a token of
// that grant. An error about the token, such as [*ConsentError], comes through
// the [*url.Error] of the client.
//
// The Request of a response is the one that the client was given, without the
// token. All clients of a Manager share the connections of [Config].Transport.
func (m *Manager) HTTPClient(subject string) *http.Client {
	return &http.Client{Transport: &bearer.Transport{
		Source: &bearerTokens{m, strings.Clone(subject)},
		Hosts:  m.hosts,
		Base:   m.config.Transport,
	}}
}

// bearerTokens implements [bearer.Source].
type bearerTokens struct {
	m       *Manager
	subject string
}

func (b *bearerTokens) Token(ctx context.Context) (*oauth2.Token, error) {
	return b.m.Token(ctx, b.subject)
}

func (b *bearerTokens) Replayed(ctx context.Context) {
	b.m.stats.replayed.Add(1)
	b.m.event(ctx, slog.LevelDebug, "tokenstore.replayed", b.subject)
}

func (b *bearerTokens) Refused(accessToken string) bool {
	return b.m.invalidate(b.subject, accessToken, false)
}

// Insufficient reads the record, which drops the cached token if the record is of
// another grant. It reports whether that is so, and the grant has one of the
// scopes.
func (b *bearerTokens) Insufficient(ctx context.Context, accessToken string, scopes []string) bool {
	u, err := b.m.acquire(b.subject)
	if err != nil {
		return false
	}
	defer b.m.release(u)
	g, err := b.m.load(ctx, u)
	if err != nil || g.State != Active || g.Scopes != nil && len(scopes) > 0 && len(g.Missing(scopes...)) == len(scopes) {
		return false
	}
	c := u.cached.Load()
	return c == nil || c.value != accessToken
}

// Invalidate forgets the cached access token of the user if it is accessToken,
// which an API has refused with 401; if accessToken is empty, any. The next call
// gets a new one. Pass the token: of several workers who are refused the same one,
// only the first then causes a refresh. [Manager.HTTPClient] does this by itself.
func (m *Manager) Invalidate(subject, accessToken string) { m.invalidate(subject, accessToken, true) }

// tooYoung is the age below which a token that a refresh has brought is not
// replaced because an API refuses it: it has not ended, and mostly it is the
// successor of one that was refused too.
const tooYoung = 30 * time.Second

// invalidate is Invalidate. It reports whether Token returns another token from
// then on: without force not in place of one that is too young.
func (m *Manager) invalidate(subject, value string, force bool) bool {
	u := m.users.get(subject)
	if u == nil {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	c := u.cached.Load()
	switch {
	case c == nil || c.checkAt == 0 || value != "" && value != c.value:
		return true
	case !force && m.clock.UnixNano()-c.refreshedAt < int64(tooYoung):
		return false
	}
	u.cached.Store(c.checkedFrom(0))
	return true
}
