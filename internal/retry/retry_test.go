package retry_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

var (
	errBusy  = errors.New("busy")
	errFinal = errors.New("final")
)

// run calls Do in a bubble of fake time with an operation that fails n times,
// and tells what it took.
func run(t *testing.T, ctx context.Context, p retry.Policy, n int, after time.Duration) (calls int, took time.Duration, err error) {
	t.Helper()
	start := time.Now()
	_, err = retry.Do(ctx, p, func() (string, error) {
		if calls++; calls <= n {
			return "", errBusy
		}
		return "ok", nil
	}, func(error) (time.Duration, bool) { return after, true })
	return calls, time.Since(start), err
}

func TestDo(t *testing.T) {
	tests := []struct {
		name      string
		policy    retry.Policy
		failures  int
		after     time.Duration
		wantCalls int // -1: any number
		wantErr   error
		min, max  time.Duration
	}{
		{name: "first try", wantCalls: 1},
		{name: "two failures", failures: 2, wantCalls: 3, min: 1500 * time.Millisecond, max: 4500 * time.Millisecond},
		{name: "tries exhausted", failures: 9, wantCalls: 5, wantErr: errBusy, min: 7 * time.Second, max: 23 * time.Second},
		{name: "wait is capped", policy: retry.Policy{Max: time.Second, Tries: 10}, failures: 9, wantCalls: 10, min: 4 * time.Second, max: 14 * time.Second},
		{name: "server's wish", failures: 1, after: 20 * time.Second, wantCalls: 2, min: 20 * time.Second, max: 22 * time.Second},
		{name: "total", policy: retry.Policy{Total: 10 * time.Minute}, failures: 99, wantCalls: -1, wantErr: errBusy, min: 8 * time.Minute, max: 10 * time.Minute},
		{name: "total and first pause", policy: retry.Policy{Initial: 10 * time.Millisecond, Total: time.Second}, failures: 99, wantCalls: -1, wantErr: errBusy, min: 200 * time.Millisecond, max: time.Second},
		{name: "no retries", policy: retry.Policy{Total: -1}, failures: 1, wantCalls: 1, wantErr: errBusy},
		{name: "server's wish within the total", policy: retry.Policy{Total: time.Hour}, failures: 1, after: 30 * time.Minute, wantCalls: 2, min: 30 * time.Minute, max: 33 * time.Minute},
		{name: "server's wish beyond the total", policy: retry.Policy{Total: 10 * time.Second}, failures: 1, after: 11 * time.Second, wantCalls: 1, wantErr: errBusy},
		{name: "server wishes too much", failures: 1, after: time.Hour, wantCalls: 1, wantErr: errBusy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, took, err := run(t, t.Context(), tt.policy, tt.failures, tt.after)
				if tt.wantCalls >= 0 && calls != tt.wantCalls || !errors.Is(err, tt.wantErr) {
					t.Errorf("%d calls, %v; want %d, %v", calls, err, tt.wantCalls, tt.wantErr)
				}
				if took < tt.min || took > tt.max {
					t.Errorf("took %v, want %v to %v", took, tt.min, tt.max)
				}
			})
		})
	}
}

func TestDoStopsAtFinalError(t *testing.T) {
	calls := 0
	_, err := retry.Do(t.Context(), retry.Policy{}, func() (int, error) {
		calls++
		return 0, errFinal
	}, func(err error) (time.Duration, bool) { return 0, !errors.Is(err, errFinal) })
	if calls != 1 || err != errFinal {
		t.Errorf("%d calls, %v; want one, and the error as it is", calls, err)
	}
}

func TestDoNeverWaitsPastDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		calls, took, err := run(t, ctx, retry.Policy{}, 9, 30*time.Second)
		if calls != 1 || took != 0 || !errors.Is(err, errBusy) {
			t.Errorf("%d calls in %v, %v; want one call at once and its failure", calls, took, err)
		}
	})
}

func TestDoEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		shutdown := errors.New("shutting down")
		time.AfterFunc(time.Second/4, func() { cancel(shutdown) })
		calls, _, err := run(t, ctx, retry.Policy{}, 9, 0)
		for _, want := range []error{context.Canceled, shutdown, errBusy} {
			if calls != 1 || !errors.Is(err, want) {
				t.Errorf("%d calls, %v; want one, and %q in the error", calls, err, want)
			}
		}
	})
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, value string
		want        time.Duration
	}{
		{"absent", "", 0},
		{"seconds", "120", 2 * time.Minute},
		{"date", "Tue, 24 Nov 2026 12:00:30 GMT", 30 * time.Second},
		{"past date", "Tue, 24 Nov 2026 11:00:00 GMT", 0},
		{"negative", "-5", 0},
		{"fraction", "1.5", 0},
		{"a day", "86400", 24 * time.Hour},
		{"longer", "86401", 24 * time.Hour},
		{"overflow", "99999999999999999999", 24 * time.Hour},
		{"the end of all dates", "Fri, 31 Dec 9999 23:59:59 GMT", 24 * time.Hour},
		{"words", "soon", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			h.Set("Retry-After", tt.value)
			if got := retry.After(h, now); got != tt.want {
				t.Errorf("After(%q) = %v, want %v", tt.value, got, tt.want)
			}
		})
	}
}
