// Package sqlstore keeps grants in a SQL database through database/sql: SQLite,
// PostgreSQL, MySQL and MariaDB. It imports no driver; the program does.
//
//	db, err := sql.Open("sqlite", "file:grants.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)")
//	rows, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
//	err = rows.Create(ctx) // or put rows.Schema() among your migrations
//	grants, err := tokenstore.New(tokenstore.Config{Store: rows, …})
//
// # What is in the table
//
// One row a grant: the key (client_id, subject), the version that Save compares,
// and the record, which is [tokenstore.Grant.MarshalBinary]. The record holds
// the tokens in the clear unless a [tokenstore.Sealed] stands in front. The
// other columns repeat what is no secret, for queries of yours: the state
// ("active", "needs_consent"), the hashes under which a revoked token is found,
// and times in UTC. Nothing is read back from them, so write none of them. A
// second table, named like the first with _leases behind it, has the leases.
//
// Keys are compared byte by byte in every dialect.
//
// # What the database must do
//
// What Save has acknowledged is as durable as the database's commits. With
// SQLite in WAL mode they survive a power cut only under synchronous=FULL;
// several connections also need a busy_timeout. SQLite lets everybody read a file
// that it creates, so create that before, with mode 0600. PostgreSQL's and
// MySQL's commits survive a power cut by default (synchronous_commit=on,
// innodb_flush_log_at_trx_commit=1), but a failover to a replica that lags behind
// loses what the replica does not have.
//
// Each operation is one statement, and commits by itself; where that has changed
// no row, a second one may ask why. One that MySQL has undone because of a
// deadlock is run again. With [Store.With] an operation takes part in a
// transaction of yours instead, and is not run again. Under REPEATABLE READ or SERIALIZABLE such a
// transaction can fail with the database's serialization error; run it again, as
// always.
//
// # Errors
//
// A failure names the operation and repeats what the driver says, unless the
// driver repeats a value that was bound to the statement: then only the type of
// the driver's error is named. It is in the chain in any case, for errors.As.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// DB is the part of [*sql.DB] that a Store uses. [*sql.Tx] and [*sql.Conn] are
// one too.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

var (
	_ DB = (*sql.DB)(nil)
	_ DB = (*sql.Tx)(nil)
	_ DB = (*sql.Conn)(nil)
)

// DefaultTable is the table of a Config that names none.
const DefaultTable = "google_grants"

// Config is what a [Store] is made of.
type Config struct {
	// DB is the open database. Required; it stays the caller's to close.
	DB DB
	// Dialect is the SQL that DB speaks. Required: it is never guessed.
	Dialect Dialect
	// Table is the table's name, perhaps with a schema before it ("auth.grants"):
	// ASCII letters, digits and underscores, no digit first, at most 40 bytes
	// each. It is always quoted, so an SQL keyword will do, and PostgreSQL tells
	// "Grants" from "grants". It must not end in _leases, _token_hash or
	// _prefix_hash, which are appended to it. Empty: DefaultTable.
	Table string
}

// A Store keeps grants in one table. It implements [tokenstore.Store],
// [tokenstore.Lister], [tokenstore.Finder] and [tokenstore.Leaser], and is safe
// for concurrent use where its DB is ([*sql.DB] is, a transaction is not).
type Store struct {
	redacted

	db      DB
	dialect Dialect
	table   table
	sql     statements
}

var (
	_ tokenstore.Store  = (*Store)(nil)
	_ tokenstore.Lister = (*Store)(nil)
	_ tokenstore.Finder = (*Store)(nil)
	_ tokenstore.Leaser = (*Store)(nil)
)

// redacted keeps fmt away from the DB: it holds the database's password.
type redacted = redact.Form

// New returns a Store. It does not talk to the database.
func New(cfg Config) (*Store, error) {
	if cfg.DB == nil {
		return nil, errors.New("sqlstore: Config.DB is required")
	}
	if !cfg.Dialect.known() {
		return nil, errors.New("sqlstore: Config.Dialect must be SQLite, PostgreSQL or MySQL")
	}
	t, err := parseTable(cfg.Table)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: Config.Table %w", err)
	}
	return &Store{redacted: "sqlstore.Store{[redacted]}", db: cfg.DB, dialect: cfg.Dialect, table: t, sql: cfg.Dialect.statements(t)}, nil
}

// With returns a Store on the same table that runs its statements on db, such
// as a transaction in which the program also writes its own user row. The
// transaction decides: what Save has returned is kept once it commits.
func (s *Store) With(db DB) *Store {
	in := *s
	in.db = db
	return &in
}

// failed says what was being done when err happened, and nothing of the values.
func failed(ctx context.Context, doing string, err error, values ...any) error {
	return redact.Failure(ctx, "sqlstore: "+doing, err, values...)
}
