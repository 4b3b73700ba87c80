package ctxerr_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

var errShutdown = errors.New("shutting down")

func TestOf(t *testing.T) {
	tests := []struct {
		name  string
		cause error
		want  string
	}{
		{"no cause", nil, "context canceled"},
		{"a cause", errShutdown, "context canceled: shutting down"},
		{"a cause that says so", fmt.Errorf("server: %w", context.Canceled), "server: context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			if err := ctxerr.Of(ctx); err != nil {
				t.Fatalf("before its end: %v", err)
			}
			cancel(tt.cause)
			err := ctxerr.Of(ctx)
			if err.Error() != tt.want || !errors.Is(err, context.Canceled) || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("Of = %q, want %q with all of it in the chain", err, tt.want)
			}
		})
	}
}

func TestWith(t *testing.T) {
	cut := errors.New("connection cut")
	ctx, cancel := context.WithCancel(t.Context())
	if err := ctxerr.With(ctx, cut); err != cut {
		t.Errorf("before its end: %v, want the error as it is", err)
	}
	cancel()
	if err := ctxerr.With(ctx, cut); !errors.Is(err, context.Canceled) || !errors.Is(err, cut) {
		t.Errorf("With = %v, want both", err)
	}
	if err := ctxerr.With(ctx, context.Canceled); err != context.Canceled {
		t.Errorf("With = %v, want it once", err)
	}
}
