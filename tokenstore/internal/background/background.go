// Package background counts and runs work that goes on when its caller leaves.
package background

import (
	"context"
	"errors"
	"sync"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

// Work counts the work under way. The zero value is ready; it is safe for
// concurrent use.
type Work struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0 again
}

// Begin counts a piece of work until end is called.
func (w *Work) Begin() (end func()) {
	w.add(1)
	return func() { w.add(-1) }
}

func (w *Work) add(d int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n == 0 {
		w.idle = make(chan struct{})
	}
	if w.n += d; w.n == 0 {
		close(w.idle)
	}
}

// Wait returns nil when no work is under way, or why ctx has ended.
func (w *Work) Wait(ctx context.Context) error {
	w.mu.Lock()
	n, idle := w.n, w.idle
	w.mu.Unlock()
	if n == 0 {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctxerr.Of(ctx)
	}
}

// A Task is work whose result callers may wait for.
type Task struct {
	done     chan struct{}
	err      error
	panicked any
}

var errExited = errors.New("runtime.Goexit was called, perhaps by t.Fatal in a fake")

// NewTask returns a Task that has not run.
func NewTask() Task { return Task{done: make(chan struct{}), err: errExited} }

// Run runs f, and takes its panic.
func (t *Task) Run(f func() error) {
	defer func() {
		t.panicked = recover()
		close(t.done)
	}()
	t.err = f()
}

// Done is closed when the task has run.
func (t *Task) Done() <-chan struct{} { return t.done }

// Result returns the error of a task that has run. It raises its panic again, in
// each caller that waits, where net/http can recover it.
func (t *Task) Result() error {
	if t.panicked != nil {
		panic(t.panicked)
	}
	return t.err
}
