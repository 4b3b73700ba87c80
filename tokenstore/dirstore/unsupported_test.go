//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package dirstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

// TestUnsupported checks that Open fails clearly, and before it changes anything.
func TestUnsupported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	if _, err := dirstore.Open(path); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Open = %v, want ErrUnsupported", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Open, Stat = %v, want that nothing is there", err)
	}
}
