// Package ctxerr says why a context has ended, in a way that every caller can
// ask for.
package ctxerr

import (
	"context"
	"errors"
	"fmt"
)

// Of returns an error that wraps both ctx.Err(), by which callers know a
// cancellation, and context.Cause(ctx), which says what led to it; nil while ctx
// has not ended.
func Of(ctx context.Context) error {
	return With(ctx, context.Cause(ctx))
}

// With returns err, and wraps ctx.Err() too if ctx has ended and err does not say
// so.
func With(ctx context.Context, err error) error {
	ended := ctx.Err()
	if ended == nil || errors.Is(err, ended) {
		return err
	}
	return fmt.Errorf("%w: %w", ended, err)
}
