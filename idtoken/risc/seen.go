package risc

import (
	"context"
	"crypto/sha256"
	"sync"
)

// Seen remembers the tokens that were dealt with, by their jti, so that one that
// is delivered again is not handled again. It must be safe for concurrent use.
// A row with a unique jti in a database makes one for several instances. For how
// long Google goes on delivering a token is not known: one that was forgotten is
// handled again, which [Config.Handle] must be fit for anyway.
type Seen interface {
	// Seen reports whether Mark was called with this jti.
	Seen(ctx context.Context, jti string) (bool, error)

	// Mark remembers the jti. It may be called more than once with the same.
	Mark(ctx context.Context, jti string) error
}

// memory is a Seen of at least the last size jtis and at most twice as many, in
// two generations: when the young one is of that size, the old one is forgotten.
type memory struct {
	size int

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]struct{}
}

func newMemory(size int) *memory {
	return &memory{size: size, young: make(map[[sha256.Size]byte]struct{})}
}

func (m *memory) Seen(_ context.Context, jti string) (bool, error) {
	key := sha256.Sum256([]byte(jti))
	m.mu.Lock()
	defer m.mu.Unlock()
	_, young := m.young[key]
	_, old := m.old[key]
	return young || old, nil
}

func (m *memory) Mark(_ context.Context, jti string) error {
	key := sha256.Sum256([]byte(jti))
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= m.size {
		m.young, m.old = make(map[[sha256.Size]byte]struct{}), m.young
	}
	m.young[key] = struct{}{}
	return nil
}
