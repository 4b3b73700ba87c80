package dirstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A dirLock is the right to change files in a subdirectory. Its holder is the
// only one among all goroutines and processes. It is a flock on the
// subdirectory, so the system releases it when a process dies.
type dirLock struct {
	dir   *os.File
	local chan struct{}
}

// The pause between two attempts to get a lock that another process has.
const (
	minPause = time.Millisecond
	maxPause = 20 * time.Millisecond
)

// lock locks subdirectory n. Goroutines of this process wait for each other on
// a channel, so that at most one of them polls for the flock.
func (s *Store) lock(ctx context.Context, n int) (*dirLock, error) {
	select {
	case s.local[n] <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	dir, err := openLocked(ctx, s.shard(n))
	if err != nil {
		<-s.local[n]
		return nil, err
	}
	return &dirLock{dir, s.local[n]}, nil
}

// openLocked opens and locks a directory. It polls, because a call that waits
// for a flock cannot be interrupted.
func openLocked(ctx context.Context, path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		locked, err := tryFlock(dir)
		if locked {
			return dir, nil
		}
		if err == nil {
			err = sleep(ctx, pause)
		}
		if err != nil {
			dir.Close()
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *dirLock) release() {
	l.dir.Close() // also ends the flock
	<-l.local
}

// locked calls f while it holds the lock of the subdirectory of that file.
func (s *Store) locked(ctx context.Context, name string, f func(*dirLock) error) error {
	lock, err := s.lock(ctx, shardOf(name))
	if err != nil {
		return err
	}
	defer lock.release()
	return f(lock)
}

// write replaces the file with that name in one step. After an error that file
// has the old or the new content.
func (l *dirLock) write(name string, data []byte) error {
	path := filepath.Join(l.dir.Name(), name)
	err := writeSynced(path+tempSuffix, data)
	if err == nil {
		err = os.Rename(path+tempSuffix, path)
	}
	if err != nil {
		os.Remove(path + tempSuffix)
		return err
	}
	return l.dir.Sync()
}

// writeSynced never writes to an existing file: that may have another mode, or
// be a link.
func writeSynced(path string, data []byte) error {
	if err := removeIfThere(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// remove removes the file with that name, and the half-written one that a
// process may have left. It is no error if there is none.
func (l *dirLock) remove(name string) error {
	path := filepath.Join(l.dir.Name(), name)
	if err := errors.Join(removeIfThere(path+tempSuffix), removeIfThere(path)); err != nil {
		return err
	}
	return l.dir.Sync()
}

func removeIfThere(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// clean removes from subdirectory n what processes have left that died:
// half-written files and expired leases. The caller holds the lock, so no living
// process writes one of them.
func (s *Store) clean(n int) error {
	entries, err := os.ReadDir(s.shard(n))
	if err != nil {
		return err
	}
	now := time.Now()
	for _, entry := range entries {
		name := entry.Name()
		if shardOf(name) != n {
			continue // not a file of this package
		}
		if strings.HasSuffix(name, grantSuffix+tempSuffix) || strings.HasSuffix(name, leaseSuffix) && !s.readLease(name).heldAt(now) {
			if err := removeIfThere(s.file(name)); err != nil {
				return err
			}
		}
	}
	return nil
}
