package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// The program imports a driver and opens the database; what it keeps is sealed.
func Example() {
	open := func(ctx context.Context, keyring tokenstore.Sealer) (tokenstore.Store, error) {
		db, err := sql.Open("pgx", "postgres://app@db.example.com/app?sslmode=verify-full")
		if err != nil {
			return nil, err
		}
		rows, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL, Table: "auth.google_grants"})
		if err != nil {
			return nil, err
		}
		if err := rows.Create(ctx); err != nil {
			return nil, err
		}
		return &tokenstore.Sealed{Store: rows, Sealer: keyring}, nil
	}
	_ = open
}

// For those who keep their migrations in files of their own.
func ExampleSchema() {
	fmt.Print(sqlstore.Schema(sqlstore.PostgreSQL))
	// Output:
	// CREATE TABLE IF NOT EXISTS "google_grants" (
	// 	client_id    TEXT COLLATE "C" NOT NULL,
	// 	subject      TEXT COLLATE "C" NOT NULL,
	// 	version      TEXT COLLATE "C" NOT NULL,
	// 	state        TEXT NOT NULL,
	// 	token_hash   TEXT COLLATE "C",
	// 	prefix_hash  TEXT COLLATE "C",
	// 	created_at   TIMESTAMPTZ,
	// 	updated_at   TIMESTAMPTZ,
	// 	refreshed_at TIMESTAMPTZ,
	// 	record       BYTEA NOT NULL,
	// 	PRIMARY KEY (client_id, subject)
	// );
	//
	// CREATE INDEX IF NOT EXISTS "google_grants_token_hash" ON "google_grants" (token_hash);
	//
	// CREATE INDEX IF NOT EXISTS "google_grants_prefix_hash" ON "google_grants" (prefix_hash);
	//
	// CREATE TABLE IF NOT EXISTS "google_grants_leases" (
	// 	client_id  TEXT COLLATE "C" NOT NULL,
	// 	subject    TEXT COLLATE "C" NOT NULL,
	// 	purpose    TEXT COLLATE "C" NOT NULL,
	// 	owner      TEXT COLLATE "C" NOT NULL,
	// 	expires_at BIGINT NOT NULL,
	// 	PRIMARY KEY (client_id, subject, purpose)
	// );
}

// A user is deleted together with their grant, or not at all.
func ExampleStore_With() {
	deleteUser := func(ctx context.Context, db *sql.DB, rows *sqlstore.Store, user tokenstore.Key) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "DELETE FROM users WHERE google_sub = $1", user.Subject); err != nil {
			return err
		}
		if err := rows.With(tx).Delete(ctx, user, tokenstore.AnyVersion); err != nil {
			return err
		}
		return tx.Commit()
	}
	_ = deleteUser
}
