// Package refused remembers refresh tokens that must not be sent again.
package refused

import (
	"crypto/sha256"
	"sync"
)

// Tokens remembers, by their hashes, refresh tokens that Google has refused,
// replaced or revoked, each with its sign-in: after another sign-in the same token
// may work again. The store says so too, in time; but a record can come back from a
// slow writer or a backup, and a token that was replaced must not be used again: a
// provider may take that for theft and revoke its successor (RFC 9700 section
// 4.14.2).
//
// The zero value is ready; it is safe for concurrent use.
type Tokens struct {
	mu      sync.Mutex
	reasons map[hash]string
	order   []hash // a ring
	next    int
}

type hash [sha256.Size]byte

const maxTokens = 4096

func hashOf(refreshToken, signIn string) hash {
	return sha256.Sum256([]byte(signIn + "\n" + refreshToken))
}

// Add remembers a token in place of the oldest one, if there are too many.
func (t *Tokens) Add(refreshToken, signIn, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := hashOf(refreshToken, signIn)
	if _, known := t.reasons[h]; known {
		return
	}
	if t.reasons == nil {
		t.reasons, t.order = make(map[hash]string), make([]hash, maxTokens)
	}
	delete(t.reasons, t.order[t.next])
	t.reasons[h], t.order[t.next] = reason, h
	t.next = (t.next + 1) % maxTokens
}

// Reason reports whether the token is remembered, and why.
func (t *Tokens) Reason(refreshToken, signIn string) (reason string, ok bool) {
	h := hashOf(refreshToken, signIn)
	t.mu.Lock()
	defer t.mu.Unlock()
	reason, ok = t.reasons[h]
	return reason, ok
}
