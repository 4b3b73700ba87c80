// Package flight runs one function for all callers that ask for the same key at
// the same time. No caller's cancellation ends it, and every caller waits only as
// long as its own context allows.
package flight

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/detach"
)

// A Group holds the flights that are under way. Its zero value is ready; it is
// safe for concurrent use.
type Group[T any] struct {
	group singleflight.Group
}

// Do returns the result of fn, or of the flight that is under way for key. fn
// gets a [detach.Context]: it ends after timeout (zero: never) and not with ctx,
// and it has the values of ctx until Do returns. When ctx ends first, Do returns
// an error that wraps ctx.Err() and its cause, and the flight goes on. If ctx has
// already ended, Do starts nothing.
//
// All callers get the same T: what it points to is shared; it is zero if the
// flight has no result. A panic in fn is raised again in each caller that still
// waits, where net/http can recover it, instead of ending the process. If fn
// calls runtime.Goexit, as t.Fatal does in a test's fake, callers whose ctx can
// end get an error; the others run fn themselves, and end with it.
func (g *Group[T]) Do(ctx context.Context, key string, timeout time.Duration, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, ctxerr.Of(ctx)
	}
	work := detach.From(ctx)
	defer work.Release()
	if ctx.Done() == nil { // no reason to leave early: no goroutine needed
		return g.fly(work, key, timeout, fn).unpack()
	}
	landed := g.start(work, key, timeout, fn)
	select {
	case r := <-landed:
		return r.unpack()
	case <-ctx.Done():
	}
	select { // a result that is already there is worth more than the cancellation
	case r := <-landed:
		return r.unpack()
	default:
		return zero, ctxerr.Of(ctx)
	}
}

// Start is [Group.Do] without waiting for the result. A panic in fn is lost,
// unless a caller of Do has joined the flight.
func (g *Group[T]) Start(key string, timeout time.Duration, fn func(context.Context) (T, error)) {
	g.start(context.Background(), key, timeout, fn)
}

var errExited = errors.New("runtime.Goexit was called, perhaps by t.Fatal in a fake")

// start is not singleflight's DoChan: that sends nothing after a Goexit.
func (g *Group[T]) start(ctx context.Context, key string, timeout time.Duration, fn func(context.Context) (T, error)) <-chan result[T] {
	landed := make(chan result[T], 1)
	detach.Go(func() {
		r := result[T]{err: errExited}
		defer func() { landed <- r }()
		r = g.fly(ctx, key, timeout, fn)
	})
	return landed
}

// fly runs fn unless a flight is under way for key, and returns the result. A
// Goexit in fn ends the caller of fly too.
func (g *Group[T]) fly(ctx context.Context, key string, timeout time.Duration, fn func(context.Context) (T, error)) result[T] {
	r, _, _ := g.group.Do(key, func() (any, error) {
		return run(ctx, timeout, fn), nil
	})
	return r.(result[T])
}

type result[T any] struct {
	value    T
	err      error
	panicked any
}

func run[T any](ctx context.Context, timeout time.Duration, fn func(context.Context) (T, error)) (r result[T]) {
	defer func() { r.panicked = recover() }()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	r.value, r.err = fn(ctx)
	return r
}

func (r result[T]) unpack() (T, error) {
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.value, r.err
}
