package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// unsaved holds, by subject, the news that a store would not take: a refresh
// token that exists nowhere else, or that one is dead.
type unsaved struct {
	mu   sync.Mutex
	news map[string]*news
}

func (u *unsaved) of(subject string) *news {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.news[subject]
}

// remember keeps n, unless there is news that goes beyond it: about what became
// of its refresh token, or of more weight. A sign-in outweighs a rotation, and
// that a refusal.
func (u *unsaved) remember(subject string, n *news) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if old := u.news[subject]; old != nil && old.beyond(n) {
		return
	}
	if u.news == nil {
		u.news = make(map[string]*news)
	}
	u.news[subject] = n
}

func (n *news) beyond(other *news) bool {
	switch {
	case n.sent != "" && n.sent == other.answer.refreshToken:
		return true
	case other.sent != "" && other.sent == n.answer.refreshToken:
		return false
	case n.kind == other.kind:
		return n.tick > other.tick
	}
	return n.kind < other.kind
}

// settled drops n, and after a sign-in what is older.
func (u *unsaved) settled(subject string, n *news) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if old := u.news[subject]; old == n || old != nil && n.kind == signedIn && old.tick < n.tick {
		delete(u.news, subject)
	}
}

func (u *unsaved) size() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.news)
}

func (u *unsaved) subjects() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.news))
}

// catchUp saves what an earlier call could not save for the user, and returns
// it; nil if there was nothing, or it is past by now. Before that is done nobody
// asks Google: the refresh token in the store is an old or a dead one. One call
// at a time does it: a second one that is slower would bring back what somebody
// has deleted since the first was done.
func (m *Manager) catchUp(ctx context.Context, key Key) (*news, error) {
	release, err := m.catchingUp.take(ctx, key.Subject)
	if err != nil {
		return nil, failed("waiting for another call about", key.Subject, err)
	}
	defer release()
	n := m.unsaved.of(key.Subject)
	if n == nil {
		return nil, nil
	}
	_, v, err := m.settle(ctx, key, n)
	if err != nil {
		return nil, n.notSaved(key.Subject, err)
	}
	if v == superseded {
		return nil, nil
	}
	return n, nil
}

// notSaved is the error of news that the store did not take. That a token is
// dead needs no store to be true, as long as it is the one that is kept.
func (n *news) notSaved(subject string, err error) error {
	if _, current := errors.AsType[unsavedError](err); current && n.kind == refused {
		return fmt.Errorf("%w: %w", needsConsent(subject, n.reason), err)
	}
	return failed("saving the "+n.kind.String()+" of", subject, err)
}

// Flush saves what the Store did not take when it came in: new refresh tokens,
// and that others are dead. Each call for a user does the same for that user, so
// Flush is for a program that is about to exit after its store has failed.
// [Stats].Unsaved tells how many there are; the error joins what still failed.
func (m *Manager) Flush(ctx context.Context) error {
	var errs []error
	for _, subject := range m.unsaved.subjects() {
		if _, err := m.catchUp(ctx, m.key(subject)); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
