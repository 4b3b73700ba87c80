package tokenstore

import (
	"sync/atomic"
	"time"
)

// A clock tells the time to a cache that asks it at every call.
type clock struct {
	now    func() time.Time // Config.Now; nil: the machine's
	recent atomic.Int64     // a reading that is not old yet; 0: there is none
}

// resolution is how long a reading of the clock is recent.
const resolution = 10 * time.Millisecond

func (c *clock) time() time.Time {
	if c.now != nil {
		return c.now()
	}
	return time.Now()
}

func (c *clock) unixNano() int64 { return c.time().UnixNano() }

// recently is unixNano of now or a moment ago. Reading the machine's clock would
// be a third of what it costs to hand out a cached token: so whoever finds no
// recent reading leaves his, with a timer that takes it away.
func (c *clock) recently() int64 {
	if c.now != nil {
		return c.unixNano()
	}
	if t := c.recent.Load(); t != 0 {
		return t
	}
	t := c.unixNano()
	c.recent.Store(t)
	time.AfterFunc(resolution, func() { c.recent.Store(0) })
	return t
}
