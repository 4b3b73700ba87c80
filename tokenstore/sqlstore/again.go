package sqlstore

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// Error numbers of MySQL and MariaDB.
const (
	mysqlDuplicate = "1062"
	mysqlDeadlock  = "1213"
)

// SQLSTATEs of PostgreSQL.
const (
	postgresSerialization = "40001"
	postgresDeadlock      = "40P01"
)

// again calls f, which runs one statement, and calls it again as long as the
// database has undone the statement. It pauses between the calls, because
// statements that have met once would meet again.
func again[T any](ctx context.Context, s *Store, f func() (T, error)) (T, error) {
	policy := retry.Policy{Initial: 4 * time.Millisecond, Max: 100 * time.Millisecond, Tries: 8}
	return retry.Do(ctx, policy, f, func(err error) (time.Duration, bool) { return 0, s.undone(err) })
}

// undone reports whether err says that the database has undone the statement, in
// favour of another one, and that it may run again. In a transaction it may not:
// the database has undone the whole transaction, and a statement that ran after
// that would be kept without the ones before.
func (s *Store) undone(err error) bool {
	if err == nil || !isPool(s.db) {
		return false
	}
	switch s.dialect {
	case MySQL:
		return mysqlError(err) == mysqlDeadlock
	case PostgreSQL:
		e, ok := errors.AsType[interface {
			error
			SQLState() string
		}](err)
		return ok && (e.SQLState() == postgresSerialization || e.SQLState() == postgresDeadlock)
	}
	return false
}

// isPool reports whether each statement on db stands alone. A transaction has
// Commit. A single connection, which has Raw, may be in a transaction that began
// with a statement.
func isPool(db DB) bool {
	switch db.(type) {
	case interface{ Commit() error }, interface{ Raw(func(any) error) error }:
		return false
	}
	return true
}

// mysqlNumber finds the number in a driver's text for a server's error, such as
// "Error 1062 (23000): Duplicate entry …". The types of the drivers are unknown
// here.
var mysqlNumber = regexp.MustCompile(`(?i)\berror (\d+)\b`)

// mysqlError returns the number of a server's error, "" for another error.
func mysqlError(err error) string {
	if found := mysqlNumber.FindStringSubmatch(err.Error()); found != nil {
		return found[1]
	}
	return ""
}
