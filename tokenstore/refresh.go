package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redactoauth"
)

// attempt gets an access token once, and caches it if nothing has changed the
// grant since; otherwise the error is errAgain.
func (m *Manager) attempt(ctx context.Context, u *user, r *sharedRefresh) (*accessToken, error) {
	if err := m.settle(ctx, u); err != nil {
		return nil, err
	}
	u.mu.Lock()
	generation := u.generation.Load()
	r.generation = generation // what was settled may have raised it
	u.mu.Unlock()
	if c := u.cached.Load(); c.fresh(m.clock.UnixNano()) {
		return c, nil // a sign-in or a pending write brought it
	}
	read, err := m.active(ctx, u)
	c, g := (*accessToken)(nil), read
	switch {
	case err == nil && m.config.ShareAccessTokens:
		c, g, err = m.refreshShared(ctx, u, read)
	case err == nil:
		c, g, err = m.refresh(ctx, u, read)
	}
	switch {
	case err == nil && m.publish(u, generation, c, read, g):
		return c, nil
	case err == nil:
		return nil, errAgain
	case u.generation.Load() != generation && ctx.Err() == nil:
		u.succeeded() // the failure was that of an older grant
		return nil, errAgain
	case errors.Is(err, ErrNeedsConsent):
		m.forget(u)
	}
	return nil, err
}

// active loads a grant with which the Refresher may be asked.
func (m *Manager) active(ctx context.Context, u *user) (Grant, error) {
	g, err := m.load(ctx, u)
	switch {
	case errors.Is(err, ErrNotFound):
		return Grant{}, noneKept(u.subject)
	case err != nil:
		return Grant{}, failedForNow("loading the grant of", u.subject, err)
	case g.State != Active:
		return Grant{}, needsConsent(u.subject, g.Reason)
	case g.RefreshToken == "":
		return Grant{}, needsConsent(u.subject, ReasonNone)
	}
	return g, nil
}

// load reads the user's record, and drops the cached access token if it belongs to
// another grant. A record that is sealed, and whose Store does not open it, has no
// refresh token: what stands in its place must not reach Google, who would refuse
// it.
func (m *Manager) load(ctx context.Context, u *user) (Grant, error) {
	generation := u.generation.Load()
	g, err := m.config.Store.Load(ctx, m.key(u.subject))
	switch {
	case err == nil && strings.HasPrefix(g.RefreshToken, sealedMark):
		g.RefreshToken, g.AccessToken, g.hashes = "", "", nil
		err = fmt.Errorf("%w: Config.Store is no Sealed", ErrSealed)
	case err == nil:
		u.observe(generation, m.fingerprint(g))
	case errors.Is(err, ErrNotFound):
		u.observe(generation, m.fingerprint(Grant{State: NeedsConsent}))
	}
	return g, err
}

// fingerprint identifies the grant behind an access token: the sign-in, the state
// and the scopes of a record. It is never 0.
func (m *Manager) fingerprint(g Grant) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	h.WriteByte(byte(g.State))
	if g.lineage.id != "" {
		h.WriteString(g.lineage.id)
	} else {
		h.WriteString(g.RefreshToken)
	}
	for _, scope := range g.Scopes {
		h.WriteByte(' ')
		h.WriteString(scope)
	}
	return h.Sum64() | 1
}

