package tokenstoretest

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const (
	leaseTime = time.Hour               // longer than any test
	leaseWait = 5 * time.Second         // how long an expired lease may stay taken
	shortTime = 100 * time.Millisecond  // the ttl of a lease whose expiry a test waits for
	keptTime  = 2500 * time.Millisecond // how long a test watches a lease of leaseTime
)

// take tries to take a lease and returns its release, nil if it is held.
func take(t *testing.T, s tokenstore.Store, key tokenstore.Key, purpose string, ttl time.Duration) (release func()) {
	t.Helper()
	release, ok, err := s.(tokenstore.Leaser).Lease(t.Context(), key, purpose, ttl)
	if err != nil {
		t.Fatalf("Lease(%q, %q) = %v", key, purpose, err)
	}
	if ok != (release != nil) {
		t.Fatalf("Lease(%q, %q): ok is %t, release is there: %t", key, purpose, ok, release != nil)
	}
	return release
}

func wantTaken(t *testing.T, s tokenstore.Store, key tokenstore.Key, purpose string) (release func()) {
	t.Helper()
	release = take(t, s, key, purpose, leaseTime)
	if release == nil {
		t.Fatalf("the free lease of %q for %q is refused", key, purpose)
	}
	return release
}

func wantHeld(t *testing.T, s tokenstore.Store, what string) {
	t.Helper()
	if take(t, s, jane, "work", leaseTime) != nil {
		t.Errorf("%s: the lease is given to a second holder", what)
	}
}

// takeExpired waits for a short lease to end and takes it.
func takeExpired(t *testing.T, s tokenstore.Store) (release func()) {
	t.Helper()
	ticker := time.NewTicker(shortTime / 4)
	defer ticker.Stop()
	for deadline := time.Now().Add(leaseWait); time.Now().Before(deadline); <-ticker.C {
		if release := take(t, s, jane, "work", leaseTime); release != nil {
			return release
		}
	}
	t.Fatalf("a lease of %v is still held after %v", shortTime, leaseWait)
	return nil
}

var leaseCases = []testCase{
	{"LeaseExcludes", func(t *testing.T, s tokenstore.Store) {
		wantTaken(t, s, jane, "work")
		wantHeld(t, s, "while it is held")
		wantNone(t, s, jane) // a lease makes no grant
	}},
	{"LeaseOthers", func(t *testing.T, s tokenstore.Store) {
		wantTaken(t, s, jane, "work")
		wantTaken(t, s, jane, "other work")
		wantTaken(t, s, jane, "Work")
		wantTaken(t, s, john, "work")
		wantTaken(t, s, tokenstore.Key{ClientID: "another client", Subject: jane.Subject}, "work")
		for _, joint := range []string{"", " ", "/", ":", "|", ",", "."} { // a store that joins names confuses these
			wantTaken(t, s, tokenstore.Key{ClientID: "a" + joint + "b", Subject: "c"}, "d")
			wantTaken(t, s, tokenstore.Key{ClientID: "a", Subject: "b" + joint + "c"}, "d")
			wantTaken(t, s, tokenstore.Key{ClientID: "b", Subject: "c"}, "d"+joint+"a")
			wantTaken(t, s, tokenstore.Key{ClientID: "a" + joint + "b", Subject: "c" + joint + "d"}, "e")
			wantTaken(t, s, tokenstore.Key{ClientID: "b", Subject: "c" + joint + "d"}, "e"+joint+"a")
			wantTaken(t, s, tokenstore.Key{ClientID: "b" + joint + "c", Subject: "d"}, "e"+joint+"a")
		}
	}},
	{"LeasePurposes", func(t *testing.T, s tokenstore.Store) {
		for _, odd := range []string{"", "é/%_ '", strings.Repeat("x", 254) + "y", strings.Repeat("x", 254) + "z"} {
			wantTaken(t, s, jane, odd)
			if take(t, s, jane, odd, leaseTime) != nil {
				t.Errorf("the lease for %q is given to a second holder", odd)
			}
		}
		for _, wrong := range []string{"a\x00", "\n", "\u0085", "\xff", strings.Repeat("x", 256)} {
			if _, ok, err := s.(tokenstore.Leaser).Lease(t.Context(), jane, wrong, leaseTime); ok || err == nil {
				t.Errorf("Lease for %q = %t, %v; want an error", wrong, ok, err)
			}
		}
	}},
	{"LeaseRelease", func(t *testing.T, s tokenstore.Store) {
		release := wantTaken(t, s, jane, "work")
		release()
		release()
		wantTaken(t, s, jane, "work")
		release()
		wantHeld(t, s, "after a former holder has released once more")
	}},
	{"LeaseReleaseCanceled", func(t *testing.T, s tokenstore.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		release, ok, err := s.(tokenstore.Leaser).Lease(ctx, jane, "work", leaseTime)
		if err != nil || !ok {
			t.Fatalf("Lease = %t, %v", ok, err)
		}
		cancel() // a release works all the same
		release()
		wantTaken(t, s, jane, "work")
	}},
	{"LeaseExpires", func(t *testing.T, s tokenstore.Store) {
		late := take(t, s, jane, "work", shortTime)
		if late == nil {
			t.Fatal("a free lease is refused")
		}
		takeExpired(t, s)
		late()
		wantHeld(t, s, "after the holder before has released too late")
	}},
	{"LeaseLasts", func(t *testing.T, s tokenstore.Store) {
		wantTaken(t, s, jane, "work")
		ticker := time.NewTicker(keptTime / 4)
		defer ticker.Stop()
		for end := time.Now().Add(keptTime); time.Now().Before(end) && !t.Failed(); {
			<-ticker.C
			wantHeld(t, s, "long before it ends")
		}
	}},
	{"LeaseOneHolder", func(t *testing.T, s tokenstore.Store) {
		for round := range rounds {
			purpose := "work " + strconv.Itoa(round)
			var held atomic.Int32
			race(func(int) {
				_, ok, err := s.(tokenstore.Leaser).Lease(t.Context(), jane, purpose, leaseTime)
				if err != nil {
					t.Errorf("Lease among %d = %v", writers, err)
				}
				if ok {
					held.Add(1)
				}
			})
			if n := held.Load(); n != 1 {
				t.Fatalf("%d of %d who try at once hold the lease, want 1", n, writers)
			}
		}
	}},
	{"LeaseAndGrant", func(t *testing.T, s tokenstore.Store) {
		wantTaken(t, s, jane, "work")
		kept := save(t, s, jane, grant("1//jane")) // a lease is no lock
		if err := s.Delete(t.Context(), jane, kept.Version); err != nil {
			t.Error(err)
		}
		wantHeld(t, s, "after the grant was deleted")
	}},
	{"LeaseCanceled", func(t *testing.T, s tokenstore.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, ok, err := s.(tokenstore.Leaser).Lease(ctx, jane, "work", leaseTime)
		wantError(t, "Lease with a canceled context", err, context.Canceled)
		if ok {
			t.Error("Lease with a canceled context is given")
		}
	}},
}
