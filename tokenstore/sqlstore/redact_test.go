package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/redact/redacttest"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// dsnDB is a connector like the one that sql.Open makes: a struct with the data
// source name, which fmt reaches through the DB under %s.
type dsnDB struct {
	*fakeDB
	dsn string
}

func TestStoreShowsNoPassword(t *testing.T) {
	const password = "correct-horse"
	db := sql.OpenDB(dsnDB{new(fakeDB), "postgres://app:" + password + "@db.example.com/app"})
	defer db.Close()
	store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	if err != nil {
		t.Fatal(err)
	}
	redacttest.Check(t, store, "sqlstore.Store{[redacted]}", password)
	redacttest.Check(t, *store, "sqlstore.Store{[redacted]}", password)
}
