package tokenstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// A folderLock is the right to change files in a folder. No other process has
// it: they lock the folder itself, and the system unlocks it when one dies.
type folderLock struct {
	folder *os.File
	turn   chan struct{}
}

// The wait for another process, which cannot be told that it is waited for.
const (
	lockPoll    = time.Millisecond
	lockPollMax = 20 * time.Millisecond
)

// lock locks the folder of name. It waits for its turn in this process first, so
// that at most one goroutine of it polls.
func (d *Dir) lock(ctx context.Context, name string) (*folderLock, error) {
	n := folderOf(name)
	select {
	case d.folders[n] <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	folder, err := lockFolder(ctx, d.folder(n))
	if err != nil {
		<-d.folders[n]
		return nil, err
	}
	return &folderLock{folder, d.folders[n]}, nil
}

func lockFolder(ctx context.Context, path string) (*os.File, error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for wait := lockPoll; ; wait = min(2*wait, lockPollMax) {
		locked, err := tryFlock(folder)
		if locked {
			return folder, nil
		}
		if err == nil {
			err = sleep(ctx, wait)
		}
		if err != nil {
			folder.Close()
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

func (l *folderLock) unlock() {
	l.folder.Close() // releases the lock
	<-l.turn
}

// write replaces the file of that name at once and for good: there is the former
// content or the new one, and after an error either.
func (l *folderLock) write(name string, data []byte) error {
	path := filepath.Join(l.folder.Name(), name)
	if err := writeSynced(path+tempSuffix, data); err != nil {
		return err
	}
	if err := os.Rename(path+tempSuffix, path); err != nil {
		return err
	}
	return l.folder.Sync()
}

// tempSuffix marks what is not complete yet. Only the holder of the lock has one,
// so what a process that died has left is removed by the next that writes the
// same file, or by [OpenDir].
const tempSuffix = ".new"

// writeSynced never writes to a file that is there: that may have another mode,
// or be a link to elsewhere.
func writeSynced(path string, data []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// remove removes the file of that name, and what a process that died while it
// wrote has left of one. That there is none is no error.
func (l *folderLock) remove(name string) error {
	path := filepath.Join(l.folder.Name(), name)
	for _, path := range []string{path + tempSuffix, path} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return l.folder.Sync()
}
