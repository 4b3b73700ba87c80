// Package lazy takes over the grants of an old table one by one, each when its user
// is first seen, in place of a migration of all of them at once. It is a
// [tokenstore.Store] in front of another one:
//
//	grants, err := tokenstore.New(tokenstore.Config{
//		ClientID: clientID,
//		Store: &lazy.Store{
//			Sealed:   &tokenstore.Sealed{Store: rows, Sealer: keyring},
//			ClientID: clientID,
//			DB:       db,
//			Select:   "SELECT refresh_token FROM users WHERE google_sub = $1",
//			Erase:    "UPDATE users SET refresh_token = NULL WHERE google_sub = $1",
//		},
//		…
//	})
//
// The old table needs Google's sub. Where it does not have that yet, write it there
// when a user has signed in, before you call SignIn.
//
// The lists of the store, and so Sweep, Subjects and the look-up of a revoked
// token, have only the users seen so far. Program migrate takes those who are left,
// before Google drops their tokens after six months without use.
package lazy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A Store keeps grants in Sealed. A grant that is not there it takes from the old
// table, once: from then on the record in Sealed is the newer one, whatever the old
// software does. All fields are required. It is safe for concurrent use.
type Store struct {
	// Sealed is the backend's store. Its lists, look-ups and leases are the Store's.
	*tokenstore.Sealed

	// ClientID is the OAuth client to which the grants of the old table belong. For
	// other clients' keys that table is not read.
	ClientID string

	// DB has the old table.
	DB *sql.DB

	// Select returns the refresh token of the user whose sub is its parameter. No row,
	// NULL and an empty text mean that there is none.
	Select string

	// Erase removes what Select returns. Without that, a grant that was deleted would
	// come back from the old table.
	Erase string
}

var (
	_ tokenstore.Store  = (*Store)(nil)
	_ tokenstore.Lister = (*Store)(nil)
	_ tokenstore.Finder = (*Store)(nil)
	_ tokenstore.Leaser = (*Store)(nil)
)

// Load implements [tokenstore.Store].
func (s *Store) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	g, err := s.Sealed.Load(ctx, key)
	if !errors.Is(err, tokenstore.ErrNotFound) || key.ClientID != s.ClientID {
		return g, err
	}
	token, oldErr := s.old(ctx, key)
	switch {
	case oldErr != nil: // which is not ErrNotFound: there may be a grant
		return g, oldErr
	case token == "":
		return g, err
	}
	now := time.Now()
	version, err := s.Sealed.Save(ctx, key, tokenstore.Grant{RefreshToken: token, CreatedAt: now, UpdatedAt: now})
	if err != nil && !errors.Is(err, tokenstore.ErrConflict) { // conflict: a sign-in, or another Load, was first
		return tokenstore.Grant{}, err
	}
	if err == nil {
		// A Delete may have run between old and Save, which must not bring the grant back.
		if token, err := s.old(ctx, key); err == nil && token == "" {
			if err := s.Sealed.Delete(ctx, key, version); err != nil && !errors.Is(err, tokenstore.ErrConflict) {
				return tokenstore.Grant{}, err
			}
		}
	}
	return s.Sealed.Load(ctx, key)
}

// Delete implements [tokenstore.Store]. The old table goes first: if that fails,
// the grant is there as before.
func (s *Store) Delete(ctx context.Context, key tokenstore.Key, version string) error {
	if err := key.Validate(); err == nil && key.ClientID == s.ClientID && version != "" {
		if _, err := s.DB.ExecContext(ctx, s.Erase, key.Subject); err != nil {
			return fmt.Errorf("lazy: erasing the old grant of %s: %w", key.Subject, err)
		}
	}
	return s.Sealed.Delete(ctx, key, version)
}

// old returns the refresh token that the old table has, or "".
func (s *Store) old(ctx context.Context, key tokenstore.Key) (string, error) {
	var token sql.NullString
	err := s.DB.QueryRowContext(ctx, s.Select, key.Subject).Scan(&token)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("lazy: reading the old grant of %s: %w", key.Subject, err)
	}
	return token.String, nil
}
