package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const (
	// A client that runs the script again may already be the owner.
	leaseScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`
	releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`
)

// releaseTimeout is how long release waits for the server. After that the lease
// expires by itself.
const releaseTimeout = 5 * time.Second

// Lease implements [tokenstore.Leaser] with a key that has an owner and a TTL.
func (s *Store) Lease(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	const doing = "taking a lease"
	if err := cmp.Or(key.Validate(), tokenstore.ValidatePurpose(purpose)); err != nil {
		return nil, false, fmt.Errorf("redisstore: %s: %w", doing, err)
	}
	names, owner := s.bucketOf(key).lease(key, purpose), rand.Text()
	milliseconds := strconv.FormatInt(max(ttl.Milliseconds(), 1), 10)
	taken, err := s.run(ctx, leaseScript, names, []string{owner, milliseconds})
	if err != nil {
		return nil, false, failed(ctx, doing, err, key.ClientID, key.Subject)
	}
	if taken == 0 {
		return nil, false, nil
	}
	return func() { s.release(ctx, names, owner) }, true, nil
}

// release ignores an error: a lease that cannot be released expires.
func (s *Store) release(ctx context.Context, names []string, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	s.run(ctx, releaseScript, names, []string{owner})
}
