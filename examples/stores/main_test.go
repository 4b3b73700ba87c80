//go:build unix

package stores_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func TestMain(m *testing.M) {
	// The tests wait for servers, disks and leases most of the time.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	needs.Main(m)
}

// conform checks a store, and the store with its tokens sealed, at the same time.
func conform(t *testing.T, open func(t *testing.T) tokenstore.Store) {
	t.Run("Plain", func(t *testing.T) {
		t.Parallel()
		tokenstoretest.Run(t, open)
	})
	t.Run("Sealed", func(t *testing.T) {
		t.Parallel()
		tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store { return seal(t, open(t)) })
	})
}

func seal(t testing.TB, store tokenstore.Store) *tokenstore.Sealed {
	t.Helper()
	keyring, err := tokenstore.NewKeyring([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return &tokenstore.Sealed{Store: store, Sealer: keyring}
}

var number atomic.Int32

// unique returns a name that no other test has.
func unique(name string) string { return fmt.Sprintf("%s_%d", name, number.Add(1)) }

func openDir(t testing.TB, path string) tokenstore.Store {
	t.Helper()
	store, err := dirstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestSealedDir checks a directory with its tokens sealed; package dirstore
// checks one without.
func TestSealedDir(t *testing.T) {
	t.Parallel()
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store { return seal(t, openDir(t, t.TempDir())) })
	t.Run("Reopen", func(t *testing.T) {
		path := t.TempDir()
		tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return seal(t, openDir(t, path)) })
	})
}

func openSQLite(t testing.TB, path string) tokenstore.Store {
	t.Helper()
	store, db, err := stores.SQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	keepConnections(db)
	return store
}

// TestSQLite is not parallel to tests of other stores: SQLite gives no writer its
// turn, and many on a busy disk may wait for longer than busy_timeout.
func TestSQLite(t *testing.T) {
	conform(t, func(t *testing.T) tokenstore.Store {
		return openSQLite(t, filepath.Join(t.TempDir(), "grants.db"))
	})
	t.Run("Reopen", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "grants.db")
		tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return openSQLite(t, path) })
	})
}

// TestSQLiteModes checks that nobody else can read the files that SQLite has
// while it is open.
func TestSQLiteModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	if _, err := openSQLite(t, path).Save(t.Context(), user("jane"), tokenstore.Grant{RefreshToken: "1//jane"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode())
		}
	}
}

// TestSQLiteDurability checks the settings on two connections at once: a pragma
// that reaches only the first would lose what is written on the second.
func TestSQLiteDurability(t *testing.T) {
	_, db, err := stores.SQLite(t.Context(), filepath.Join(t.TempDir(), "it's 100% my folder?.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 2 {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
			}
		}
	}
}
