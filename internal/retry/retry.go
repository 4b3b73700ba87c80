// Package retry holds the one retry policy of this module: exponential backoff
// with jitter. It honours Retry-After and is bounded by tries, by time and by the
// context. The caller decides which errors are worth another try.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

// A Policy says how often to try, and how long. The zero value of a field is the
// default that it names.
type Policy struct {
	Initial       time.Duration // pause before the second try, ±50 %; default 1 s
	Max           time.Duration // longest pause between tries; default 32 s
	Tries         int           // number of tries, the first included; default 5, or unlimited with a Total
	MaxRetryAfter time.Duration // a server that asks for a longer pause is not asked again; default 1 minute, or Total

	// Total is the time in which tries may begin, counted from the first. If 0,
	// only Tries limits them. If negative, there is no second try.
	Total time.Duration
}

func (p Policy) withDefaults() Policy {
	p.Initial = orDefault(p.Initial, time.Second)
	p.Max = orDefault(p.Max, 32*time.Second)
	if p.Total > 0 {
		p.Tries = orDefault(p.Tries, math.MaxInt)
		p.MaxRetryAfter = orDefault(p.MaxRetryAfter, p.Total)
	}
	p.Tries = orDefault(p.Tries, 5)
	p.MaxRetryAfter = orDefault(p.MaxRetryAfter, time.Minute)
	return p
}

func orDefault[T int | time.Duration](v, d T) T {
	if v > 0 {
		return v
	}
	return d
}

// Do calls op until it succeeds, until again reports that its error is not worth
// another try, or until the policy is exhausted, and returns the last result.
// again may return the pause that the server asks for (Retry-After), or 0; Do
// waits at least that long.
//
// If the deadline of ctx would pass before the next try, Do returns the failure
// at once instead of waiting for nothing. When ctx ends during a pause, the error
// wraps ctx.Err(), its cause and the last failure.
func Do[T any](ctx context.Context, p Policy, op func() (T, error), again func(error) (after time.Duration, ok bool)) (T, error) {
	began := time.Now()
	var pauses *backoff.ExponentialBackOff // nil until there is a failure
	for try := 1; ; try++ {
		v, err := op()
		if err == nil {
			return v, nil
		}
		after, ok := again(err)
		if !ok {
			return v, err
		}
		if pauses == nil {
			p = p.withDefaults()
			pauses = p.pauses()
		}
		pause, ok := p.next(ctx, pauses, after, time.Since(began))
		if ctx.Err() == nil && (!ok || try >= p.Tries) {
			return v, err
		}
		if ended := sleep(ctx, pause); ended != nil {
			return v, fmt.Errorf("%w while waiting to try again after: %w", ended, err)
		}
	}
}

func (p Policy) pauses() *backoff.ExponentialBackOff {
	b := &backoff.ExponentialBackOff{
		InitialInterval:     p.Initial,
		MaxInterval:         p.Max,
		Multiplier:          2,
		RandomizationFactor: 0.5,
	}
	b.Reset()
	return b
}

// next returns the pause before the next try, unless there must be none. after is
// the pause that the server asks for, elapsed the time since the first try began.
func (p Policy) next(ctx context.Context, pauses backoff.BackOff, after, elapsed time.Duration) (pause time.Duration, ok bool) {
	if p.Total < 0 || after > p.MaxRetryAfter {
		return 0, false
	}
	pause = pauses.NextBackOff()
	if after > 0 { // jitter only upwards: earlier would be refused again
		pause = max(pause, after+rand.N(after/10+1))
	}
	if p.Total > 0 && elapsed+pause > p.Total {
		return 0, false
	}
	deadline, ends := ctx.Deadline()
	return pause, !ends || time.Until(deadline) >= pause
}

// sleep waits, and returns an error if ctx ends first.
func sleep(ctx context.Context, pause time.Duration) error {
	if ctx.Err() != nil {
		return ctxerr.Of(ctx)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctxerr.Of(ctx)
	}
}

// maxAfter bounds the pause that a server can ask for: a longer one comes from a
// wrong clock, or is a number that no caller can pass on.
const maxAfter = 24 * time.Hour

// After returns how long a response asks its client to wait, from Retry-After
// in either form of RFC 9110 section 10.2.3, but at most 24 hours. Absent,
// unreadable or past: zero.
func After(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	seconds, err := strconv.ParseUint(v, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(0, at.Sub(now)), maxAfter)
	}
	return 0
}
