package guests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// cacheDir returns the folder of this package in the user's cache. It skips the test
// if the user has none, as in a container without a home.
func cacheDir(tb testing.TB) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		needs.Skip(tb, err.Error())
	}
	dir := filepath.Join(cache, "googlesignin-clients")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		needs.Skip(tb, err.Error())
	}
	return dir
}

// Lock waits until no other process has the lock of that name. The tests of several
// checkouts, or with several releases of Go, may run at the same time.
func Lock(tb testing.TB, name string) (unlock func()) {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(cacheDir(tb), name+".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		tb.Fatal(err)
	}
	if err := lockFile(f); err != nil {
		tb.Fatal(err)
	}
	return func() { f.Close() }
}
