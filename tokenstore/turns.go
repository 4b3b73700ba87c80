package tokenstore

import (
	"context"
	"sync"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

// turns lets one caller at a time do something about a subject.
type turns struct {
	mu   sync.Mutex
	busy map[string]*queue
}

// queue is who has the turn, or waits for it: the channel has room for one.
type queue struct {
	turn chan struct{}
	size int
}

// take waits for the turn until ctx ends, and returns what ends it.
func (t *turns) take(ctx context.Context, subject string) (release func(), err error) {
	q := t.join(subject)
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; t.leave(subject, q) }, nil
	case <-ctx.Done():
		t.leave(subject, q)
		return nil, ctxerr.Of(ctx)
	}
}

func (t *turns) join(subject string) *queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.busy[subject]
	if q == nil {
		if t.busy == nil {
			t.busy = make(map[string]*queue)
		}
		q = &queue{turn: make(chan struct{}, 1)}
		t.busy[subject] = q
	}
	q.size++
	return q
}

func (t *turns) leave(subject string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.size--; q.size == 0 {
		delete(t.busy, subject)
	}
}
