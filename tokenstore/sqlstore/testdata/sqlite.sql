CREATE TABLE IF NOT EXISTS "auth"."grants" (
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

CREATE INDEX IF NOT EXISTS "auth"."grants_token_hash" ON "grants" (token_hash);

CREATE INDEX IF NOT EXISTS "auth"."grants_prefix_hash" ON "grants" (prefix_hash);

CREATE TABLE IF NOT EXISTS "auth"."grants_leases" (
	client_id  TEXT NOT NULL,
	subject    TEXT NOT NULL,
	purpose    TEXT NOT NULL,
	owner      TEXT NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (client_id, subject, purpose)
);

-- create
INSERT INTO "auth"."grants" (version, state, token_hash, prefix_hash, created_at, updated_at, refreshed_at, record, client_id, subject) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (client_id, subject) DO NOTHING
	1 string
	2 string
	3 string
	4 string
	5 string
	6 <nil>
	7 <nil>
	8 []uint8
	9 string
	10 string

-- replace
UPDATE "auth"."grants" SET version = ?, state = ?, token_hash = ?, prefix_hash = ?, created_at = ?, updated_at = ?, refreshed_at = ?, record = ? WHERE client_id = ? AND subject = ? AND version = ?
	1 string
	2 string
	3 <nil>
	4 <nil>
	5 <nil>
	6 <nil>
	7 <nil>
	8 []uint8
	9 string
	10 string
	11 string

-- load
SELECT version, record FROM "auth"."grants" WHERE client_id = ? AND subject = ?
	1 string
	2 string

-- delete
DELETE FROM "auth"."grants" WHERE client_id = ? AND subject = ? AND version = ?
	1 string
	2 string
	3 string

-- delete where no row has that version
DELETE FROM "auth"."grants" WHERE client_id = ? AND subject = ? AND version = ?
	1 string
	2 string
	3 string
SELECT version FROM "auth"."grants" WHERE client_id = ? AND subject = ?
	1 string
	2 string

-- delete any version
DELETE FROM "auth"."grants" WHERE client_id = ? AND subject = ?
	1 string
	2 string

-- keys
SELECT client_id, subject FROM "auth"."grants" WHERE (client_id, subject) > (?, ?) ORDER BY client_id, subject LIMIT 100
	1 string
	2 string

-- find
SELECT client_id, subject FROM "auth"."grants" WHERE token_hash = ? OR prefix_hash = ?
	1 string
	2 string

-- lease
INSERT INTO "auth"."grants_leases" AS held (client_id, subject, purpose, owner, expires_at) VALUES (?, ?, ?, ?, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?) ON CONFLICT (client_id, subject, purpose) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at WHERE held.expires_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
	1 string
	2 string
	3 string
	4 string
	5 int64
DELETE FROM "auth"."grants_leases" WHERE client_id = ? AND subject = ? AND purpose = ? AND owner = ?
	1 string
	2 string
	3 string
	4 string
