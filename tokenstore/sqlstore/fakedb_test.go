package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// fakeDB is a database that logs its statements and responds with prepared rows.
// The examples module, which may have drivers, tests the real databases.
type fakeDB struct {
	log     []string
	respond func(query string, args []driver.NamedValue) response
}

type response struct {
	rows    [][]driver.Value
	rowsErr error // after the rows, as when the connection breaks; nil: that was all
	changed int64
	err     error
}

// open returns a Store in f.
func (f *fakeDB) open(t *testing.T, dialect sqlstore.Dialect, table string) *sqlstore.Store {
	t.Helper()
	db := sql.OpenDB(f)
	t.Cleanup(func() { db.Close() })
	store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: dialect, Table: table})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func (f *fakeDB) ask(query string, args []driver.NamedValue) response {
	f.log = append(f.log, query)
	for _, arg := range args {
		f.log = append(f.log, fmt.Sprintf("\t%d %T", arg.Ordinal, arg.Value))
	}
	if f.respond == nil {
		return response{changed: 1}
	}
	return f.respond(query, args)
}

func (f *fakeDB) Connect(context.Context) (driver.Conn, error) { return fakeConn{f}, nil }
func (f *fakeDB) Driver() driver.Driver                        { return nil }

type fakeConn struct{ db *fakeDB }

func (fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not used") }
func (fakeConn) Begin() (driver.Tx, error)           { return fakeTx{}, nil }
func (fakeConn) Close() error                        { return nil }

func (c fakeConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	a := c.db.ask(query, args)
	return driver.RowsAffected(a.changed), a.err
}

func (c fakeConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	a := c.db.ask(query, args)
	return &fakeRows{a.rows, a.rowsErr}, a.err
}

type fakeRows struct {
	rows [][]driver.Value
	err  error
}

func (r *fakeRows) Columns() []string {
	if len(r.rows) == 0 {
		return nil
	}
	return make([]string, len(r.rows[0]))
}

func (r *fakeRows) Close() error { return nil }

func (r *fakeRows) Next(dest []driver.Value) error {
	if len(r.rows) == 0 && r.err != nil {
		return r.err
	}
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

type fakeTx struct{}

func (fakeTx) Commit() error   { return nil }
func (fakeTx) Rollback() error { return nil }
