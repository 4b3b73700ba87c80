package tokenstore

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// cached is an access token in memory. It never changes once it can be seen.
type cached struct {
	subject, access, kind string
	expires               time.Time
	refreshAt, expiry     int64 // nanoseconds since 1970; expiry is expires
}

// token returns a copy for the caller to keep.
func (c *cached) token() *oauth2.Token {
	return &oauth2.Token{AccessToken: c.access, TokenType: c.kind, Expiry: c.expires}
}

// fresh means that it can be handed out as it is, alive that it can if there is
// no better one. One that Google has refused is neither: it only stays, so that
// it is not taken from the store again.
func (c *cached) fresh(now int64) bool { return c != nil && now < c.refreshAt }
func (c *cached) alive(now int64) bool {
	return c.fresh(now) || c != nil && c.refreshAt > 0 && now < c.expiry
}

func (c *cached) refused() *cached {
	r := *c
	r.refreshAt = 0
	return &r
}

// due is c, to be replaced at the next call, and good until that succeeds.
func (c *cached) due() *cached {
	if c.refreshAt == 0 {
		return c
	}
	d := *c
	d.refreshAt = 1
	return &d
}

// cache holds the access tokens by subject. Reading takes no lock and writes
// nothing, so that any number of cores can share one subject.
//
// It is a hash table rather than a sync.Map for what it costs to hold a million
// tokens (about 120 bytes each) and for the eviction: every put looks at a few
// slots on its own shard, so no call ever pays for all that has expired.
type cache struct {
	shards [numShards]shard
}

type shard struct {
	slots atomic.Pointer[[]slot] // open addressing; its length is a power of two

	mu     sync.Mutex // for everything but reading slots
	used   int        // slots that are not nil
	live   int        // slots with a token
	hand   int        // the slot that the eviction looks at next
	visits map[string]*visits

	_ [64]byte // keeps the next shard off this one's cache line
}

type slot = atomic.Pointer[cached]

// vacated stands in a slot whose token has gone: a search goes on behind it.
var vacated = new(cached)

const (
	numShards   = 256
	minSlots    = 8
	evictPerPut = 64 // slots looked at
)

func (c *cache) shard(subject string) (*shard, uint64) {
	h := maphash.String(hashSeed, subject)
	return &c.shards[h%numShards], h / numShards
}

// get returns what is cached for subject, expired or not; nil if nothing is.
func (c *cache) get(subject string) *cached {
	s, hash := c.shard(subject)
	slots := s.slots.Load()
	if slots == nil {
		return nil
	}
	_, e := find(*slots, hash, subject)
	return e
}

func (c *cache) size() (n int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.live
		s.mu.Unlock()
	}
	return n
}

// find returns the slot of subject and what is in it, or the free slot where it
// would go and nil. At least half of the slots are free, so it ends soon.
func find(slots []slot, hash uint64, subject string) (*slot, *cached) {
	mask := uint64(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		if e := slots[i].Load(); e == nil || e.subject == subject {
			return &slots[i], e
		}
	}
}

// set caches e for subject; nil: nothing. The caller holds s.mu.
func (s *shard) set(hash uint64, subject string, e *cached, now int64) {
	if e == nil {
		s.remove(hash, subject)
	} else {
		s.put(hash, e, now)
	}
}

func (s *shard) put(hash uint64, e *cached, now int64) {
	slots := s.slots.Load()
	if slots == nil || s.used >= len(*slots)/2 {
		slots = s.rebuild(now)
	}
	at, old := find(*slots, hash, e.subject)
	if old == nil {
		s.used++
		s.live++
	}
	at.Store(e)
	s.evict(*slots, now)
}

func (s *shard) remove(hash uint64, subject string) {
	slots := s.slots.Load()
	if slots == nil {
		return
	}
	if at, e := find(*slots, hash, subject); e != nil {
		at.Store(vacated)
		s.live--
	}
}

// evict vacates expired slots, a few at a time.
func (s *shard) evict(slots []slot, now int64) {
	for range min(evictPerPut, len(slots)) {
		s.hand = (s.hand + 1) % len(slots)
		if e := slots[s.hand].Load(); e != nil && e != vacated && e.expiry <= now {
			slots[s.hand].Store(vacated)
			s.live--
		}
		if s.hand == 0 && len(slots) > minSlots && s.live < len(slots)/8 {
			s.rebuild(now)
			return
		}
	}
}

// rebuild makes a table of the right size out of what is worth keeping. Readers
// go on with the old one meanwhile.
func (s *shard) rebuild(now int64) *[]slot {
	var keep []*cached
	if old := s.slots.Load(); old != nil {
		keep = make([]*cached, 0, s.live)
		for i := range *old {
			if e := (*old)[i].Load(); e != nil && e != vacated && e.expiry > now {
				keep = append(keep, e)
			}
		}
	}
	size := minSlots
	for size < 3*(len(keep)+1) {
		size *= 2
	}
	slots := make([]slot, size)
	for _, e := range keep {
		at, _ := find(slots, maphash.String(hashSeed, e.subject)/numShards, e.subject)
		at.Store(e)
	}
	s.used, s.live, s.hand = len(keep), len(keep), 0
	s.slots.Store(&slots)
	return &slots
}
