// Package retry holds the one retry policy of this module: exponential backoff
// with jitter, Retry-After honoured, bounded by tries and by the context. What
// is worth another try is the caller's to say.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

// A Policy says how often and how long. The zero value of a field is the
// default it names.
type Policy struct {
	Initial       time.Duration // wait before the second try, ±50 %; default 1 s
	Max           time.Duration // longest wait between tries; default 32 s
	Tries         int           // all tries, the first included; default 5
	MaxRetryAfter time.Duration // a server that asks for more is not asked again; default 1 minute
}

func (p Policy) withDefaults() Policy {
	p.Initial = orDefault(p.Initial, time.Second)
	p.Max = orDefault(p.Max, 32*time.Second)
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

// Do calls op until it succeeds, until again says that its error is not worth
// another try, or until the policy is exhausted, and returns the last result.
// again may ask for a wait of its own (the server's Retry-After; zero: none),
// which the next try does not undercut.
//
// Where the deadline of ctx would pass before the next try, Do returns the
// failure at once instead of waiting for nothing. When ctx ends during a wait,
// the error wraps ctx.Err(), its cause and the last failure.
func Do[T any](ctx context.Context, p Policy, op func() (T, error), again func(error) (after time.Duration, ok bool)) (T, error) {
	p = p.withDefaults()
	s := &schedule{
		ctx:    ctx,
		policy: p,
		backoff: &backoff.ExponentialBackOff{
			InitialInterval:     p.Initial,
			MaxInterval:         p.Max,
			Multiplier:          2,
			RandomizationFactor: 0.5,
		},
	}
	var last error
	v, err := backoff.Retry(ctx, func() (T, error) {
		v, err := op()
		if last = err; err == nil {
			return v, nil
		}
		after, ok := again(err)
		if !ok {
			return v, backoff.Permanent(err)
		}
		s.after = after
		return v, err
	}, backoff.WithBackOff(s), backoff.WithMaxTries(uint(p.Tries)), backoff.WithMaxElapsedTime(0))
	if ctx.Err() != nil && last != nil && err == context.Cause(ctx) {
		return v, fmt.Errorf("%w while waiting to try again after: %w", ctxerr.Of(ctx), last)
	}
	return v, err
}

// schedule is the backoff.BackOff that also knows the server's wish and the
// caller's deadline.
type schedule struct {
	ctx     context.Context
	policy  Policy
	backoff *backoff.ExponentialBackOff
	after   time.Duration // what the last failure asked for
}

func (s *schedule) Reset() { s.backoff.Reset() }

func (s *schedule) NextBackOff() time.Duration {
	if s.after > s.policy.MaxRetryAfter {
		return backoff.Stop
	}
	next := s.backoff.NextBackOff()
	if s.after > 0 { // jitter only upwards: earlier would be refused again
		next = max(next, s.after+rand.N(s.after/10+1))
	}
	if deadline, ok := s.ctx.Deadline(); ok && time.Until(deadline) < next {
		return backoff.Stop
	}
	return next
}

// maxAfter bounds what a server can ask for: beyond it lie clocks that are wrong,
// and numbers that no caller can pass on.
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
