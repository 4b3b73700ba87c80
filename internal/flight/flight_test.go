package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
)

func TestCallersShareOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		runs := 0
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				got, err := group.Do(t.Context(), "k", 0, func(context.Context) (int, error) {
					runs++
					time.Sleep(time.Second)
					return 7, nil
				})
				if got != 7 || err != nil {
					t.Errorf("Do = %d, %v; want 7, nil", got, err)
				}
			})
		}
		wg.Wait()
		if runs != 1 {
			t.Errorf("fn ran %d times, want once", runs)
		}
	})
}

func TestCallerLeavesFlightGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string]
		type key struct{}
		first, leave := context.WithTimeout(context.WithValue(t.Context(), key{}, "trace"), time.Second)
		defer leave()
		var began, landed any
		fn := func(ctx context.Context) (string, error) {
			began = ctx.Value(key{})
			time.Sleep(time.Minute)
			landed = ctx.Value(key{})
			return "done", ctx.Err()
		}
		if _, err := group.Do(first, "k", time.Hour, fn); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("first caller: %v, want its own deadline", err)
		}
		got, err := group.Do(t.Context(), "k", time.Hour, func(context.Context) (string, error) {
			return "a second flight", nil
		})
		if got != "done" || err != nil {
			t.Errorf("second caller: %q, %v; want the first flight's result", got, err)
		}
		if began != "trace" || landed != nil {
			t.Errorf("the flight saw the values %v and %v, want the first caller's while it waits, then none", began, landed)
		}
	})
}

func TestTimeoutEndsFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		_, err := group.Do(t.Context(), "k", time.Second, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do = %v, want the flight's deadline", err)
		}
	})
}

func TestEndedContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	hungUp := errors.New("hung up")
	cancel(hungUp)
	var group flight.Group[int]
	_, err := group.Do(ctx, "k", 0, func(context.Context) (int, error) {
		t.Error("a flight was started")
		return 0, nil
	})
	if !errors.Is(err, hungUp) || !errors.Is(err, context.Canceled) {
		t.Errorf("Do = %v, want the cancellation and its cause", err)
	}
}

func TestPanicReachesCaller(t *testing.T) {
	for _, ctx := range []context.Context{t.Context(), context.Background()} {
		func() {
			var group flight.Group[int]
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v, want boom", got)
				}
			}()
			group.Do(ctx, "k", 0, func(context.Context) (int, error) { panic("boom") })
		}()
	}
}

// t.Fatal in a user's fake transport must end in an error, not in silence.
func TestGoexitIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		exit := func(context.Context) (int, error) { time.Sleep(time.Second); runtime.Goexit(); return 7, nil }
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{context.Background(), t.Context(), t.Context()} {
			wg.Go(func() {
				if got, err := group.Do(ctx, "k", 0, exit); got != 0 || err == nil {
					t.Errorf("Do = %d, %v; want 0 and an error", got, err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if got, err := group.Do(t.Context(), "k", 0, func(context.Context) (int, error) { return 8, nil }); got != 8 || err != nil {
			t.Errorf("afterwards: %d, %v; want 8, nil", got, err)
		}
	})
}

// A caller that cannot be cancelled flies itself; others join it all the same.
func TestCallerWithoutEndFliesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		land := func(context.Context) (int, error) { time.Sleep(time.Minute); return 7, nil }
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{context.Background(), context.Background(), t.Context()} {
			wg.Go(func() {
				if got, err := group.Do(ctx, "k", 0, land); got != 7 || err != nil {
					t.Errorf("Do = %d, %v; want 7, nil", got, err)
				}
			})
			synctest.Wait()
		}
		impatient, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := group.Do(impatient, "k", 0, land); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller in a hurry: %v, want its own deadline", err)
		}
		began := time.Now()
		wg.Wait()
		if time.Since(began) > time.Minute {
			t.Error("there was more than one flight")
		}
	})
}

func TestStartIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		group.Start("k", time.Minute, func(ctx context.Context) (int, error) {
			time.Sleep(time.Second)
			return 7, ctx.Err()
		})
		synctest.Wait()
		got, err := group.Do(t.Context(), "k", 0, func(context.Context) (int, error) {
			return 8, nil
		})
		if got != 7 || err != nil {
			t.Errorf("Do = %d, %v; want the result of the flight that was started", got, err)
		}
	})
}

func TestStartSurvivesPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[int]
		group.Start("k", 0, func(context.Context) (int, error) { panic("boom") })
		synctest.Wait()
	})
}
