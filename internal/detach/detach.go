// Package detach lets work go on after the call that began it has returned.
package detach

import (
	"context"
	"sync"
	"time"
)

// A Context has the values of a caller's context until Release takes them away.
// Web frameworks such as Fiber use a request's context again for the next request,
// so work that outlives its caller must not read it. net/http does such work: it
// goes on with a connection that a request has asked for when the request has ended.
type Context struct {
	context.Context // whose cancellation and deadline it has

	mu     sync.Mutex
	values context.Context // nil after Release
}

// From returns a Context with the values of ctx, which never ends.
func From(ctx context.Context) *Context {
	return &Context{Context: context.Background(), values: ctx}
}

// With returns a Context with the values of ctx, which ends with ctx.
func With(ctx context.Context) *Context { return &Context{Context: ctx, values: ctx} }

// WithTimeout is [With] for a Context that also ends after timeout. The caller must
// call cancel, too, before it returns.
func WithTimeout(ctx context.Context, timeout time.Duration) (c *Context, cancel context.CancelFunc) {
	timed, cancel := context.WithTimeout(ctx, timeout)
	return With(timed), cancel
}

// Value returns the value of the caller's context, or nil after Release.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		return nil
	}
	return c.values.Value(key)
}

// Release must be called before the caller returns. No value of the caller's context
// is read after it.
func (c *Context) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values = nil
}

// Go runs fn on a new goroutine whose stack is large enough for an HTTP request
// from the start. Otherwise the stack grows in steps, deep in the request, and each
// step copies it: that takes longer than a request in memory.
func Go(fn func()) {
	go func() {
		makeRoom()
		fn()
	}()
}

//go:noinline
func makeRoom() byte {
	var room [12 << 10]byte
	return room[anywhere]
}

var anywhere int // a variable, so that room is on the stack
