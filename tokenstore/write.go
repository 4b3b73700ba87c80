package tokenstore

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// A write is something that Google has said about a user and that the record has
// to say too. Once it is pending it is changed only by the call that holds
// activity.saving.
type write struct {
	kind     writeKind
	sent     string // the refresh token that Google was asked with; empty for a sign-in
	response response
	reason   string    // of a refusal
	at       time.Time // when it came in, by this process's clock
	lineage  lineage   // the sign-in that it is, or that sent goes back to
	sealed   bool      // pending, because the record cannot be unsealed; guarded by user.mu too

	// Of a sign-in:
	before *Grant // the record that was there first; nil: it could not be read
	tried  bool   // a Save may have taken it,
	over   string // over the record of this Version
	late   bool   // the store has failed it, so that it need not be the newest any more
}

type writeKind string

const (
	signInWrite   writeKind = "sign-in"  // a new refresh token, from a sign-in
	rotationWrite writeKind = "rotation" // a new refresh token in place of the one sent
	refusalWrite  writeKind = "refusal"  // the refresh token sent is refused
	refreshWrite  writeKind = "refresh"  // the refresh token sent works
)

// A lineage is a sign-in, and through all rotations what came of it.
type lineage struct {
	id string    // empty: not known, as of a record that no Manager wrote
	at time.Time // of the sign-in; zero: not known
	// byGoogle says that at is the iat of the ID token that came with the sign-in.
	// Otherwise it is by the clock of the process that had it.
	byGoogle bool
}

// A record is what the store has for a user.
type record struct {
	Grant
	exists     bool
	unopened   error  // it wraps ErrSealed; of the Grant there is only the Version then
	generation uint64 // of the user, before it was read
}

// sameLineage reports whether two grants go back to one sign-in. Where that is
// not known, it compares the refresh tokens.
func sameLineage(a, b Grant) bool {
	if a.lineage.id == "" || b.lineage.id == "" {
		return a.RefreshToken == b.RefreshToken
	}
	return a.lineage.id == b.lineage.id
}

func (m *Manager) newWrite(kind writeKind, g Grant, r response) *write {
	return &write{kind: kind, sent: g.RefreshToken, lineage: g.lineage, response: r, at: m.now()}
}

var (
	errKnown = errors.New("the record says so already")
	// errSuperseded: the record is about another refresh token by now, or a
	// newer sign-in.
	errSuperseded = errors.New("the record is another one by now")
	// errAgain: what was read has changed; read again and decide again.
	errAgain = errors.New("the grant has changed")
)

// A saveError is the failure of a Save whose record needed the write.
type saveError struct{ error }

func (e saveError) Unwrap() error { return e.error }

const (
	// saveTries is how often a write is tried before it is pending, and saveWait
	// the time between the first two tries; it doubles.
	saveTries = 4
	saveWait  = 50 * time.Millisecond

	// maxConflicts is how often one try gives way to other writers.
	maxConflicts = 32
)

// save brings w into the record and returns the record. If the record is about
// something else by now, the error is errSuperseded. If the store fails, or panics,
// w is pending. If kept is not nil, the first try is a Save over it.
func (m *Manager) save(ctx context.Context, u *user, w *write, kept *record) (g Grant, err error) {
	tried := false
	defer m.rememberUnless(&tried, u, w)
	for try := range saveTries {
		if try > 0 && wait(ctx, saveWait<<(try-1)) != nil {
			break
		}
		g, err = m.trySave(ctx, u, w, kept)
		kept = nil
		if err == nil || errors.Is(err, errSuperseded) {
			tried = true
			m.settled(u, w, err == nil)
			return g, err
		}
		w.late = true
		if errors.Is(err, ErrSealed) || w.kind == signInWrite && u.rotationPending() {
			break // another try is of no use, or not yet: the rotation comes first
		}
	}
	tried = true
	m.remember(u, w, errors.Is(err, ErrSealed))
	m.event(ctx, slog.LevelError, "tokenstore.unsaved", u.subject, slog.String("what", string(w.kind)), errorAttr(err))
	return Grant{}, err
}

// trySave is one try of save.
func (m *Manager) trySave(ctx context.Context, u *user, w *write, kept *record) (Grant, error) {
	return m.update(ctx, u, kept, func(kept *record) (Grant, error) {
		if err := m.weigh(ctx, u, w, kept); err != nil {
			return Grant{}, err
		}
		w.tried, w.over = true, kept.Version
		return m.apply(u, w, kept.Grant), nil
	})
}

