// Package sqlstore keeps grants in a SQL database through database/sql: SQLite,
// PostgreSQL, MySQL and MariaDB. It imports no driver; the program does.
//
//	db, err := sql.Open("sqlite", "file:grants.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)")
//	rows, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.SQLite})
//	err = rows.Create(ctx) // or put rows.Schema() among your migrations
//	grants, err := tokenstore.New(tokenstore.Config{Store: rows, …})
//
// [Store.Check] is for a readiness probe.
//
// # The tables
//
// A row is a grant: its key (client_id, subject), the version that Save compares,
// and the record, which is [tokenstore.Grant.MarshalBinary]. The record holds
// the tokens in the clear unless a [tokenstore.Sealed] stands in front. The other
// columns repeat values that are no secret, for your own queries: the state
// ("active", "needs_consent"), the hashes by which a revoked token is found, and
// times in UTC. The Store does not read them, so do not write to them. A second
// table, whose name ends in _leases, has the leases.
//
// Keys are compared byte by byte in every dialect.
//
// # Durability
//
// A grant is as durable as the database's commits. SQLite in WAL mode loses
// commits in a power cut unless synchronous=FULL is set, and several connections
// need a busy_timeout. SQLite creates a file that everybody can read, so create
// the file before, with mode 0600. PostgreSQL and MySQL keep a commit in a power
// cut by default (synchronous_commit=on, innodb_flush_log_at_trx_commit=1), but a
// failover to a replica loses the commits that the replica does not have yet.
//
// # Transactions
//
// Each operation is one statement, which commits by itself. If it has changed no
// row, a second statement may find out why. MySQL and MariaDB with autocommit=0
// commit nothing by themselves, so [Store.Create] and [Store.Check] refuse them.
//
// A statement that the database has undone in favour of another one runs again:
// after a deadlock (error 1213 of MySQL, SQLSTATE 40P01 of PostgreSQL), and after
// a serialization failure of PostgreSQL (40001).
//
// With [Store.With] an operation takes part in a transaction of yours, and does
// not run again by itself. Under REPEATABLE READ or SERIALIZABLE such a
// transaction can fail with the database's serialization error; run the whole
// transaction again, as always.
//
// # Settings
//
//   - PostgreSQL behind PgBouncer in transaction mode has no prepared statements
//     of one connection. Set default_query_exec_mode to exec, cache_describe or
//     simple_protocol in pgx, or binary_parameters=yes in lib/pq. That also needs
//     ignore_startup_parameters=extra_float_digits in PgBouncer 1.18.
//   - github.com/go-sql-driver/mysql needs two round trips a statement, one with
//     interpolateParams=true.
//   - A Galera cluster in which the program uses several nodes needs
//     wsrep_sync_wait=7. Without it a node may not yet see what another one has
//     saved: a user who has just signed in would be unknown.
//
// # Errors
//
// An error names the operation and repeats the driver's text, unless that text
// repeats a value that was bound to the statement: then it names only the type of
// the driver's error. The driver's error is in the chain in any case, for
// errors.As.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// DB is the part of [*sql.DB] that a Store uses. [*sql.Tx] and [*sql.Conn] have it
// too.
//
// A DB with a method Commit is a transaction, and one with a method Raw is a
// single connection, which may be in a transaction. Their statements do not run
// again after a deadlock. Every other DB is a pool. So a type of yours that wraps
// a transaction must have Commit too.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

var (
	_ DB = (*sql.DB)(nil)
	_ DB = (*sql.Tx)(nil)
	_ DB = (*sql.Conn)(nil)
)

const defaultTable = "google_grants"

// Config configures a [Store].
type Config struct {
	// DB is the open database. Required. The caller closes it.
	DB DB
	// Dialect is the SQL of DB. Required.
	Dialect Dialect
	// Table is the table's name, which may have a schema before it
	// ("auth.grants"): ASCII letters, digits and underscores, no digit first, at
	// most 40 bytes each. It is always quoted, so an SQL keyword is allowed, and
	// in PostgreSQL "Grants" and "grants" are two tables. It must not end in
	// _leases, _token_hash or _prefix_hash, which this package appends to it. If
	// empty, google_grants is used.
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

// With returns a Store on the same table that runs its statements on db, for
// example a transaction in which the program also writes its own user row. What
// it saves is kept once the transaction commits.
func (s *Store) With(db DB) *Store {
	in := *s
	in.db = db
	return &in
}

// failed returns an error that says what was being done and repeats none of the
// values.
func failed(ctx context.Context, doing string, err error, values ...any) error {
	return redact.Failure(ctx, "sqlstore: "+doing, err, values...)
}
