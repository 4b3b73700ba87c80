package sqlstore

import (
	"strconv"
	"strings"
	"time"
)

// A Dialect is the SQL of one kind of database.
type Dialect int

const (
	// SQLite 3.24 or later.
	SQLite Dialect = iota + 1
	// PostgreSQL 9.5 or later. Its database must have the encoding UTF8.
	PostgreSQL
	// MySQL 5.7 or later, and MariaDB 10.3 or later; InnoDB.
	MySQL
)

func (d Dialect) known() bool { return d >= SQLite && d <= MySQL }

// String returns the database's name.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	}
	return "unknown dialect"
}

// pageSize is how many keys Keys reads at once.
const pageSize = 100

// statements are the statements of a Store, for its table and dialect.
type statements struct {
	load, version, create, replace, remove, removeAny string
	keys, find                                        string
	acquire, holder, release                          string
}

func (d Dialect) statements(t table) statements {
	names := d.names(t)
	const (
		thisKey   = " WHERE client_id = ? AND subject = ?"
		thisLease = thisKey + " AND purpose = ?"
	)
	s := statements{
		load:    "SELECT version, record FROM {grants}" + thisKey,
		version: "SELECT version FROM {grants}" + thisKey + d.current(),
		create: "INSERT INTO {grants} (version, state, token_hash, prefix_hash, created_at, updated_at, refreshed_at, record, client_id, subject)" +
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" + d.unlessThere(),
		replace: "UPDATE {grants} SET version = ?, state = ?, token_hash = ?, prefix_hash = ?, created_at = ?, updated_at = ?, refreshed_at = ?, record = ?" +
			thisKey + " AND version = ?",
		remove:    "DELETE FROM {grants}" + thisKey + " AND version = ?",
		removeAny: "DELETE FROM {grants}" + thisKey,
		keys:      "SELECT client_id, subject FROM {grants} WHERE " + d.keyAfter() + " ORDER BY client_id, subject LIMIT " + strconv.Itoa(pageSize),
		find:      "SELECT client_id, subject FROM {grants} WHERE token_hash = ? OR prefix_hash = ?",
		acquire:   d.acquire(),
		holder:    "SELECT owner FROM {leases}" + thisLease,
		release:   "DELETE FROM {leases}" + thisLease + " AND owner = ?",
	}
	for _, text := range []*string{&s.load, &s.version, &s.create, &s.replace, &s.remove, &s.removeAny,
		&s.keys, &s.find, &s.acquire, &s.holder, &s.release} {
		*text = d.bind(names.Replace(*text))
	}
	return s
}

// bind writes the placeholders in the dialect's form.
func (d Dialect) bind(query string) string {
	if d != PostgreSQL {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, more := strings.Cut(query, "?")
		b.WriteString(before)
		if !more {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

// unlessThere returns a clause with which an INSERT of an existing row changes
// nothing. Without it the INSERT would fail, and end the caller's transaction.
// MySQL's INSERT IGNORE also ignores other mistakes (it cuts a value that is too
// long), so there the INSERT fails, which does not end a transaction.
func (d Dialect) unlessThere() string {
	if d == MySQL {
		return ""
	}
	return " ON CONFLICT (client_id, subject) DO NOTHING"
}

// current returns a clause with which a SELECT reads the rows as they are
// committed now, like a statement that writes. In MySQL's REPEATABLE READ a plain
// SELECT reads the snapshot of the caller's transaction, which may be older than
// the row.
func (d Dialect) current() string {
	if d == MySQL {
		return " LOCK IN SHARE MODE" // FOR SHARE is unknown to MariaDB and MySQL 5.7
	}
	return ""
}

// keyAfter returns the form of the comparison for which the database seeks in its
// index: MySQL does not for the short one, the others do not for the long one.
func (d Dialect) keyAfter() string {
	if d == MySQL {
		return "client_id > ? OR (client_id = ? AND subject > ?)"
	}
	return "(client_id, subject) > (?, ?)"
}

// acquire takes a lease that is free or has expired by the database's clock. It
// changes no row if the lease is held.
func (d Dialect) acquire() string {
	now := d.now()
	insert := "INSERT INTO {leases} AS held (client_id, subject, purpose, owner, expires_at) VALUES (?, ?, ?, ?, " + now + " + ?)"
	if d == MySQL {
		// Both conditions are about the old expires_at, whether the database
		// assigns from left to right or, with MariaDB's sql_mode
		// SIMULTANEOUS_ASSIGNMENT, all at once.
		return strings.Replace(insert, "AS held ", "", 1) + " ON DUPLICATE KEY UPDATE" +
			" owner = IF(expires_at <= " + now + ", VALUES(owner), owner)," +
			" expires_at = IF(expires_at <= " + now + ", VALUES(expires_at), expires_at)"
	}
	return insert + " ON CONFLICT (client_id, subject, purpose) DO UPDATE" +
		" SET owner = excluded.owner, expires_at = excluded.expires_at WHERE held.expires_at <= " + now
}

// now returns an expression for the database's clock, in milliseconds since 1970.
func (d Dialect) now() string {
	switch d {
	case SQLite:
		return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
	case PostgreSQL:
		return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
	default:
		return "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)"
	}
}

// timestamp returns t as the value of a column: a text, because drivers disagree
// about the zone of a time.Time. The zero time, and a time that not every database
// can write, is NULL; the record has it all the same.
func (d Dialect) timestamp(t time.Time) any {
	t = t.UTC()
	if t.Year() < 1000 || t.Year() > 9999 {
		return nil
	}
	if d == PostgreSQL {
		return t.Format("2006-01-02 15:04:05.000000Z07:00")
	}
	return t.Format("2006-01-02 15:04:05.000000")
}
