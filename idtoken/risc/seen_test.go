package risc

import (
	"fmt"
	"sync"
	"testing"
)

// TestMemory is internal: ten thousand tokens are too many to sign.
func TestMemory(t *testing.T) {
	const size = 100
	m := newMemory(size)
	for n := range 10 * size {
		id := fmt.Sprint(n)
		if seen, _ := m.Seen(t.Context(), id); seen {
			t.Fatalf("%s is seen before it is marked", id)
		}
		m.Mark(t.Context(), id)
		if seen, _ := m.Seen(t.Context(), fmt.Sprint(max(0, n-size+1))); !seen {
			t.Fatalf("after %d: the last %d are not remembered", n, size)
		}
		if len(m.young)+len(m.old) > 2*size {
			t.Fatalf("%d entries", len(m.young)+len(m.old))
		}
	}
	if seen, _ := m.Seen(t.Context(), "0"); seen {
		t.Error("the first is never forgotten")
	}
}

// TestMemoryInParallel needs the race detector.
func TestMemoryInParallel(t *testing.T) {
	m := newMemory(10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 200 {
				m.Mark(t.Context(), fmt.Sprint(n))
				m.Seen(t.Context(), fmt.Sprint(n))
			}
		})
	}
	wg.Wait()
}
