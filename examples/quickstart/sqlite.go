//go:build sqlite || windows

package main

import (
	"context"
	"database/sql"
	"net/url"
	"os"

	_ "modernc.org/sqlite"

	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

const storeName = "grants.db"

// rows is a table of grants, and the database that it is in.
type rows struct {
	*sqlstore.Store
	*sql.DB
}

// openStore opens an SQLite database so that an acknowledged refresh token
// survives a power cut: write-ahead log, and every commit on disk. Only its owner
// can read the file.
func openStore(ctx context.Context, path string) (store, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	file.Close()
	pragmas := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path)+"?"+pragmas.Encode())
	if err != nil {
		return nil, err
	}
	grants, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
	if err == nil {
		err = grants.Create(ctx)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return rows{grants, db}, nil
}
