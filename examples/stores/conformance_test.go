package stores_test

import (
	"path/filepath"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func sqlite(t *testing.T, path string) tokenstore.Store {
	t.Helper()
	store, db, err := stores.SQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return store
}

func TestSQLite(t *testing.T) {
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		return sqlite(t, filepath.Join(t.TempDir(), "grants.db"))
	})
}

func TestSQLiteReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return sqlite(t, path) })
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
