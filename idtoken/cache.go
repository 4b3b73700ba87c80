package idtoken

import (
	"strings"
	"sync"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

// cache remembers the claims of up to size tokens whose signature was good. When
// it is full, a new token replaces one that was not accepted since the hand last
// passed it ("second chance"), which is true of all that have expired. A hit takes
// a read lock only. A nil cache is always empty.
type cache struct {
	size int

	mu     sync.RWMutex
	places map[string]int // by the whole token
	ring   []cached       // at most size
	hand   int            // the place in ring to look at first
}

type cached struct {
	raw string
	*claims
}

func newCache(size int) *cache {
	return &cache{size: size, places: make(map[string]int)}
}

func (c *cache) get(raw string) (*claims, bool) {
	if c == nil || len(raw) > jose.MaxSize { // a megabyte takes long to hash
		return nil, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	i, ok := c.places[raw]
	if !ok {
		return nil, false
	}
	return c.ring[i].claims, true
}

// put remembers the claims, under a clone of raw: that may be part of something
// much larger.
func (c *cache) put(raw string, verified *claims) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i, ok := c.places[raw]; ok { // under another key, or by another caller
		c.ring[i].claims = verified
		return
	}
	entry := cached{strings.Clone(raw), verified}
	if len(c.ring) < c.size {
		c.places[entry.raw] = len(c.ring)
		c.ring = append(c.ring, entry)
		return
	}
	i := c.free()
	delete(c.places, c.ring[i].raw)
	c.places[entry.raw] = i
	c.ring[i] = entry
}

// free returns the place of an entry to forget. It removes the marks that it
// passes, so it finds one in the second round at the latest.
func (c *cache) free() int {
	for {
		i := c.hand
		c.hand = (c.hand + 1) % len(c.ring)
		if !c.ring[i].recent.CompareAndSwap(true, false) {
			return i
		}
	}
}
