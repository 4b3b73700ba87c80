package tokenstore

import (
	"encoding/binary"
	"testing"
)

// The limits of data keys are out of reach for a test that seals.

func TestDataKeySealsNoMoreThan(t *testing.T) {
	k, err := NewKeyring(append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := k.Seal(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	first := k.keys.current.Load()
	if n := first.records.Load(); n != 2 {
		t.Fatalf("2 records are counted as %d", n)
	}
	first.records.Store(1<<31 - 1)
	for i, want := range []bool{true, false} {
		if _, err := k.Seal(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		if same := k.keys.current.Load() == first; same != want {
			t.Errorf("record 2^31+%d: under the same data key: %t, want %t", i, same, want)
		}
	}
}

func TestDataKeysAreBounded(t *testing.T) {
	k, err := NewKeyring(append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint32(maxOpened + 100) {
		wrapped := append(k.primary[:], make([]byte, saltSize)...)
		binary.BigEndian.PutUint32(wrapped[keyIDSize:], i)
		if _, err := k.keys.unwrapped(t.Context(), wrapped); err != nil {
			t.Fatal(err)
		}
		if _, ok := k.keys.opened[string(wrapped)]; !ok {
			t.Fatalf("data key %d is not kept", i)
		}
	}
	if n := len(k.keys.opened); n != maxOpened {
		t.Errorf("%d data keys are kept, want %d", n, maxOpened)
	}
}

// A caller who finds the data key used up just after another has replaced it does
// not replace it once more.
func TestDataKeyIsReplacedOnce(t *testing.T) {
	k, err := NewKeyring(append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	replace := k.keys.replace(nil)
	first, err := replace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := replace(t.Context()); err != nil || second != first {
		t.Errorf("replaced twice, %v", err)
	}
}
