// Package stores opens the databases in which grants can be kept, each as it
// should be opened, and its tests run everything that package tokenstore
// promises against the real ones.
package stores

import (
	"context"
	"database/sql"
	"net/url"

	_ "modernc.org/sqlite"

	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// SQLite opens the database file at path, and creates file and tables if need
// be. A refresh token that it has acknowledged survives a power cut:
// write-ahead log, and every commit on disk (synchronous=FULL). Connections,
// also those of other processes, wait for each other up to 10 s (busy_timeout).
func SQLite(ctx context.Context, path string) (*sqlstore.Store, *sql.DB, error) {
	settings := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)"}}
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path)+"?"+settings.Encode())
	if err != nil {
		return nil, nil, err
	}
	return open(ctx, db, sqlstore.SQLite)
}

// open creates the tables; where it fails, it closes db.
func open(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect) (*sqlstore.Store, *sql.DB, error) {
	store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: dialect})
	if err == nil {
		err = store.Create(ctx)
	}
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return store, db, nil
}
