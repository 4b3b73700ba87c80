package tokenstore

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
)

// tidy removes from a folder what processes that died have left. What looks so is
// looked at again under the lock: it may be a living writer's.
func (d *Dir) tidy(n int) error {
	left, err := d.left(n)
	if err != nil || len(left) == 0 {
		return err
	}
	lock, err := d.lock(context.Background(), left[0])
	if err != nil {
		return err
	}
	defer lock.unlock()
	if left, err = d.left(n); err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(d.file(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// left returns the names of files in a folder that nobody needs unless they are
// being written: half-written grants, and leases that have expired.
func (d *Dir) left(n int) (names []string, err error) {
	entries, err := os.ReadDir(d.folder(n))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for _, entry := range entries {
		name := entry.Name()
		if folderOf(name) == n && (strings.HasSuffix(name, grantSuffix+tempSuffix) ||
			strings.HasSuffix(name, leaseSuffix) && !now.Before(d.readLease(name).until)) {
			names = append(names, name)
		}
	}
	return names, nil
}
