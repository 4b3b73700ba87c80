CREATE TABLE IF NOT EXISTS "auth"."grants" (
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

CREATE INDEX IF NOT EXISTS "grants_token_hash" ON "auth"."grants" (token_hash);

CREATE INDEX IF NOT EXISTS "grants_prefix_hash" ON "auth"."grants" (prefix_hash);

CREATE TABLE IF NOT EXISTS "auth"."grants_leases" (
	client_id  TEXT COLLATE "C" NOT NULL,
	subject    TEXT COLLATE "C" NOT NULL,
	purpose    TEXT COLLATE "C" NOT NULL,
	owner      TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (client_id, subject, purpose)
);

-- create
INSERT INTO "auth"."grants" (version, state, token_hash, prefix_hash, created_at, updated_at, refreshed_at, record, client_id, subject) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (client_id, subject) DO NOTHING
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
UPDATE "auth"."grants" SET version = $1, state = $2, token_hash = $3, prefix_hash = $4, created_at = $5, updated_at = $6, refreshed_at = $7, record = $8 WHERE client_id = $9 AND subject = $10 AND version = $11
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
SELECT version, record FROM "auth"."grants" WHERE client_id = $1 AND subject = $2
	1 string
	2 string

-- delete
DELETE FROM "auth"."grants" WHERE client_id = $1 AND subject = $2 AND version = $3
	1 string
	2 string
	3 string

-- delete where no row has that version
DELETE FROM "auth"."grants" WHERE client_id = $1 AND subject = $2 AND version = $3
	1 string
	2 string
	3 string
SELECT version FROM "auth"."grants" WHERE client_id = $1 AND subject = $2
	1 string
	2 string

-- delete any version
DELETE FROM "auth"."grants" WHERE client_id = $1 AND subject = $2
	1 string
	2 string

-- keys
SELECT client_id, subject FROM "auth"."grants" WHERE (client_id, subject) > ($1, $2) ORDER BY client_id, subject LIMIT 100
	1 string
	2 string

-- find
SELECT client_id, subject FROM "auth"."grants" WHERE token_hash = $1 OR prefix_hash = $2
	1 string
	2 string

-- lease
INSERT INTO "auth"."grants_leases" AS held (client_id, subject, purpose, owner, expires_at) VALUES ($1, $2, $3, $4, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + $5) ON CONFLICT (client_id, subject, purpose) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at WHERE held.expires_at <= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)
	1 string
	2 string
	3 string
	4 string
	5 int64
DELETE FROM "auth"."grants_leases" WHERE client_id = $1 AND subject = $2 AND purpose = $3 AND owner = $4
	1 string
	2 string
	3 string
	4 string