// refresh asks Google with the grant's refresh token. What Google says about that
// token is saved before the access token is returned. The Refresher is called
// once at a time for a user: a refresh token may work only once. The grant
// returned is the record afterwards.
func (m *Manager) refresh(ctx context.Context, u *user, g Grant) (*accessToken, Grant, error) {
	unlock, err := lock(ctx, u.activity.asking)
	if err != nil {
		return nil, g, failedForNow("waiting to refresh", u.subject, err)
	}
	defer unlock()
	if u.rotationPending() {
		return nil, g, errAgain // g is from before it
	}
	if reason, refused := m.refused.Reason(g.RefreshToken, g.lineage.id); refused {
		return nil, g, m.refuse(u, g, reason, nil)
	}
	tok, err := m.ask(ctx, g.RefreshToken, g.KeyThumbprint)
	if err != nil {
		return nil, g, m.refreshFailed(ctx, u, g, err)
	}
	w := m.newWrite(refreshWrite, g, m.newResponse(tok))
	if w.response.refreshToken == g.RefreshToken {
		w.response.refreshToken = ""
	}
	if w.response.refreshToken != "" {
		w.kind = rotationWrite
		m.refused.Add(g.RefreshToken, g.lineage.id, ReasonInvalidGrant)
	}
	c := w.response.access
	if c != nil {
		m.stats.refreshed.Add(1)
	}
	if g, err = m.saveRefresh(ctx, u, g, w); err != nil {
		return nil, g, err
	}
	if c == nil {
		return nil, g, m.refreshFailed(ctx, u, g, errors.New("the response has no access token that is still good"))
	}
	c.refreshedAt = w.at.UnixNano()
	u.succeeded()
	m.event(ctx, slog.LevelDebug, "tokenstore.refreshed", u.subject)
	return c, g, nil
}

// ask calls the Refresher. Without a proof Google would refuse a refresh token that
// is bound to a key, which must not be taken for the end of the grant.
func (m *Manager) ask(ctx context.Context, refreshToken, keyThumbprint string) (*oauth2.Token, error) {
	if r, ok := m.config.Refresher.(BoundRefresher); ok {
		return r.RefreshBound(ctx, refreshToken, keyThumbprint)
	}
	if keyThumbprint != "" {
		return nil, fmt.Errorf("%w: %q", ErrKey, keyThumbprint)
	}
	return m.config.Refresher.Refresh(ctx, refreshToken)
}

// saveRefresh saves what a successful refresh says about the refresh token, and
// returns the record. That the token works is worth no failure.
func (m *Manager) saveRefresh(ctx context.Context, u *user, g Grant, w *write) (Grant, error) {
	if w.kind != rotationWrite && !m.worthARow(g, w) {
		return g, nil
	}
	save := m.trySave
	if w.kind == rotationWrite {
		m.stats.rotated.Add(1)
		var cancel context.CancelFunc
		ctx, cancel = m.detached() // the Refresher may have used all the time of ctx
		defer cancel()
		save = m.save
	}
	saved, err := save(ctx, u, w, &record{Grant: g, exists: true})
	if w.kind == rotationWrite { // not before: a Logger may panic
		m.event(ctx, slog.LevelInfo, "tokenstore.rotated", u.subject)
	}
	switch {
	case errors.Is(err, errSuperseded), err == nil && saved.State != Active:
		return g, errAgain
	case err != nil && w.kind == rotationWrite:
		return g, m.notSaved(u, w, err)
	case err != nil:
		m.event(ctx, slog.LevelWarn, "tokenstore.refresh_not_noted", u.subject, errorAttr(err))
		return g, nil
	}
	return saved, nil
}

// worthARow reports whether a refresh without a new refresh token changes the
// record: once a week, where Google announces another end or other scopes, and
// where the access token is shared.
func (m *Manager) worthARow(g Grant, w *write) bool {
	r := w.response
	return m.config.ShareAccessTokens && r.access != nil ||
		w.at.Sub(g.RefreshedAt).Abs() >= 7*24*time.Hour ||
		r.scopes != nil && !slices.Equal(r.scopes, g.Scopes) ||
		!r.refreshTokenExpiry.IsZero() && r.refreshTokenExpiry.Sub(g.RefreshTokenExpiry).Abs() > 24*time.Hour
}

// refreshFailed decides what a failure of the Refresher means. Only a refusal for
// good changes the record, and only if that still has the refused token.
func (m *Manager) refreshFailed(ctx context.Context, u *user, g Grant, err error) error {
	if reason, refused := refusal(err); refused {
		m.stats.refused.Add(1)
		m.refused.Add(g.RefreshToken, g.lineage.id, reason)
		return m.refuse(u, g, reason, err)
	}
	m.stats.failed.Add(1)
	err = failedForNow("refreshing", u.subject, err)
	m.event(ctx, slog.LevelWarn, "tokenstore.refresh_failed", u.subject, errorAttr(err))
	return m.failedToRefresh(u, err)
}

