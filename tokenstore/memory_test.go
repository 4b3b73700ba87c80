package tokenstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	tokenstoretest.Run(t, func(*testing.T) tokenstore.Store { return new(tokenstore.Memory) })
}

func TestMemoryLeaseExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m tokenstore.Memory
		late, ok, err := m.Lease(t.Context(), janeKey, "test", time.Second)
		if !ok || err != nil {
			t.Fatalf("Lease = %v, %v", ok, err)
		}
		time.Sleep(time.Second)
		if _, ok, _ := m.Lease(t.Context(), janeKey, "test", time.Second); !ok {
			t.Error("the lease did not expire")
		}
		late()
		if _, ok, _ := m.Lease(t.Context(), janeKey, "test", time.Second); ok {
			t.Error("releasing an expired lease released the next one")
		}
	})
}
