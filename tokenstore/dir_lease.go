package tokenstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"os"
	"time"
)

// releaseTimeout is how long a release waits for the folder's lock; after that
// the lease expires by itself.
const releaseTimeout = 5 * time.Second

const leaseSuffix = ".lease"

func leaseName(key Key, purpose string) string {
	return fileName(key.ClientID, key.Subject, purpose) + leaseSuffix
}

// Lease implements [Leaser], among the processes that share the folder, by the
// computer's clock.
func (d *Dir) Lease(ctx context.Context, key Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	if err := d.enter(ctx, key); err != nil {
		return nil, false, err
	}
	if err := ValidatePurpose(purpose); err != nil {
		return nil, false, err
	}
	name, owner := leaseName(key, purpose), rand.Text()
	err = d.change(ctx, name, func(lock *folderLock) error {
		now := time.Now()
		if ok = !now.Before(d.readLease(name).until); !ok {
			return nil
		}
		return d.writeLease(name, lease{owner, now.Add(ttl)})
	})
	if err != nil || !ok {
		return nil, false, err
	}
	return func() { d.release(ctx, name, owner) }, true, nil
}

func (d *Dir) release(ctx context.Context, name, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	d.change(ctx, name, func(*folderLock) error { // what cannot be released expires
		if d.readLease(name).owner != owner {
			return nil
		}
		return os.Remove(d.file(name))
	})
}

// The file of a lease: when it ends, in nanoseconds since 1970, and its owner.
// It is not synced: after a power cut nobody holds it anyway.
func (d *Dir) writeLease(name string, l lease) error {
	b := binary.BigEndian.AppendUint64(nil, uint64(l.until.UnixNano()))
	return os.WriteFile(d.file(name), append(b, l.owner...), 0o600)
}

// readLease returns the zero lease where there is none, or one that a process
// died over.
func (d *Dir) readLease(name string) lease {
	b, err := os.ReadFile(d.file(name))
	if err != nil || len(b) <= 8 {
		return lease{}
	}
	return lease{owner: string(b[8:]), until: time.Unix(0, int64(binary.BigEndian.Uint64(b)))}
}
