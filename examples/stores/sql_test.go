//go:build unix

package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func openDB(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	keepConnections(db)
	return db
}

// keepConnections keeps one for each goroutine of a test: opening one takes longer
// than what a test does with it.
func keepConnections(db *sql.DB) { db.SetMaxIdleConns(32) }

func table(t testing.TB, db *sql.DB, dialect sqlstore.Dialect, name string) *sqlstore.Store {
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

// tables returns a function that opens stores in one database, each in tables of
// its own.
func tables(t *testing.T, driver, dsn string, dialect sqlstore.Dialect) func(*testing.T) tokenstore.Store {
	db := openDB(t, driver, dsn)
	return func(t *testing.T) tokenstore.Store { return table(t, db, dialect, unique("Grants")) }
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	server := servers.PostgreSQL(t)
	conform(t, tables(t, "pgx", server.DSN, sqlstore.PostgreSQL))
	t.Run("Serializable", func(t *testing.T) { // statements by themselves fail, and run again
		t.Parallel()
		tokenstoretest.Run(t, tables(t, "pgx", server.DSN+"&default_transaction_isolation=serializable", sqlstore.PostgreSQL))
	})
	t.Run("ReadOnly", func(t *testing.T) { // as a replica is
		store := table(t, openDB(t, "pgx", server.DSN), sqlstore.PostgreSQL, "replicated")
		if err := store.Check(t.Context()); err != nil {
			t.Errorf("Check = %v", err)
		}
		err := store.With(openDB(t, "pgx", server.DSN+"&default_transaction_read_only=on")).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("Check in a read-only database = %v", err)
		}
	})
	sqlCases(t, "pgx", server.DSN, sqlstore.PostgreSQL, "public.")
}

// TestPgBouncer checks the settings that the documentation names for a pool in
// transaction mode. With the defaults of the drivers a part of it fails.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	pool := servers.PgBouncer(t, servers.PostgreSQL(t))
	for setting, driver := range map[string]string{
		"default_query_exec_mode=exec":            "pgx",
		"default_query_exec_mode=cache_describe":  "pgx",
		"default_query_exec_mode=simple_protocol": "pgx",
		"binary_parameters=yes":                   "postgres",
	} {
		t.Run(driver+"_"+setting, func(t *testing.T) {
			t.Parallel()
			dsn := pool.DSN + "&" + setting
			tokenstoretest.Run(t, tables(t, driver, dsn, sqlstore.PostgreSQL))
			t.Run("Transaction", func(t *testing.T) { transaction(t, openDB(t, driver, dsn), sqlstore.PostgreSQL) })
		})
	}
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	server := servers.MariaDB(t)
	conform(t, tables(t, "mysql", server.DSN, sqlstore.MySQL))
	for name, settings := range map[string]string{
		"FoundRows": "?clientFoundRows=true",
		"Text":      "?interpolateParams=true&parseTime=true&loc=America%2FSt_Johns",
		"Oracle":    "?sql_mode=%27ORACLE,SIMULTANEOUS_ASSIGNMENT%27",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokenstoretest.Run(t, tables(t, "mysql", server.DSN+settings, sqlstore.MySQL))
		})
	}
	sqlCases(t, "mysql", server.DSN, sqlstore.MySQL, "test.")
	t.Run("Snapshot", func(t *testing.T) { snapshot(t, openDB(t, "mysql", server.DSN)) })
	t.Run("Autocommit", func(t *testing.T) { autocommit(t, server.DSN) })
	t.Run("ReadOnly", func(t *testing.T) { // as a replica is
		store := table(t, openDB(t, "mysql", server.DSN), sqlstore.MySQL, "replicated")
		err := store.With(openDB(t, "mysql", server.DSN+"?tx_read_only=1")).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), "written") {
			t.Errorf("Check in a read-only database = %v", err)
		}
	})
}

// TestGalera runs each statement on another node than the one before. Without
// wsrep_sync_wait=7 a part of it fails.
func TestGalera(t *testing.T) {
	t.Parallel()
	cluster := new(nodes)
	for _, node := range servers.Galera(t) {
		cluster.dbs = append(cluster.dbs, openDB(t, "mysql", node.DSN+"?wsrep_sync_wait=7"))
	}
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		store, err := sqlstore.New(sqlstore.Config{DB: cluster, Dialect: sqlstore.MySQL, Table: unique("grants")})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		return store
	})
}

// nodes are databases that take turns.
type nodes struct {
	dbs  []*sql.DB
	turn atomic.Uint32
}

func (n *nodes) next() *sql.DB { return n.dbs[int(n.turn.Add(1))%len(n.dbs)] }

func (n *nodes) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return n.next().ExecContext(ctx, query, args...)
}

