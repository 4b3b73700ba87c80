package tokenstore

import (
	"sync/atomic"
	"time"
)

// A clock tells the time to a cache that asks it at every call. Reading the
// monotonic clock costs half of reading both, but it stands still while the
// machine sleeps: so it is set by the wall clock once a second.
type clock struct {
	now     func() time.Time // Config.Now; nil: the machine's
	start   time.Time
	offset  atomic.Int64 // what to add to the nanoseconds since start
	checked atomic.Int64 // when that was found, in nanoseconds since start
}

func newClock(now func() time.Time) *clock {
	c := &clock{now: now, start: time.Now()}
	c.offset.Store(c.start.UnixNano())
	return c
}

func (c *clock) time() time.Time {
	if c.now != nil {
		return c.now()
	}
	return time.Now()
}

// unixNano is c.time().UnixNano(), at most a second late after a step of the
// wall clock.
func (c *clock) unixNano() int64 {
	if c.now != nil {
		return c.now().UnixNano()
	}
	elapsed := int64(time.Since(c.start))
	if elapsed-c.checked.Load() > int64(time.Second) {
		c.offset.Store(time.Now().UnixNano() - elapsed)
		c.checked.Store(elapsed)
	}
	return elapsed + c.offset.Load()
}
