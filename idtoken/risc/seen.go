package risc

import (
	"crypto/sha256"
	"sync"
)

// memory holds at least the last size jtis and at most twice as many, in two
// generations: when the young one is of that size, the old one is forgotten.
type memory struct {
	size int

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]struct{}
}

func newMemory(size int) *memory {
	return &memory{size: size, young: make(map[[sha256.Size]byte]struct{})}
}

func (m *memory) has(jti string) bool {
	key := sha256.Sum256([]byte(jti))
	m.mu.Lock()
	defer m.mu.Unlock()
	_, young := m.young[key]
	_, old := m.old[key]
	return young || old
}

func (m *memory) add(jti string) {
	key := sha256.Sum256([]byte(jti))
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= m.size {
		m.young, m.old = make(map[[sha256.Size]byte]struct{}), m.young
	}
	m.young[key] = struct{}{}
}