func (n *nodes) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return n.next().QueryContext(ctx, query, args...)
}

// autocommit checks that a pool whose statements are never committed is refused.
func autocommit(t *testing.T, dsn string) {
	db := openDB(t, "mysql", dsn)
	store := table(t, db, sqlstore.MySQL, unique("grants"))
	if err := store.Check(t.Context()); err != nil {
		t.Errorf("Check = %v", err)
	}
	off := openDB(t, "mysql", dsn+"?autocommit=0")
	for name, call := range map[string]func(context.Context) error{"Create": store.With(off).Create, "Check": store.With(off).Check} {
		if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "autocommit=1") {
			t.Errorf("%s with autocommit=0 = %v, want an error that says what to do", name, err)
		}
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := store.With(tx).Check(t.Context()); err != nil {
		t.Errorf("Check in a transaction = %v", err)
	}
}

func TestSQLiteTables(t *testing.T) {
	dsn := "file:" + filepath.Join(t.TempDir(), "grants.db") + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"
	sqlCases(t, "sqlite", dsn, sqlstore.SQLite, "main.")
}

// sqlCases is what holds for every SQL database beyond the contract of a Store.
func sqlCases(t *testing.T, driver, dsn string, dialect sqlstore.Dialect, schema string) {
	db := openDB(t, driver, dsn)
	cases := map[string]func(*testing.T, *sql.DB, sqlstore.Dialect){
		"Transaction":  transaction,
		"Columns":      columns,
		"CreateAtOnce": createAtOnce,
		"BrokenRecord": brokenRecord,
		"Schema":       schemaText,
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) { test(t, db, dialect) })
	}
	t.Run("QualifiedName", func(t *testing.T) {
		tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return table(t, db, dialect, schema+"qualified") })
	})
	t.Run("Keyword", func(t *testing.T) {
		tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return table(t, db, dialect, schema+"order") })
	})
	t.Run("Reopen", func(t *testing.T) { tokenstoretest.Reopen(t, reopened(t, driver, dsn, dialect)) })
	t.Run("NoTables", func(t *testing.T) {
		store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: dialect, Table: "absent"})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "absent") {
			t.Errorf("Check without a table = %v, want what the database says", err)
		}
		if _, err := store.Load(t.Context(), user("jane")); err == nil || errors.Is(err, tokenstore.ErrNotFound) || !strings.Contains(err.Error(), "absent") {
			t.Errorf("Load without a table = %v, want what the database says", err)
		}
	})
}

// reopened returns a function that opens one store again and again.
func reopened(t *testing.T, driver, dsn string, dialect sqlstore.Dialect) func(*testing.T) tokenstore.Store {
	name := unique("reopened")
	return func(t *testing.T) tokenstore.Store { return table(t, openDB(t, driver, dsn), dialect, name) }
}

func user(subject string) tokenstore.Key {
	return tokenstore.Key{ClientID: "client.apps.googleusercontent.com", Subject: subject}
}

// transaction checks that a grant and a row of the program's own are kept
// together or not at all.
func transaction(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) {
	store := table(t, db, dialect, unique("grants"))
	ctx := t.Context()
	within := func(end func(*sql.Tx) error) {
		t.Helper()
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		in := store.With(tx)
		version, err := in.Save(ctx, user("jane"), tokenstore.Grant{RefreshToken: "1//jane"})
		if err != nil {
			t.Fatal(err)
		}
		// A conflict is an answer, not a failure: the transaction goes on.
		if _, err := in.Save(ctx, user("jane"), tokenstore.Grant{}); !errors.Is(err, tokenstore.ErrConflict) {
			t.Errorf("a second create in a transaction = %v, want ErrConflict", err)
		}
		if g, err := in.Load(ctx, user("jane")); err != nil || g.Version != version {
			t.Errorf("Load in the transaction = version %q, %v; want %q", g.Version, err, version)
		}
		if err := end(tx); err != nil {
			t.Fatal(err)
		}
	}
	within((*sql.Tx).Rollback)
	if _, err := store.Load(ctx, user("jane")); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load after a rollback = %v, want ErrNotFound", err)
	}
	within((*sql.Tx).Commit)
	if _, err := store.Load(ctx, user("jane")); err != nil {
		t.Errorf("Load after a commit = %v", err)
	}
}

