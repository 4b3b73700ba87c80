package sqlstore

import (
	"context"
	"strings"
)

// Schema returns the statements that create the table google_grants and its table
// of leases if they do not exist, for programs with their own migrations. It is
// empty for an unknown dialect.
//
// Between two statements, and nowhere else, there is an empty line. A driver that
// takes one statement at a time, such as github.com/go-sql-driver/mysql without
// multiStatements=true, needs the text split there. [Store.Create] sends them one
// by one.
func Schema(d Dialect) string {
	if !d.known() {
		return ""
	}
	return schemaText(d.schema(table{name: defaultTable}))
}

// Schema is like the function [Schema], for the Store's table and dialect.
func (s *Store) Schema() string { return schemaText(s.dialect.schema(s.table)) }

func schemaText(statements []string) string {
	return strings.Join(statements, ";\n\n") + ";\n"
}

// Create creates the tables if they do not exist. Several processes may call it at
// the same time. It refuses a MySQL or MariaDB pool with autocommit=0, as
// [Store.Check] does.
func (s *Store) Create(ctx context.Context) error {
	if err := s.checkAutocommit(ctx); err != nil {
		return failed(ctx, "creating the tables", err)
	}
	for _, statement := range s.dialect.schema(s.table) {
		if err := s.create(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// create tries twice: of two processes that create at the same time, PostgreSQL
// can fail one with a duplicate in its catalogue. The second try finds the table.
func (s *Store) create(ctx context.Context, statement string) error {
	_, err := s.db.ExecContext(ctx, statement)
	if err != nil {
		_, err = s.db.ExecContext(ctx, statement)
	}
	if err != nil {
		return failed(ctx, "creating the tables", err)
	}
	return nil
}

func (d Dialect) schema(t table) []string {
	names := d.names(t)
	var statements []string
	for statement := range strings.SplitSeq(d.schemaTemplate(), ";") {
		statements = append(statements, strings.TrimSpace(names.Replace(statement)))
	}
	return statements
}

func (d Dialect) schemaTemplate() string {
	switch d {
	case SQLite:
		return sqliteSchema
	case PostgreSQL:
		return postgresSchema
	default:
		return mysqlSchema
	}
}

const sqliteSchema = `
CREATE TABLE IF NOT EXISTS {grants} (
	client_id    TEXT NOT NULL,
	subject      TEXT NOT NULL,
	version      TEXT NOT NULL,
	state        TEXT NOT NULL,
	token_hash   TEXT,
	prefix_hash  TEXT,
	created_at   TEXT,
	updated_at   TEXT,
	refreshed_at TEXT,
	record       BLOB NOT NULL,
	PRIMARY KEY (client_id, subject)
);
CREATE INDEX IF NOT EXISTS {token_index} ON {indexed} (token_hash);
CREATE INDEX IF NOT EXISTS {prefix_index} ON {indexed} (prefix_hash);
CREATE TABLE IF NOT EXISTS {leases} (
	client_id  TEXT NOT NULL,
	subject    TEXT NOT NULL,
	purpose    TEXT NOT NULL,
	owner      TEXT NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (client_id, subject, purpose)
)`

const postgresSchema = `
CREATE TABLE IF NOT EXISTS {grants} (
	client_id    TEXT COLLATE "C" NOT NULL,
	subject      TEXT COLLATE "C" NOT NULL,
	version      TEXT COLLATE "C" NOT NULL,
	state        TEXT NOT NULL,
	token_hash   TEXT COLLATE "C",
	prefix_hash  TEXT COLLATE "C",
	created_at   TIMESTAMPTZ,
	updated_at   TIMESTAMPTZ,
	refreshed_at TIMESTAMPTZ,
	record       BYTEA NOT NULL,
	PRIMARY KEY (client_id, subject)
);
CREATE INDEX IF NOT EXISTS {token_index} ON {indexed} (token_hash);
CREATE INDEX IF NOT EXISTS {prefix_index} ON {indexed} (prefix_hash);
CREATE TABLE IF NOT EXISTS {leases} (
	client_id  TEXT COLLATE "C" NOT NULL,
	subject    TEXT COLLATE "C" NOT NULL,
	purpose    TEXT COLLATE "C" NOT NULL,
	owner      TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (client_id, subject, purpose)
)`

// MySQL has binary columns, because even its _bin collations ignore trailing
// spaces.
const mysqlSchema = `
CREATE TABLE IF NOT EXISTS {grants} (
	client_id    VARBINARY(255) NOT NULL,
	subject      VARBINARY(255) NOT NULL,
	version      VARBINARY(64) NOT NULL,
	state        VARCHAR(32) NOT NULL,
	token_hash   VARBINARY(88),
	prefix_hash  VARBINARY(88),
	created_at   DATETIME(6),
	updated_at   DATETIME(6),
	refreshed_at DATETIME(6),
	record       MEDIUMBLOB NOT NULL,
	PRIMARY KEY (client_id, subject),
	INDEX {token_index} (token_hash),
	INDEX {prefix_index} (prefix_hash)
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS {leases} (
	client_id  VARBINARY(255) NOT NULL,
	subject    VARBINARY(255) NOT NULL,
	purpose    VARBINARY(255) NOT NULL,
	owner      VARBINARY(64) NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (client_id, subject, purpose)
) ENGINE=InnoDB`
