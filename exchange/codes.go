package exchange

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	keepSpent = 10 * time.Minute // as long as RFC 6749 section 4.1.2 lets a code live
	maxSpent  = 8192             // beyond that the oldest are forgotten
)

// codes remembers which codes are under way and which are spent, or may be, as
// hashes. RFC 6749 section 4.1.2 lets a provider revoke every token that came
// of a code when the code comes again.
type codes struct {
	mu     sync.Mutex
	flying map[codeID]struct{}
	spent  map[codeID]time.Time // since when
	order  []spentCode          // what spent holds, the oldest first
}

type codeID [16]byte

type spentCode struct {
	id codeID
	at time.Time
}

func idOf(code []byte) codeID {
	sum := sha256.Sum256(code)
	return codeID(sum[:len(codeID{})])
}

// take claims a code for one redemption, which settle ends, or refuses it.
func (c *codes) take(id codeID, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.spent[id]; ok && recent(at, now) {
		return &Error{Op: opExchange, kind: ErrInvalidGrant,
			reason: "this client has redeemed the code, or may have"}
	}
	if _, ok := c.flying[id]; ok {
		return &Error{Op: opExchange, kind: ErrInvalidGrant,
			reason: "the code is being redeemed under another redirect_uri or verifier"}
	}
	if c.flying == nil {
		c.flying, c.spent = make(map[codeID]struct{}), make(map[codeID]time.Time)
	}
	c.flying[id] = struct{}{}
	return nil
}

// settle ends what take began.
func (c *codes) settle(id codeID, spent bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flying, id)
	c.forget(now)
	if spent {
		c.spent[id] = now
		c.order = append(c.order, spentCode{id, now})
	}
}

// forget drops what is older than keepSpent, and makes room for one more.
func (c *codes) forget(now time.Time) {
	for len(c.order) > 0 {
		oldest := c.order[0]
		if len(c.order) < maxSpent && recent(oldest.at, now) {
			return
		}
		if c.spent[oldest.id].Equal(oldest.at) { // else it was spent once more, later
			delete(c.spent, oldest.id)
		}
		c.order = c.order[1:]
	}
}

// recent compares monotonic readings where now has one: setting the wall clock
// makes no code older.
func recent(at, now time.Time) bool { return now.Sub(at) < keepSpent }
