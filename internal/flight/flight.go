// Package flight runs one function for all callers that ask for the same key at
// the same time, on behalf of none of them: no caller's cancellation ends it,
// and every caller waits only as long as its own context allows.
package flight

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"
)

// A Group holds the flights that are under way. Its zero value is ready; it is
// safe for concurrent use.
type Group[T any] struct {
	group singleflight.Group
}

// Do returns the result of fn, joining a flight that is under way for key. fn
// gets a context with the values of the caller that started the flight, without
// that caller's cancellation or deadline, and with the timeout given (zero:
// none). When ctx ends first, Do returns its cause and the flight goes on. A ctx
// that has already ended starts nothing.
//
// All callers get the same T: what it points to is shared. A panic in fn is
// raised again in each caller that still waits, where net/http can recover it,
// instead of ending the process.
func (g *Group[T]) Do(ctx context.Context, key string, timeout time.Duration, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, context.Cause(ctx)
	}
	if ctx.Done() == nil { // nothing to wait for but the flight: no goroutine needed
		v, err, _ := g.group.Do(key, func() (any, error) {
			return run(ctx, timeout, fn)
		})
		return unpack[T](singleflight.Result{Val: v, Err: err})
	}
	landed := g.group.DoChan(key, func() (any, error) {
		return run(ctx, timeout, fn)
	})
	select {
	case r := <-landed:
		return unpack[T](r)
	case <-ctx.Done():
	}
	select { // a result that is already there is worth more than the cancellation
	case r := <-landed:
		return unpack[T](r)
	default:
		return zero, context.Cause(ctx)
	}
}

// Start is [Group.Do] without waiting for the result. A panic in fn is lost,
// unless a caller of Do has joined the flight.
func (g *Group[T]) Start(ctx context.Context, key string, timeout time.Duration, fn func(context.Context) (T, error)) {
	g.group.DoChan(key, func() (any, error) {
		return run(ctx, timeout, fn)
	})
}

type result[T any] struct {
	value    T
	panicked any
}

func run[T any](ctx context.Context, timeout time.Duration, fn func(context.Context) (T, error)) (r result[T], err error) {
	defer func() { r.panicked = recover() }()
	ctx = context.WithoutCancel(ctx)
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	r.value, err = fn(ctx)
	return r, err
}

func unpack[T any](r singleflight.Result) (T, error) {
	v := r.Val.(result[T])
	if v.panicked != nil {
		panic(v.panicked)
	}
	return v.value, r.Err
}
