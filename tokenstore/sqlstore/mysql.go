package sqlstore

import (
	"context"
	"database/sql"
	"regexp"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// What MySQL and MariaDB number so.
const (
	mysqlDuplicate = "1062"
	mysqlDeadlock  = "1213"
)

// mysqlNumber finds the number in what a driver makes of a server's error, such
// as "Error 1062 (23000): Duplicate entry …": their types are unknown here.
var mysqlNumber = regexp.MustCompile(`(?i)\berror (\d+)\b`)

// failedWith tells whether err is MySQL's error of that number.
func (d Dialect) failedWith(number string, err error) bool {
	if d != MySQL || err == nil {
		return false
	}
	found := mysqlNumber.FindStringSubmatch(err.Error())
	return found != nil && found[1] == number
}

// undone tells whether err is a deadlock of two writers of one row, which MySQL
// resolves by undoing what one of them did. A statement by itself has then done
// nothing, and can be run again. A transaction has gone as a whole: what is run
// after that would be kept without the rest.
func (s *Store) undone(err error) bool {
	_, alone := s.db.(*sql.DB)
	return alone && s.dialect.failedWith(mysqlDeadlock, err)
}

// execAgain waits a little before each try, because those who met once would meet
// again.
func (s *Store) execAgain(ctx context.Context, query string, args []any) (sql.Result, error) {
	policy := retry.Policy{Initial: 4 * time.Millisecond, Max: 100 * time.Millisecond, Tries: 8}
	return retry.Do(ctx, policy, func() (sql.Result, error) {
		return s.db.ExecContext(ctx, query, args...)
	}, func(err error) (time.Duration, bool) { return 0, s.undone(err) })
}
