package guests

import (
	"os"
	"path/filepath"
	"testing"
)

// cacheDir returns the folder of this package in the user's cache.
func cacheDir(tb testing.TB) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	dir := filepath.Join(cache, "googlesignin-clients")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
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
