package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// hasPending reports whether there are pending writes.
func (a *activity) hasPending() bool { return a.rotation != nil || a.signIns != nil }

// remember makes w pending, and notes whether that is because the record cannot be
// unsealed. A user has at most one pending rotation or refusal: while there is one,
// the Refresher is not asked again. A later sign-in displaces earlier pending ones,
// unless it only narrows them.
func (m *Manager) remember(u *user, w *write, sealed bool) {
	u.mu.Lock()
	w.sealed = sealed
	if a := u.activity; w.kind != signInWrite {
		a.rotation = w
	} else if !slices.Contains(a.signIns, w) {
		all := append(slices.Clone(a.signIns), w)
		slices.SortStableFunc(all, (*write).compare)
		a.signIns = nil
		for i, old := range all {
			displaces := func(later *write) bool { return !m.narrows(later, old.response.scopes) }
			if slices.ContainsFunc(all[i+1:], displaces) {
				a.displaced = slices.Concat(a.displaced, old.response.scopes)
			} else {
				a.signIns = append(a.signIns, old)
			}
		}
	}
	u.mu.Unlock()
	m.users.notePending(u)
}

// rememberUnless is for a deferred call, and makes w pending unless *done: a Store has
// panicked, which net/http recovers, and the process goes on.
func (m *Manager) rememberUnless(done *bool, u *user, w *write) {
	if !*done {
		w.late = true
		m.remember(u, w, false)
	}
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
// then the sign-ins in their order; nil if there is none. A sign-in goes before
// one whose record cannot be unsealed.
func (u *user) nextWrite() *write {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.activity
	if a.signIns != nil && (a.rotation == nil || a.rotation.sealed) {
		return a.signIns[0]
	}
	return a.rotation
}

// rotationPending reports whether a rotation waits to be saved.
func (u *user) rotationPending() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	w := u.activity.rotation
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
	unlock, err := lock(ctx, u.activity.saving)
	if err != nil {
		return failedForNow("waiting for another call about", u.subject, err)
	}
	defer unlock()
	u.mu.Lock()
	if w := u.activity.rotation; w != nil {
		w.sealed = false // unless that shows again
	}
	u.mu.Unlock()
	for w := u.nextWrite(); w != nil; w = u.nextWrite() {
		err := m.settleOne(ctx, u, w)
		if err != nil && !(w.sealed && u.nextWrite() != w) {
			return m.notSaved(u, w, err)
		}
	}
	return nil
}

// settleOne saves a pending write, and caches the access token that came with it. A
// refusal ends the cached one.
func (m *Manager) settleOne(ctx context.Context, u *user, w *write) error {
	generation := u.generation.Load()
	g, err := m.save(ctx, u, w, nil)
	if errors.Is(err, errSuperseded) {
		return nil
	}
	if err != nil {
		return err
	}
	if g.State != Active {
		if u.generation.Load() == generation {
			m.forget(u)
		}
		return nil
	}
	if g.RefreshToken != w.response.refreshToken {
		return nil // it had been saved before, and more has come of it
	}
	c := w.response.access
	if !c.usable(m.clock.UnixNano()) {
		c = nil
	}
	if w.kind == signInWrite {
		m.replaceGrant(u, generation, g, c)
	} else if c != nil {
		m.publish(u, generation, c, g, g)
	}
	return nil
}

// notSaved returns the error of a write that is pending. That Google refuses a
// token needs no store to be true, as long as that token is the kept one.
func (m *Manager) notSaved(u *user, w *write, err error) error {
	if _, needed := errors.AsType[saveError](err); needed && w.kind == refusalWrite && u.nextWrite() == w {
		return fmt.Errorf("%w: %w", needsConsent(u.subject, w.reason), err)
	}
	return failedForNow("saving the "+string(w.kind)+" of", u.subject, err)
}

// takeAlong saves the pending writes of the user who has waited longest, now that the
// store takes writes again: that user may never call this process again.
func (m *Manager) takeAlong() {
	u := m.users.nextPending()
	if u == nil {
		return
	}
	defer m.release(u)
	if len(u.activity.saving) > 0 {
		return // another call does it; waiting for that, one for each Save would pile up
	}
	m.inBackground(u, func() {
		ctx, cancel := m.detached()
		defer cancel()
		_ = m.settle(ctx, u) // what fails stays pending, and was logged
	})
}

const flushers = 16 // how many users Flush saves at the same time

// Flush saves what the Store did not take when it came in: new refresh tokens,
// and that others are refused. Each call for a user does the same for that user,
// and each write that succeeds does it for one more. [Stats].Unsaved counts the
// users; the error joins what still failed.
func (m *Manager) Flush(ctx context.Context) error {
	pending := m.users.allPending()
	errs := make([]error, len(pending))
	running := make(chan struct{}, flushers)
	var wg sync.WaitGroup
	for i, u := range pending {
		running <- struct{}{}
		wg.Go(func() {
			defer func() { m.release(u); <-running }()
			errs[i] = m.settle(ctx, u)
		})
	}
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
	err := m.background.Wait(ctx)
	if flushErr := m.Flush(ctx); flushErr != nil {
		return flushErr
	}
	if err == nil {
		err = m.background.Wait(ctx) // for what the Saves have taken along
	}
	if err != nil {
		return &unavailable{failure{"waiting for refreshes under way", err}}
	}
	return nil
}

// inBackground runs f, which is about u, in a goroutine. A Store or a Leaser that
// panics there does not end the process, which may have what no other has.
func (m *Manager) inBackground(u *user, f func()) {
	m.users.acquire(u.subject)
	end := m.background.Begin()
	go func() {
		defer end()
		defer m.release(u)
		defer func() { _ = recover() }()
		f()
	}()
}