// snapshot checks that a transaction under MySQL's default isolation, which reads
// what there was when it began, is told of what has come and gone since.
func snapshot(t *testing.T, db *sql.DB) {
	store := table(t, db, sqlstore.MySQL, unique("grants"))
	ctx := t.Context()
	jane, john := user("jane"), user("john")
	version, err := store.Save(ctx, jane, tokenstore.Grant{RefreshToken: "1//jane"})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	in := store.With(tx)
	if _, err := in.Load(ctx, jane); err != nil { // it begins now
		t.Fatal(err)
	}
	if _, err := store.Save(ctx, john, tokenstore.Grant{RefreshToken: "1//john"}); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, jane, version); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Save(ctx, john, tokenstore.Grant{RefreshToken: "1//other"}); !errors.Is(err, tokenstore.ErrConflict) {
		t.Errorf("Save of a grant that has come since = %v, want ErrConflict", err)
	}
	if err := in.Delete(ctx, jane, version); err != nil {
		t.Errorf("Delete of a grant that has gone since = %v", err)
	}
}

// columns checks what operators see.
func columns(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) {
	name := unique("grants")
	store := table(t, db, dialect, name)
	g := tokenstore.Grant{
		RefreshToken: "1//jane-refresh-token",
		State:        tokenstore.NeedsConsent,
		CreatedAt:    time.Date(2026, 11, 1, 2, 30, 0, 123456789, time.FixedZone("", -5*3600)),
	}
	version, err := store.Save(t.Context(), user("Jane "), g)
	if err != nil {
		t.Fatal(err)
	}
	toText := map[sqlstore.Dialect]string{
		sqlstore.SQLite:     "created_at",
		sqlstore.PostgreSQL: "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
		sqlstore.MySQL:      "CAST(created_at AS CHAR)",
	}[dialect]
	var subject, gotVersion, state, tokenHash, prefixHash, created string
	var updated sql.NullString
	err = db.QueryRowContext(t.Context(),
		"SELECT subject, version, state, token_hash, prefix_hash, "+toText+", updated_at FROM "+name).
		Scan(&subject, &gotVersion, &state, &tokenHash, &prefixHash, &created, &updated)
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"subject":     {subject, "Jane "},
		"version":     {gotVersion, version},
		"state":       {state, "needs_consent"},
		"token_hash":  {tokenHash, tokenstore.TokenHash(g.RefreshToken)},
		"prefix_hash": {prefixHash, tokenstore.TokenHash(g.RefreshToken[:16])},
		"created_at":  {created, "2026-11-01 07:30:00.123456"},
		"updated_at":  {updated.String, ""},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}
}

// createAtOnce is a deployment of many processes that all find no table.
func createAtOnce(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) {
	for range 5 {
		store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: dialect, Table: unique("at_once")})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if err := store.Create(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// brokenRecord checks that a record that somebody has damaged stays, is not
// taken for an absent one, and can be replaced.
func brokenRecord(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) {
	name := unique("grants")
	store := table(t, db, dialect, name)
	version, err := store.Save(t.Context(), user("jane"), tokenstore.Grant{RefreshToken: "1//jane"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE "+name+" SET record = 'x1//jane'"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []tokenstore.Store{store, seal(t, store)} {
		g, err := s.Load(t.Context(), user("jane"))
		if !errors.Is(err, tokenstore.ErrSealed) || strings.Contains(err.Error(), "jane") {
			t.Errorf("Load of a broken record = %v, want ErrSealed", err)
		}
		if g.Version != version {
			t.Errorf("Load of a broken record has version %q, want %q", g.Version, version)
		}
	}
	if _, err := store.Save(t.Context(), user("jane"), tokenstore.Grant{RefreshToken: "1//new", Version: version}); err != nil {
		t.Errorf("Save over a broken record = %v", err)
	}
}

// schemaText checks that people who own their migrations get what Create makes.
func schemaText(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) {
	store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: dialect})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, all is there
		for statement := range strings.SplitSeq(store.Schema(), ";") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%v in\n%s", err, statement)
			}
		}
	}
	if _, err := store.Save(t.Context(), user("jane"), tokenstore.Grant{}); err != nil {
		t.Error(err)
	}
	if _, _, err := store.Lease(t.Context(), user("jane"), "work", time.Second); err != nil {
		t.Error(err)
	}
}

// TestSQLiteOneConnection checks that nothing is asked for while Keys and Find
// hold a connection: with only one there is, that would be for ever.
func TestSQLiteOneConnection(t *testing.T) {
	store, db, err := stores.SQLite(t.Context(), filepath.Join(t.TempDir(), "grants.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := store.Save(ctx, user("jane"), tokenstore.Grant{RefreshToken: "1//jane"}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for key, err := range store.Keys(ctx, tokenstore.Key{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Load(ctx, key); err != nil {
			t.Errorf("Load while Keys is at work = %v", err)
		}
		n++
	}
	for key, err := range store.Find(ctx, tokenstore.TokenHash("1//jane")) {
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(ctx, key, tokenstore.AnyVersion); err != nil {
			t.Errorf("Delete while Find is at work = %v", err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("Keys and Find yield %d keys, want one each", n)
	}
}