// update is how every record is written: it saves what decide makes of the kept
// record, and starts again where that has changed at the same time. If kept is
// nil, it is loaded first. decide may return errKnown, errAgain or an error that
// ends the update. The Grant returned is the record.
func (m *Manager) update(ctx context.Context, u *user, kept *record, decide func(kept *record) (Grant, error)) (Grant, error) {
	for range maxConflicts {
		if kept == nil {
			loaded, err := m.loadKept(ctx, u)
			if err != nil {
				return Grant{}, err
			}
			kept = &loaded
		}
		g, err := decide(kept)
		switch {
		case errors.Is(err, errKnown):
			return kept.Grant, nil
		case err == nil:
			g.Version, err = m.config.Store.Save(ctx, m.key(u.subject), g)
			if err == nil {
				m.reportLost(ctx, u, kept.Grant, g)
				m.takeAlong()
				return g, nil
			}
			if !errors.Is(err, ErrConflict) {
				return Grant{}, saveError{err}
			}
		case !errors.Is(err, errAgain):
			return kept.Grant, err
		}
		kept = nil
	}
	return Grant{}, ErrConflict
}

// loadKept is load where it is no error that nothing is kept, or that the record
// cannot be unsealed.
func (m *Manager) loadKept(ctx context.Context, u *user) (record, error) {
	generation := u.generation.Load()
	g, err := m.load(ctx, u)
	switch {
	case errors.Is(err, ErrNotFound):
		return record{generation: generation}, nil
	case errors.Is(err, ErrSealed) && g.Version != "":
		return record{g, true, err, generation}, nil
	}
	return record{g, true, nil, generation}, err
}

// weigh returns nil if the record needs w, and else errKnown, errSuperseded or
// why that cannot be decided now.
func (m *Manager) weigh(ctx context.Context, u *user, w *write, kept *record) error {
	if w.kind == signInWrite {
		return m.weighSignIn(ctx, u, w, kept)
	}
	switch {
	case kept.unopened != nil:
		return kept.unopened
	case !kept.exists:
		if w.kind == rotationWrite {
			m.revokeOrphan(ctx, u, w)
		}
		return errSuperseded
	case w.kind == rotationWrite && kept.RefreshToken == w.response.refreshToken:
		return errKnown // it was saved after all, and the store's response was lost
	case kept.RefreshToken != w.sent || !sameLineage(kept.Grant, Grant{RefreshToken: w.sent, lineage: w.lineage}):
		return errSuperseded
	case w.kind == refusalWrite && kept.State == NeedsConsent:
		return errKnown
	case w.kind == refreshWrite && kept.State == NeedsConsent:
		return errSuperseded
	}
	return nil
}

// revokeOrphan revokes a refresh token that a refresh has brought for a user who
// was disconnected at the same time: no record has it.
func (m *Manager) revokeOrphan(ctx context.Context, u *user, w *write) {
	m.refused.Add(w.response.refreshToken, w.lineage.id, ReasonRevoked)
	if err := m.revoke(ctx, w.response.refreshToken); err != nil {
		m.event(ctx, slog.LevelWarn, "tokenstore.not_revoked", u.subject, errorAttr(err))
	}
}

// weighSignIn decides whether a sign-in replaces the record: the later one is
// kept, by Google's clock, and one that has just come in is the latest unless that
// says otherwise. Where neither orders them, the one that is kept must work at
// Google.
func (m *Manager) weighSignIn(ctx context.Context, u *user, w *write, kept *record) error {
	if w.before == nil && !w.late {
		before := kept.Grant
		w.before = &before
	}
	later := w.lineage.at.Sub(kept.lineage.at)
	// If the last Save took it after all, it may have been rotated since.
	taken := w.tried && w.over != kept.Version
	switch byGoogle := w.lineage.byGoogle && kept.lineage.byGoogle; {
	case !kept.exists && !w.tried && !w.late:
		return nil
	case !kept.exists:
		return m.signInWorks(ctx, u, w) // a Disconnect since may have ended it
	case kept.lineage.id == w.lineage.id:
		return errKnown
	case byGoogle && later < 0:
		return errSuperseded
	case !taken && (byGoogle && later > 0 || w.before != nil && sameLineage(*w.before, kept.Grant)):
	default: // another sign-in was saved since this one came in, or this one was
		if w.late && (later < 0 || later == 0 && w.before != nil) {
			if works, err := m.keptWorks(ctx, u, kept); works || err != nil {
				return cmp.Or(err, errSuperseded)
			}
		}
		if err := m.signInWorks(ctx, u, w); err != nil {
			return err
		}
	}
	if kept.State == Active && kept.RefreshToken != "" && m.narrows(w, kept.Scopes) {
		return m.setAside(ctx, u, kept)
	}
	return nil
}

// signInWorks asks Google whether the refresh token of a sign-in still works:
// errSuperseded if Google refuses it.
func (m *Manager) signInWorks(ctx context.Context, u *user, w *write) error {
	unlock, err := lock(ctx, u.activity.asking)
	if err != nil {
		return err
	}
	defer unlock()
	refreshToken := w.response.refreshToken
	if _, refused := m.refused.Reason(refreshToken, w.lineage.id); refused {
		return errSuperseded
	}
	tok, err := m.ask(ctx, refreshToken, w.response.keyThumbprint)
	if reason, refused := refusal(err); refused {
		m.refused.Add(refreshToken, w.lineage.id, reason)
		return errSuperseded
	}
	if err != nil {
		return failedForNow("refreshing", u.subject, err)
	}
	r := m.newResponse(tok)
	if r.refreshToken != "" && r.refreshToken != refreshToken {
		m.refused.Add(refreshToken, w.lineage.id, ReasonInvalidGrant)
		w.response.refreshToken = r.refreshToken
	}
	if !w.response.access.usable(m.clock.UnixNano()) {
		w.response.access = r.access
	}
	return nil
}

