// Package stores opens the databases in which grants can be kept, each as it
// should be opened. Its tests run all that package tokenstore promises against
// the real ones: PostgreSQL, MariaDB, Redis, SQLite, and a folder.
package stores

import (
	"context"
	"database/sql"
	"net/url"
	"os"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/seed3a054f9c/googlesignin/tokenstore/redisstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// SQLite opens the database file at path, and creates file and tables if need
// be: the file for its owner only, as those are that SQLite puts beside it. A
// refresh token that it has acknowledged survives a power cut:
// write-ahead log, and every commit on disk (synchronous=FULL). Connections,
// also those of other processes, wait for each other up to 10 s (busy_timeout);
// transactions take their turn when they begin, so that none fails half-way.
func SQLite(ctx context.Context, path string) (*sqlstore.Store, *sql.DB, error) {
	if err := createPrivate(path); err != nil {
		return nil, nil, err
	}
	settings := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
		"_txlock": {"immediate"},
	}
	return open(ctx, "sqlite", "file:"+url.PathEscape(path)+"?"+settings.Encode(), sqlstore.SQLite)
}

// createPrivate creates the file if it is not there: SQLite would let everybody
// read it.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// PostgreSQL connects with pgx; dsn is like
// "postgres://user@host/database?sslmode=verify-full".
func PostgreSQL(ctx context.Context, dsn string) (*sqlstore.Store, *sql.DB, error) {
	return open(ctx, "pgx", dsn, sqlstore.PostgreSQL)
}

// MySQL connects with go-sql-driver/mysql, to MySQL or MariaDB; dsn is like
// "user@tcp(host)/database?tls=true". No other parameter is needed: neither
// parseTime nor a charset or clientFoundRows changes anything.
func MySQL(ctx context.Context, dsn string) (*sqlstore.Store, *sql.DB, error) {
	return open(ctx, "mysql", dsn, sqlstore.MySQL)
}

// open creates the tables; where it fails, it closes db.
func open(ctx context.Context, driver, dsn string, dialect sqlstore.Dialect) (*sqlstore.Store, *sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
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

// GoRedis keeps grants through github.com/redis/go-redis, also in a cluster.
func GoRedis(rdb redis.Scripter) (*redisstore.Store, error) {
	return redisstore.New(redisstore.Config{
		Eval: func(ctx context.Context, script string, keys, args []string) (any, error) {
			return redis.NewScript(script).Run(ctx, rdb, keys, args).Result()
		},
	})
}

// Rueidis keeps grants through github.com/redis/rueidis, also in a cluster.
func Rueidis(client rueidis.Client) (*redisstore.Store, error) {
	return redisstore.New(redisstore.Config{
		Eval: func(ctx context.Context, script string, keys, args []string) (any, error) {
			return rueidis.NewLuaScript(script).Exec(ctx, client, keys, args).ToAny()
		},
	})
}