// refuse saves that Google refuses the grant's refresh token.
func (m *Manager) refuse(u *user, g Grant, reason string, cause error) error {
	w := m.newWrite(refusalWrite, g, response{})
	w.reason = reason
	ctx, cancel := m.detached()
	defer cancel()
	switch _, err := m.save(ctx, u, w, nil); {
	case errors.Is(err, errSuperseded):
		return errAgain
	case err != nil:
		return m.notSaved(u, w, err)
	}
	u.succeeded()
	m.event(ctx, slog.LevelInfo, "tokenstore.refused", u.subject, slog.String("reason", reason))
	consent := needsConsent(u.subject, reason)
	if cause == nil {
		return consent
	}
	return fmt.Errorf("%w: %w", consent, redactoauth.WithoutBody(cause))
}

// failures are those of the Refresher in a row. It is not changed but replaced.
type failures struct {
	count    int
	last     error
	until    time.Time     // the Refresher is not asked before; zero: it may be
	ended    chan struct{} // closed when the pause ends early, or another one begins
	forgetAt int64
}

const (
	// firstPause is the longest first pause after failures; it doubles with each
	// further failure, up to maxPause.
	firstPause = time.Second
	maxPause   = time.Minute

	// forgetFailures is how long failures in a row count as such.
	forgetFailures = 5 * time.Minute
)

// failedToRefresh notes a failure, and begins a pause if it is not the first one
// that may pass, or if it is one that does not pass by itself.
func (m *Manager) failedToRefresh(u *user, err error) error {
	now := m.clock.Time()
	f := &failures{count: 1, last: err, ended: make(chan struct{}), forgetAt: now.Add(forgetFailures).UnixNano()}
	if before := u.activity.failures.Load(); before != nil && now.UnixNano() < before.forgetAt {
		f.count += before.count
	}
	defer func() {
		if before := u.activity.failures.Swap(f); before != nil {
			close(before.ended) // who waits for the end of that pause sees this one
		}
	}()
	pauses := f.count
	if code, _ := oauthCode(err); passing(code) {
		pauses--
	}
	if pauses == 0 {
		return err
	}
	d := jittered(min(firstPause<<min(pauses-1, 16), maxPause), now)
	f.until = now.Add(d)
	return &PausedError{Until: f.until, Err: err, after: d}
}

// passing reports whether a failure with that OAuth error code may pass by itself:
// one without a code is that of a connection or a server.
func passing(code string) bool {
	return slices.Contains([]string{"", "internal_failure", "server_error", "temporarily_unavailable", "rate_limit_exceeded"}, code)
}

// succeeded ends the failures in a row, and the pause.
func (u *user) succeeded() {
	if f := u.activity.failures.Swap(nil); f != nil {
		close(f.ended)
	}
}

// waitForPause returns nil when the Refresher may be asked for the user. During a
// pause it waits, unless ctx has a deadline or the caller does not want to: it
// returns the known failure then.
func (m *Manager) waitForPause(ctx context.Context, u *user, wait bool) error {
	for {
		if ctx.Err() != nil {
			return m.gaveUp(ctx, u)
		}
		f := u.activity.failures.Load()
		if f == nil {
			return nil
		}
		after := f.until.Sub(m.clock.Time())
		if after <= 0 {
			return nil
		}
		if _, ok := ctx.Deadline(); ok || !wait {
			return &PausedError{Until: f.until, Err: f.last, after: after}
		}
		timer := time.NewTimer(after)
		select {
		case <-timer.C:
		case <-f.ended:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// gaveUp returns the error of a caller whose ctx has ended, with the last failure
// of the Refresher if there was one.
func (m *Manager) gaveUp(ctx context.Context, u *user) error {
	err := ctxerr.Of(ctx)
	if f := u.activity.failures.Load(); f != nil {
		err = fmt.Errorf("%w, after: %w", err, f.last)
	}
	return failedForNow("refreshing", u.subject, err)
}
