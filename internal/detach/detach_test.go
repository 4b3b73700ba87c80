package detach_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

type key struct{}

// A framework's context is not read after Release, though its end still counts.
func TestWith(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	ctx := detach.With(context.WithValue(parent, key{}, "trace"))
	if got := ctx.Value(key{}); got != "trace" {
		t.Errorf("Value = %v, want the caller's", got)
	}
	ctx.Release()
	cancel()
	if got := ctx.Value(key{}); got != nil || ctx.Err() == nil {
		t.Errorf("after Release: Value = %v, Err = %v", got, ctx.Err())
	}
}

func TestWithTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancelCause(t.Context())
		ctx, cancelTimed := detach.WithTimeout(context.WithValue(parent, key{}, "trace"), time.Minute)
		if got := ctx.Value(key{}); got != "trace" {
			t.Errorf("Value = %v, want the caller's", got)
		}
		child, cancelChild := context.WithCancel(ctx)
		defer cancelChild()
		cause := errors.New("gone")
		cancel(cause)
		<-child.Done()
		if ctx.Err() != context.Canceled || context.Cause(ctx) != cause {
			t.Errorf("%v, %v after the caller's context has ended", ctx.Err(), context.Cause(ctx))
		}
		ctx.Release()
		cancelTimed()
		if got := ctx.Value(key{}); got != nil {
			t.Errorf("Value = %v after Release, want nil", got)
		}

		ctx, cancelTimed = detach.WithTimeout(t.Context(), time.Minute)
		time.Sleep(time.Minute)
		synctest.Wait()
		if ctx.Err() != context.DeadlineExceeded {
			t.Errorf("%v after the timeout", ctx.Err())
		}
		cancelTimed()
	})
}
