//go:build unix

package stores_test

import (
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

// tables returns a function that opens stores in one database, each in tables
// of its own.
func tables(t *testing.T, driver, dsn string, dialect sqlstore.Dialect) func(*testing.T) tokenstore.Store {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return func(t *testing.T) tokenstore.Store {
		return table(t, db, dialect, fmt.Sprintf("Grants_%d", tableNumber.Add(1)))
	}
}

var tableNumber atomic.Int32

func table(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, name string) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: dialect, Table: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestPostgreSQL(t *testing.T) {
	server := servers.PostgreSQL(t)
	for name, settings := range map[string]string{
		"Extended": "",
		"Simple":   "&default_query_exec_mode=simple_protocol", // as through PgBouncer
	} {
		t.Run(name, func(t *testing.T) {
			tokenstoretest.Run(t, tables(t, "pgx", server.DSN+settings, sqlstore.PostgreSQL))
		})
	}
	t.Run("Reopen", func(t *testing.T) {
		reopenTable(t, "pgx", server.DSN, sqlstore.PostgreSQL)
	})
}

func TestMariaDB(t *testing.T) {
	server := servers.MariaDB(t)
	for name, settings := range map[string]string{
		"ChangedRows": "",
		"FoundRows":   "?clientFoundRows=true",
		"Text":        "?interpolateParams=true&parseTime=true&loc=America%2FSt_Johns",
	} {
		t.Run(name, func(t *testing.T) {
			tokenstoretest.Run(t, tables(t, "mysql", server.DSN+settings, sqlstore.MySQL))
		})
	}
	t.Run("Reopen", func(t *testing.T) {
		reopenTable(t, "mysql", server.DSN, sqlstore.MySQL)
	})
}

func reopenTable(t *testing.T, driver, dsn string, dialect sqlstore.Dialect) {
	tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return table(t, db, dialect, "reopened")
	})
}
