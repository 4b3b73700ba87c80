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

// A Memory keeps keys and purposes, which may be in memory that is used again.
func TestMemoryCopiesKeys(t *testing.T) {
	var m tokenstore.Memory
	lend(jane, func(subject string) {
		key := tokenstore.Key{ClientID: client, Subject: subject}
		save(t, &m, key, tokenstore.Grant{RefreshToken: "1//refresh"})
		lend("test", func(purpose string) {
			if _, ok, err := m.Lease(t.Context(), key, purpose, time.Hour); !ok || err != nil {
				t.Errorf("Lease = %v, %v", ok, err)
			}
		})
	})
	load(t, &m, janeKey)
	if _, ok, err := m.Lease(t.Context(), janeKey, "test", time.Hour); ok || err != nil {
		t.Errorf("Lease, while it is held = %v, %v", ok, err)
	}
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
