package tokenstore

import (
	"crypto/sha256"
	"sync"
)

// dead remembers, by their hashes, refresh tokens that Google has refused for
// good, replaced or revoked, each with the sign-in it goes back to: after another
// sign-in the same token may be alive again. The store says so too, in time; but a record can come back,
// from a slow writer or a backup, and a token that was replaced must not be used
// again: a provider may take that for theft and revoke its successor
// (RFC 9700 section 4.14.2).
type dead struct {
	mu      sync.Mutex
	reasons map[[sha256.Size]byte]string
	order   [][sha256.Size]byte // a ring, once it is full
	next    int
}

const maxDead = 4096

func deadKey(refreshToken, origin string) [sha256.Size]byte {
	return sha256.Sum256([]byte(origin + "\n" + refreshToken))
}

func (d *dead) add(refreshToken, origin, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := deadKey(refreshToken, origin)
	if _, known := d.reasons[h]; known {
		return
	}
	if d.reasons == nil {
		d.reasons = make(map[[sha256.Size]byte]string)
	}
	if len(d.order) < maxDead {
		d.order = append(d.order, h)
	} else {
		delete(d.reasons, d.order[d.next])
		d.order[d.next] = h
		d.next = (d.next + 1) % maxDead
	}
	d.reasons[h] = reason
}

func (d *dead) reason(refreshToken, origin string) (reason string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	reason, ok = d.reasons[deadKey(refreshToken, origin)]
	return reason, ok
}
