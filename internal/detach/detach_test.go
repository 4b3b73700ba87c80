package detach_test

import (
	"context"
	"sync"
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/detach"
)

// recycled is a context of a framework that uses it again: reading it races with
// whatever the next request writes.
type recycled struct {
	context.Context
	value string
}

func (r *recycled) Value(any) any { return r.value }

func TestContext(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	caller := &recycled{parent, "trace"}
	ctx := detach.From(caller)
	cancel()
	if ctx.Err() != nil || ctx.Done() != nil {
		t.Error("it ends with the caller's context")
	}
	if _, ok := ctx.Deadline(); ok {
		t.Error("it has a deadline")
	}
	if got := ctx.Value("k"); got != "trace" {
		t.Errorf("Value = %v before Release, want the caller's", got)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 1000 {
				ctx.Value("k")
			}
		})
	}
	ctx.Release()
	caller.value = "next request" // the race detector sees a reader that is late
	if got := ctx.Value("k"); got != nil {
		t.Errorf("Value = %v after Release, want nil", got)
	}
	readers.Wait()
}
