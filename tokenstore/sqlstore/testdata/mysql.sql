CREATE TABLE IF NOT EXISTS `auth`.`grants` (
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
	INDEX `grants_token_hash` (token_hash),
	INDEX `grants_prefix_hash` (prefix_hash)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS `auth`.`grants_leases` (
	client_id  VARBINARY(255) NOT NULL,
	subject    VARBINARY(255) NOT NULL,
	purpose    VARBINARY(255) NOT NULL,
	owner      VARBINARY(64) NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (client_id, subject, purpose)
) ENGINE=InnoDB;

-- create
INSERT INTO `auth`.`grants` (version, state, token_hash, prefix_hash, created_at, updated_at, refreshed_at, record, client_id, subject) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
UPDATE `auth`.`grants` SET version = ?, state = ?, token_hash = ?, prefix_hash = ?, created_at = ?, updated_at = ?, refreshed_at = ?, record = ? WHERE client_id = ? AND subject = ? AND version = ?
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
SELECT version, record FROM `auth`.`grants` WHERE client_id = ? AND subject = ?
	1 string
	2 string

-- delete
DELETE FROM `auth`.`grants` WHERE client_id = ? AND subject = ? AND version = ?
	1 string
	2 string
	3 string

-- delete where no row has that version
DELETE FROM `auth`.`grants` WHERE client_id = ? AND subject = ? AND version = ?
	1 string
	2 string
	3 string
SELECT version FROM `auth`.`grants` WHERE client_id = ? AND subject = ? LOCK IN SHARE MODE
	1 string
	2 string

-- delete any version
DELETE FROM `auth`.`grants` WHERE client_id = ? AND subject = ?
	1 string
	2 string

-- keys
SELECT client_id, subject FROM `auth`.`grants` WHERE client_id > ? OR (client_id = ? AND subject > ?) ORDER BY client_id, subject LIMIT 100
	1 string
	2 string
	3 string

-- find
SELECT client_id, subject FROM `auth`.`grants` WHERE token_hash = ? OR prefix_hash = ?
	1 string
	2 string

-- lease
INSERT INTO `auth`.`grants_leases` (client_id, subject, purpose, owner, expires_at) VALUES (?, ?, ?, ?, (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000) + ?) ON DUPLICATE KEY UPDATE owner = IF(expires_at <= (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000), VALUES(owner), owner), expires_at = IF(expires_at <= (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000), VALUES(expires_at), expires_at)
	1 string
	2 string
	3 string
	4 string
	5 int64
SELECT owner FROM `auth`.`grants_leases` WHERE client_id = ? AND subject = ? AND purpose = ?
	1 string
	2 string
	3 string