// keptWorks asks Google whether the kept refresh token works, and saves what
// Google says about it: kept is the record then. The error is errAgain if the
// record has changed otherwise.
func (m *Manager) keptWorks(ctx context.Context, u *user, kept *record) (bool, error) {
	if kept.State != Active || kept.RefreshToken == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.Timeout/2) // the rest is for the Save
	defer cancel()
	c, g, err := m.refresh(ctx, u, kept.Grant)
	refused := errors.Is(err, ErrNeedsConsent)
	if err != nil && !refused {
		return false, err
	}
	if !refused {
		m.publish(u, kept.generation, c, kept.Grant, g)
	}
	now, err := m.loadKept(ctx, u) // the refusal is in it; or it was revoked since it was read
	if err != nil || refused && now.RefreshToken != kept.RefreshToken || !refused && now.Version != g.Version {
		return false, errAgain
	}
	*kept = now
	return !refused, nil
}

// narrows reports whether a sign-in covers less than scopes, and nothing else.
func (m *Manager) narrows(w *write, scopes []string) bool {
	granted := w.response.scopes
	return !m.config.AllowNarrowing && granted != nil && scopes != nil &&
		scope.Missing(scopes, granted) == nil && scope.Missing(granted, scopes) != nil
}

// setAside returns errSuperseded if the kept refresh token, which covers more than
// the one of w, works. Google's users end grants without telling anybody, so that
// is not known before a refresh. Where it cannot be decided now, the one of w is
// kept, because it is the one that certainly works.
func (m *Manager) setAside(ctx context.Context, u *user, kept *record) error {
	works, err := m.keptWorks(ctx, u, kept)
	if works {
		return errSuperseded
	}
	if errors.Is(err, errAgain) || u.rotationPending() {
		return err // in the second case the kept one works, and its rotation could not be saved
	}
	return nil
}

// apply returns the record with w in it.
func (m *Manager) apply(u *user, w *write, g Grant) Grant {
	now := m.now()
	g.UpdatedAt = now
	if w.kind == refusalWrite {
		g.State, g.Reason, g.told = NeedsConsent, w.reason, false
		return withoutAccessToken(g)
	}
	g.RefreshedAt = w.at
	if w.response.scopes != nil || w.kind == signInWrite {
		g.Lost = m.lost(u, w, g)
		g.Scopes = w.response.scopes
	}
	if !w.response.refreshTokenExpiry.IsZero() || w.kind == signInWrite {
		g.RefreshTokenExpiry = w.response.refreshTokenExpiry
	}
	if w.response.refreshToken != "" {
		g.RefreshToken = w.response.refreshToken
	}
	if w.kind == signInWrite {
		g.lineage, g.KeyThumbprint = w.lineage, w.response.keyThumbprint
	}
	// Google may refuse a refresh token that it has just replaced: a rotation
	// undoes that. It does not undo what MarkRevoked was told.
	if w.kind == signInWrite || w.kind == rotationWrite && !g.told {
		g.State, g.Reason, g.told = Active, "", false
	}
	if g.CreatedAt.IsZero() {
		g.CreatedAt = now
	}
	if c := w.response.access; m.config.ShareAccessTokens && c != nil && g.State == Active {
		g.AccessToken, g.Expiry = c.value, time.Unix(0, c.expiry).UTC()
		return g
	}
	return withoutAccessToken(g)
}

func withoutAccessToken(g Grant) Grant {
	g.AccessToken, g.Expiry = "", time.Time{}
	return g
}

// lost returns the scopes that g has, or has lost before, and w lacks. Where it is
// not known what w has, all of them may be lost, until a refresh tells.
func (m *Manager) lost(u *user, w *write, g Grant) []string {
	if w.kind == signInWrite && m.config.AllowNarrowing {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	had := scope.Set(slices.Concat(g.Scopes, g.Lost, u.activity.displaced)...)
	return scope.Missing(w.response.scopes, had)
}

// reportLost logs the scopes that a record has lost.
func (m *Manager) reportLost(ctx context.Context, u *user, before, after Grant) {
	known := after.Scopes != nil
	if lost := scope.Missing(before.Lost, after.Lost); known && (lost != nil || before.Scopes == nil && after.Lost != nil) {
		m.event(ctx, slog.LevelWarn, "tokenstore.narrowed", u.subject, slog.Any("lost", slices.Clone(after.Lost)))
	}
}
