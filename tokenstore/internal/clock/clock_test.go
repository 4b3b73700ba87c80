package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/clock"
)

func TestRecently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New(nil)
		for range 3 {
			read := time.Now().UnixNano()
			for range 3 {
				if got := c.Recently(); got != read {
					t.Errorf("Recently = %d, want the reading of %d", got, read)
				}
				time.Sleep(3 * time.Millisecond)
			}
			time.Sleep(3 * time.Millisecond) // 12 ms after the reading
		}
	})
}

func TestInjectedClockIsExact(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := clock.New(func() time.Time { return now })
	for range 3 {
		if !c.Time().Equal(now) || c.UnixNano() != now.UnixNano() || c.Recently() != now.UnixNano() {
			t.Errorf("Time %v, UnixNano %d, Recently %d; want %v", c.Time(), c.UnixNano(), c.Recently(), now)
		}
		now = now.Add(time.Nanosecond)
	}
}
