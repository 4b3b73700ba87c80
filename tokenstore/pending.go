package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// hasPending reports whether there are pending writes.
func (a *activity) hasPending() bool { return a != nil && (a.rotation != nil || a.signIns != nil) }

func savingLock(a *activity) *chan struct{} { return &a.saving }
func askingLock(a *activity) *chan struct{} { return &a.asking }

// remember makes w pending. A user has at most one pending rotation or refusal:
// while there is one, the Refresher is not asked again. A later sign-in displaces
// earlier pending ones, unless it only narrows them.
func (m *Manager) remember(u *user, w *write) {
	u.mu.Lock()
	if a := u.act(); w.kind != signInWrite {
		a.rotation = w
	} else if !slices.Contains(a.signIns, w) {
		a.signIns = append(a.signIns, w)
		slices.SortStableFunc(a.signIns, (*write).compare)
		a.signIns = slices.DeleteFunc(slices.Clone(a.signIns), func(old *write) bool {
			displaced := slices.ContainsFunc(a.signIns[slices.Index(a.signIns, old)+1:], func(later *write) bool {
				return !m.narrows(later, old.response.scopes)
			})
			if displaced {
				a.displaced = scope.Set(slices.Concat(a.displaced, old.response.scopes)...)
			}
			return displaced
		})
	}
	u.mu.Unlock()
	m.users.notePending(u)
}

// compare orders two sign-ins of this process: by Google's clock, if it says.
func (w *write) compare(other *write) int {
	if w.lineage.byGoogle && other.lineage.byGoogle && !w.lineage.at.Equal(other.lineage.at) {
		return w.lineage.at.Compare(other.lineage.at)
	}
	return w.at.Compare(other.at)
}

// settled drops w, which is in the record or has been superseded. A sign-in that
// is in the record makes everything pointless that came before it.
func (m *Manager) settled(u *user, w *write, saved bool) {
	u.mu.Lock()
	a := u.activity
	if !a.hasPending() {
		u.mu.Unlock()
		return
	}
	replaced := saved && w.kind == signInWrite
	if a.rotation == w || replaced && a.rotation != nil && a.rotation.lineage.id != w.lineage.id {
		a.rotation = nil
	}
	a.signIns = slices.DeleteFunc(a.signIns, func(old *write) bool {
		return old == w || replaced && old.compare(w) < 0
	})
	if len(a.signIns) == 0 {
		a.signIns, a.displaced = nil, nil
	}
	u.mu.Unlock()
	m.users.notePending(u)
}

// nextWrite returns the pending write that is saved first: a rotation or refusal,
// then the sign-ins in their order; nil if there is none.
func (u *user) nextWrite() *write {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch a := u.activity; {
	case a == nil:
		return nil
	case a.rotation != nil && !(a.rotation.sealed && a.signIns != nil):
		return a.rotation
	case a.signIns != nil:
		return a.signIns[0]
	}
	return nil
}

// rotationPending reports whether a rotation waits to be saved.
func (u *user) rotationPending() bool {
	w := u.nextWrite()
	return w != nil && w.kind == rotationWrite
}

// settle saves the user's pending writes. Before that is done the Refresher is not
// asked: the refresh token in the store is an old or a refused one. One call at a
// time does it: a slower second one would bring back a record that was deleted
// after the first was done.
func (m *Manager) settle(ctx context.Context, u *user) error {
	if u.nextWrite() == nil {
		return nil
	}
	unlock, err := u.lock(ctx, savingLock)
	if err != nil {
		return failedForNow("waiting for another call about", u.subject, err)
	}
	defer unlock()
	for w := u.nextWrite(); w != nil; w = u.nextWrite() {
		err := m.settleOne(ctx, u, w)
		if err != nil && !(w.sealed && u.nextWrite() != w) {
			return m.notSaved(u, w, err)
		}
	}
	return nil
}

// settleOne saves a pending write, and caches the access token that came with it.
func (m *Manager) settleOne(ctx context.Context, u *user, w *write) error {
	generation := u.currentGeneration()
	g, err := m.save(ctx, u, w, nil)
	if errors.Is(err, errSuperseded) {
		return nil
	}
	if err != nil {
		return err
	}
	if g.State != Active || g.RefreshToken != w.response.refreshToken {
		return nil // it had been saved before, and more has come of it
	}
	c := w.response.access
	if !c.usable(m.clock.unixNano()) {
		c = nil
	}
	switch {
	case w.kind == signInWrite:
		m.replaceGrant(u, generation, g, c)
	case c != nil:
		m.publish(u, generation, c, m.fingerprint(g), m.fingerprint(g))
	}
	return nil
}

// notSaved returns the error of a write that is pending. That Google refuses a
// token needs no store to be true, as long as that token is the kept one.
func (m *Manager) notSaved(u *user, w *write, err error) error {
	if _, needed := errors.AsType[saveError](err); needed && w.kind == refusalWrite {
		if u.nextWrite() == w {
			return fmt.Errorf("%w: %w", needsConsent(u.subject, w.reason), err)
		}
	}
	return failedForNow("saving the "+w.kind.String()+" of", u.subject, err)
}

// takeAlong saves the pending writes of one other user, now that the store takes
// writes again: that user may never call this process again.
func (m *Manager) takeAlong() {
	u := m.users.nextPending()
	if u == nil {
		return
	}
	m.background.run(func() {
		defer m.release(u)
		ctx, cancel := m.detached()
		defer cancel()
		_ = m.settle(ctx, u) // it stays pending, and was logged
	})
}

// flushers is how many users Flush saves at the same time.
const flushers = 16

// Flush saves what the Store did not take when it came in: new refresh tokens,
// and that others are refused. Each call for a user does the same for that user,
// and each write that succeeds does it for one other, so Flush is for a program
// that is about to exit. [Stats].Unsaved counts the users; the error joins what
// still failed.
func (m *Manager) Flush(ctx context.Context) error {
	subjects := m.users.allPending()
	errs := make([]error, len(subjects))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(flushers, len(subjects)) {
		wg.Go(func() {
			for i := range next {
				u := m.users.acquire(subjects[i])
				errs[i] = m.settle(ctx, u)
				m.release(u)
			}
		})
	}
	for i := range subjects {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

// Close waits for the refreshes and sign-ins under way and saves what is pending,
// as [Manager.Flush] does. Call it when the server has stopped, before the
// process exits: a refresh token that only this process knows is lost otherwise.
// It returns when ctx ends; the error then says what is not saved.
//
// A closed Manager goes on working: calls that come later are served, and Close
// may be called again.
func (m *Manager) Close(ctx context.Context) error {
	err := m.background.wait(ctx)
	if flushErr := m.Flush(ctx); flushErr != nil {
		return flushErr
	}
	if err != nil {
		return &unavailable{failure{"waiting for refreshes under way", err}}
	}
	return m.background.wait(ctx)
}

// background counts work that goes on when its caller has left.
type background struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0 again; nil: nobody waits
}

// run starts f in a goroutine.
func (b *background) run(f func()) {
	b.begin()
	go func() {
		defer b.end()
		f()
	}()
}

func (b *background) begin() {
	b.mu.Lock()
	b.n++
	b.mu.Unlock()
}

func (b *background) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n--; b.n == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// wait returns when no work is under way, or when ctx ends.
func (b *background) wait(ctx context.Context) error {
	b.mu.Lock()
	if b.n == 0 {
		b.mu.Unlock()
		return nil
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
