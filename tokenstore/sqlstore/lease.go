package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// releaseTimeout is how long release waits for the database; after that the
// lease expires by itself.
const releaseTimeout = 5 * time.Second

// Lease implements [tokenstore.Leaser] with a row that has an owner and an
// expiry. It uses the database's clock, so the clocks of the processes need not
// agree. A lease that is taken in a transaction is of no use: other processes see
// it only after the commit.
func (s *Store) Lease(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	const doing = "taking a lease"
	if err := cmp.Or(key.Validate(), tokenstore.ValidatePurpose(purpose)); err != nil {
		return nil, false, fmt.Errorf("sqlstore: %s: %w", doing, err)
	}
	// The release may come when the memory of a request is another one's.
	lease := []any{strings.Clone(key.ClientID), strings.Clone(key.Subject), strings.Clone(purpose)}
	owner := rand.Text()
	args := append(lease[:3:3], owner, max(ttl.Milliseconds(), 1))
	ok, err = s.acquire(ctx, lease, owner, args)
	if err != nil {
		return nil, false, failed(ctx, doing, err, args...)
	}
	if !ok {
		return nil, false, nil
	}
	return func() { s.release(ctx, append(lease[:3:3], owner)) }, true, nil
}

// acquire reports whether owner has the lease. The number of changed rows that
// MySQL reports depends on a setting of the driver (clientFoundRows), so there
// acquire reads the row.
func (s *Store) acquire(ctx context.Context, lease []any, owner string, args []any) (bool, error) {
	changed, err := s.exec(ctx, s.sql.acquire, args...)
	if err != nil || s.dialect != MySQL {
		return changed, err
	}
	var holder string
	_, err = s.queryRow(ctx, s.sql.holder, lease, &holder)
	return holder == owner, err
}

// release ignores an error: a lease that cannot be released expires.
func (s *Store) release(ctx context.Context, args []any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	s.exec(ctx, s.sql.release, args...)
}
