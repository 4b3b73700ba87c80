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
		if m.has(id) {
			t.Fatalf("%s is seen before it is marked", id)
		}
		m.add(id)
		if !m.has(fmt.Sprint(max(0, n-size+1))) {
			t.Fatalf("after %d: the last %d are not remembered", n, size)
		}
		if len(m.young)+len(m.old) > 2*size {
			t.Fatalf("%d entries", len(m.young)+len(m.old))
		}
	}
	if m.has("0") {
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
				m.add(fmt.Sprint(n))
				m.has(fmt.Sprint(n))
			}
		})
	}
	wg.Wait()
}
