// Package detach lets work go on after the call that began it has returned.
package detach

import (
	"context"
	"sync"
)

// A Context has the values of a caller's context, but neither its cancellation
// nor its deadline. Release takes the values away: web frameworks such as Fiber
// use a request's context again for the next request, so work that outlives its
// caller must not read it.
type Context struct {
	context.Context // never ends, and has no values

	mu     sync.Mutex
	values context.Context // nil after Release
}

// From returns a Context with the values of ctx.
func From(ctx context.Context) *Context {
	return &Context{Context: context.Background(), values: ctx}
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

// Release must be called before the caller returns. The caller's context is not
// read after it.
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
