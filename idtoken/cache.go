package idtoken

import (
	"strings"
	"sync"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

// cache remembers the claims of tokens whose signature was good, in two
// generations: what has not been asked for during one whole generation is
// forgotten. It has no more than size entries. A nil cache is always empty.
type cache struct {
	size int

	mu         sync.Mutex
	young, old map[string]*claims // by the whole token
}

func newCache(size int) *cache {
	return &cache{size: size, young: make(map[string]*claims)}
}

func (c *cache) get(raw string) (*claims, bool) {
	if c == nil || len(raw) > jose.MaxSize { // a megabyte takes long to hash
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.young[raw]; ok {
		return found, true
	}
	found, ok := c.old[raw]
	if ok {
		c.add(raw, found)
	}
	return found, ok
}

func (c *cache) put(raw string, verified *claims) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(raw, verified)
}

// add clones raw, which may be part of something much larger.
func (c *cache) add(raw string, verified *claims) {
	half := c.size / 2
	if len(c.young) >= max(1, half) {
		c.old = nil
		if half > 0 {
			c.old = c.young
		}
		c.young = make(map[string]*claims)
	}
	c.young[strings.Clone(raw)] = verified
}
