package sqlstore

import (
	"context"
	"errors"
)

// Check returns an error if the Store does not work now: if the database does
// not answer, if a table is missing or must not be read or written, if the
// database is a read-only replica, or if it keeps no statement that is not
// committed (autocommit=0 of MySQL and MariaDB). It changes nothing and takes
// four short statements, so it suits a readiness probe.
func (s *Store) Check(ctx context.Context) error {
	if err := s.checkAutocommit(ctx); err != nil {
		return failed(ctx, "checking the database", err)
	}
	// No grant and no lease has empty strings as its key.
	if _, err := s.queryRow(ctx, s.sql.load, []any{"", ""}, new(string), new([]byte)); err != nil {
		return failed(ctx, "checking that grants can be read", err)
	}
	if _, err := s.exec(ctx, s.sql.remove, "", "", ""); err != nil {
		return failed(ctx, "checking that grants can be written", err)
	}
	if _, err := s.exec(ctx, s.sql.release, "", "", "", ""); err != nil {
		return failed(ctx, "checking that leases can be written", err)
	}
	return nil
}

var errAutocommit = errors.New("autocommit is 0, so the database would keep nothing that Save writes:" +
	" set autocommit=1, for the server or in the driver's settings of the connection")

// checkAutocommit returns errAutocommit if the connections of a MySQL pool begin
// a transaction at their first statement, which nobody would commit.
func (s *Store) checkAutocommit(ctx context.Context) error {
	if s.dialect != MySQL || !isPool(s.db) {
		return nil
	}
	var on bool
	if _, err := s.queryRow(ctx, "SELECT @@autocommit", nil, &on); err != nil {
		return err
	}
	if !on {
		return errAutocommit
	}
	return nil
}
