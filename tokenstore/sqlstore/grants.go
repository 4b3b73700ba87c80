package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Load implements [tokenstore.Store]. If the record of a row cannot be read, the
// error wraps [tokenstore.ErrSealed], and Load returns the Version, so that a
// sign-in with a new refresh token can replace the row.
func (s *Store) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	const doing = "loading a grant"
	if err := check(doing, key); err != nil {
		return tokenstore.Grant{}, err
	}
	var version string
	var record []byte
	found, err := s.queryRow(ctx, s.sql.load, []any{key.ClientID, key.Subject}, &version, &record)
	if err != nil {
		return tokenstore.Grant{}, failed(ctx, doing, err, key.ClientID, key.Subject)
	}
	if !found {
		return tokenstore.Grant{}, fmt.Errorf("sqlstore: %s: %w", doing, tokenstore.ErrNotFound)
	}
	var g tokenstore.Grant
	if err := g.UnmarshalBinary(record); err != nil {
		return tokenstore.Grant{Version: version}, fmt.Errorf("sqlstore: %s: %w: %w", doing, tokenstore.ErrSealed, err)
	}
	g.Version = version
	return g, nil
}

// Save implements [tokenstore.Store].
func (s *Store) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
	const doing = "saving a grant"
	if err := check(doing, key); err != nil {
		return "", err
	}
	record, err := g.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("sqlstore: %s: %w", doing, err)
	}
	version := rand.Text()
	tokenHash, prefixHash := hashes(g)
	args := append(make([]any, 0, 11), version, g.State.String(), tokenHash, prefixHash,
		s.dialect.timestamp(g.CreatedAt), s.dialect.timestamp(g.UpdatedAt), s.dialect.timestamp(g.RefreshedAt),
		record, key.ClientID, key.Subject)

	var saved bool
	if g.Version == "" {
		saved, err = s.insert(ctx, key, version, args)
	} else {
		args = append(args, g.Version)
		saved, err = s.exec(ctx, s.sql.replace, args...)
	}
	if err != nil {
		return "", failed(ctx, doing, err, record, key.ClientID, key.Subject, tokenHash, prefixHash)
	}
	if !saved {
		return "", fmt.Errorf("sqlstore: %s: %w", doing, tokenstore.ErrConflict)
	}
	return version, nil
}

// insert reports whether it has created the row. MySQL reports an existing row
// as a failure (see [Dialect.unlessThere]), and drivers write failures in
// different ways, so after any failure insert looks at the row.
func (s *Store) insert(ctx context.Context, key tokenstore.Key, version string, args []any) (bool, error) {
	created, err := s.exec(ctx, s.sql.create, args...)
	if err == nil || s.dialect != MySQL || mysqlError(err) == mysqlDeadlock {
		return created, err
	}
	kept, found, lookupErr := s.version(ctx, key)
	switch {
	case lookupErr != nil:
		return false, errors.Join(err, lookupErr)
	case !found && mysqlError(err) != mysqlDuplicate:
		return false, err
	}
	return found && kept == version, nil // an existing row may be gone again
}

// Delete implements [tokenstore.Store].
func (s *Store) Delete(ctx context.Context, key tokenstore.Key, version string) error {
	const doing = "deleting a grant"
	if err := check(doing, key); err != nil {
		return err
	}
	query, args := s.sql.remove, []any{key.ClientID, key.Subject, version}
	if version == tokenstore.AnyVersion {
		query, args = s.sql.removeAny, args[:2]
	}
	removed, err := s.exec(ctx, query, args...)
	if err != nil {
		return failed(ctx, doing, err, args...)
	}
	if removed || version == tokenstore.AnyVersion {
		return nil
	}
	_, found, err := s.version(ctx, key)
	if err != nil {
		return failed(ctx, doing, err, args...)
	}
	if found {
		return fmt.Errorf("sqlstore: %s: %w", doing, tokenstore.ErrConflict)
	}
	return nil
}

func (s *Store) version(ctx context.Context, key tokenstore.Key) (version string, found bool, err error) {
	found, err = s.queryRow(ctx, s.sql.version, []any{key.ClientID, key.Subject}, &version)
	return version, found, err
}

// hashes returns the values of the columns token_hash and prefix_hash, NULL for
// a grant without a refresh token.
func hashes(g tokenstore.Grant) (token, prefix any) {
	if h := g.Hashes(); len(h) == 2 {
		return h[0], h[1]
	}
	return nil, nil
}

func check(doing string, key tokenstore.Key) error {
	if err := key.Validate(); err != nil {
		return fmt.Errorf("sqlstore: %s: %w", doing, err)
	}
	return nil
}

// exec reports whether the statement has changed a row.
func (s *Store) exec(ctx context.Context, query string, args ...any) (changed bool, err error) {
	return again(ctx, s, func() (bool, error) {
		result, err := s.db.ExecContext(ctx, query, args...)
		if err != nil {
			return false, err
		}
		n, err := result.RowsAffected()
		return n > 0, err
	})
}

// queryRow scans the first row and reports whether there is one.
func (s *Store) queryRow(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	return again(ctx, s, func() (bool, error) {
		rows, err := s.db.QueryContext(ctx, query, args...)
		if err != nil {
			return false, err
		}
		defer rows.Close()
		if !rows.Next() {
			return false, rows.Err() // a broken connection is not an absent row
		}
		if err := rows.Scan(dest...); err != nil {
			return false, err
		}
		return true, rows.Close()
	})
}
