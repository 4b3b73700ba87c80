//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package dirstore_test

import (
	"testing"
	"time"
)

// TestBrokenLease checks that the part of a lease that a process wrote before it
// died locks nobody out.
func TestBrokenLease(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	if _, ok, err := s.Lease(t.Context(), jane, "work", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	name := files(t, path)[0]
	write(t, name, []byte("\x7f\x00\x00\x00"))
	if _, ok, err := s.Lease(t.Context(), jane, "work", time.Hour); !ok || err != nil {
		t.Errorf("Lease over a broken file = %v, %v", ok, err)
	}
	if _, ok, err := s.Lease(t.Context(), jane, "work", time.Hour); ok || err != nil {
		t.Errorf("Lease of a held one = %v, %v", ok, err)
	}
}
