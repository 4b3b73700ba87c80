package datakey

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
)

// The limits of data keys are out of reach for a test that seals.

func newKeys() *Keys {
	secret := bytes.Repeat([]byte{1}, Size)
	return &Keys{
		Create: func(context.Context) (plain, wrapped []byte, err error) { return secret, []byte{1}, nil },
		Unwrap: func(context.Context, []byte) ([]byte, error) { return secret, nil },
	}
}

func TestDataKeySealsNoMoreThan(t *testing.T) {
	k := newKeys()
	for range 2 {
		if _, err := k.Seal(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	first := k.current.Load()
	if n := first.records.Load(); n != 2 {
		t.Fatalf("2 records are counted as %d", n)
	}
	first.records.Store(1<<31 - 1)
	for i, want := range []bool{true, false} {
		if _, err := k.Seal(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		if same := k.current.Load() == first; same != want {
			t.Errorf("record 2^31+%d: under the same data key: %t, want %t", i, same, want)
		}
	}
}

func TestDataKeysAreBounded(t *testing.T) {
	k := newKeys()
	for i := range uint32(maxOpened + 100) {
		wrapped := binary.BigEndian.AppendUint32(nil, i)
		if _, err := k.unwrapped(t.Context(), wrapped); err != nil {
			t.Fatal(err)
		}
		if _, ok := k.opened[string(wrapped)]; !ok {
			t.Fatalf("data key %d is not kept", i)
		}
	}
	if n := len(k.opened); n != maxOpened {
		t.Errorf("%d data keys are kept, want %d", n, maxOpened)
	}
}

// A caller who finds the data key used up just after another has replaced it does
// not replace it once more.
func TestDataKeyIsReplacedOnce(t *testing.T) {
	replace := newKeys().replace(nil)
	first, err := replace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := replace(t.Context()); err != nil || second != first {
		t.Errorf("replaced twice, %v", err)
	}
}
