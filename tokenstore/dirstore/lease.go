package dirstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// releaseTimeout is how long a release waits for the lock. After that the lease
// expires by itself.
const releaseTimeout = 5 * time.Second

// Lease implements [tokenstore.Leaser] among the processes that share the
// directory, by the computer's clock. A ttl is in whole milliseconds, at least
// one.
func (s *Store) Lease(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	const doing = "taking a lease"
	if err := s.check(ctx, doing, key); err != nil {
		return nil, false, err
	}
	if err := tokenstore.ValidatePurpose(purpose); err != nil {
		return nil, false, fmt.Errorf("dirstore: %s: %w", doing, err)
	}
	name, owner := leaseName(key, purpose), rand.Text()
	err = s.locked(ctx, name, func(*dirLock) error {
		now := time.Now()
		if ok = !s.readLease(name).heldAt(now); !ok {
			return nil
		}
		return s.writeLease(name, lease{now.UnixMilli() + max(ttl.Milliseconds(), 1), owner})
	})
	if err != nil {
		return nil, false, fmt.Errorf("dirstore: %s: %w", doing, err)
	}
	if !ok {
		return nil, false, nil
	}
	return func() { s.release(ctx, name, owner) }, true, nil
}

// release ignores an error: a lease that cannot be released expires.
func (s *Store) release(ctx context.Context, name, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	s.locked(ctx, name, func(*dirLock) error {
		if s.readLease(name).owner != owner {
			return nil
		}
		return os.Remove(s.file(name))
	})
}

type lease struct {
	until int64 // in milliseconds since 1970
	owner string
}

func (l lease) heldAt(t time.Time) bool { return t.UnixMilli() < l.until }

// writeLease writes until, as 8 bytes, and the owner. It does not sync: after a
// power cut no holder is alive.
func (s *Store) writeLease(name string, l lease) error {
	b := binary.BigEndian.AppendUint64(nil, uint64(l.until))
	return os.WriteFile(s.file(name), append(b, l.owner...), 0o600)
}

// readLease returns the zero lease, which has expired, if there is no file, or
// only the part that a process wrote before it died.
func (s *Store) readLease(name string) lease {
	b, err := os.ReadFile(s.file(name))
	if err != nil || len(b) <= 8 {
		return lease{}
	}
	return lease{until: int64(binary.BigEndian.Uint64(b)), owner: string(b[8:])}
}
