// Package dirstore keeps grants in a directory of a local file system, for
// command-line tools and small services.
//
//	store, err := dirstore.Open("/var/lib/myapp/grants")
//	grants, err := tokenstore.New(tokenstore.Config{Store: store, …})
//
// There is nothing to close.
//
// # Files
//
// Each grant is one file that only its owner can read. The files hold the
// tokens in the clear unless a [tokenstore.Sealed] stands in front. A file is
// named after a hash of the key, so every key is a valid file name everywhere.
// Files lie in 16 subdirectories, "0" to "f", by the first digit of their
// name. Keys and Find read all of them.
//
// Save writes a new file beside the old one, syncs it and renames it: after a
// crash or a power cut there is either the old grant or the new one, and what
// Save has acknowledged is on the disk.
//
// # Several processes
//
// Processes that share the directory exclude each other by advisory locks
// (flock) on the subdirectories. A network file system may have no such locks, or
// locks that only the processes of one computer see: then two computers overwrite
// each other's grants. Windows, AIX, Solaris, js and wasip1 have none: there [Open]
// returns an error that wraps [errors.ErrUnsupported].
package dirstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A Store keeps grants in a directory. [Open] makes one. It implements
// [tokenstore.Store], [tokenstore.Lister], [tokenstore.Finder] and
// [tokenstore.Leaser], and is safe for concurrent use.
type Store struct {
	path  string
	local [shards]chan struct{} // each has room for one element: see [Store.lock]
}

var (
	_ tokenstore.Store  = (*Store)(nil)
	_ tokenstore.Lister = (*Store)(nil)
	_ tokenstore.Finder = (*Store)(nil)
	_ tokenstore.Leaser = (*Store)(nil)
)

// shards is the number of subdirectories. Writers of different ones do not wait
// for each other's lock and disk sync.
const shards = 16

// Open opens the directory at path. If it does not exist, Open creates it for
// its owner only.
//
// In an existing directory Open removes other users' permission to read or write
// the subdirectories, which hold the grants, and to write to the directory
// itself, unless that has the sticky bit. It fails where it is not allowed to,
// and where a subdirectory is a symbolic link. It also removes what processes
// have left there that died: half-written files and expired leases.
//
// On a system without flock the error wraps [errors.ErrUnsupported].
func Open(path string) (*Store, error) {
	if !haveFlock {
		return nil, fmt.Errorf("dirstore: opening: %s has no advisory file locks: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("dirstore: opening: %w", err)
	}
	s := &Store{path: path}
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("dirstore: opening: %w", err)
	}
	for n := range shards {
		s.local[n] = make(chan struct{}, 1)
		if err := s.openShard(n); err != nil {
			return nil, fmt.Errorf("dirstore: opening: %w", err)
		}
	}
	return s, nil
}

// openShard makes subdirectory n and cleans it. It locks it in any case, so that
// a file system without locks is noticed now.
func (s *Store) openShard(n int) error {
	if err := makeShard(s.shard(n)); err != nil {
		return err
	}
	lock, err := s.lock(context.Background(), n)
	if err != nil {
		return err
	}
	defer lock.release()
	return s.clean(n)
}

// check returns an error if s was not made by [Open], if ctx has ended, or if
// key is invalid.
func (s *Store) check(ctx context.Context, doing string, key tokenstore.Key) error {
	err := s.checkOpen()
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = key.Validate()
	}
	if err != nil {
		return fmt.Errorf("dirstore: %s: %w", doing, err)
	}
	return nil
}

func (s *Store) checkOpen() error {
	if s.path == "" {
		return errors.New("the Store was not made by Open")
	}
	return nil
}

// Load implements [tokenstore.Store]. If the file cannot be read as a grant, the
// error wraps [tokenstore.ErrSealed]. If the Version in it can be read, Load
// returns that too, so that a sign-in with a new refresh token can replace the
// file.
func (s *Store) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	const doing = "loading a grant"
	if err := s.check(ctx, doing, key); err != nil {
		return tokenstore.Grant{}, err
	}
	g, err := s.load(key)
	if err != nil {
		err = fmt.Errorf("dirstore: %s: %w", doing, err)
	}
	return g, err
}

func (s *Store) load(key tokenstore.Key) (tokenstore.Grant, error) {
	data, err := os.ReadFile(s.file(grantName(key)))
	if errors.Is(err, os.ErrNotExist) {
		// Without the subdirectory it is the volume that is not there.
		if _, err = os.Stat(s.shard(shardOf(grantName(key)))); err == nil {
			err = tokenstore.ErrNotFound
		}
	}
	if err != nil {
		return tokenstore.Grant{}, err
	}
	kept, g, err := decode(data)
	if err == nil && kept != key {
		return tokenstore.Grant{}, errFormat // somebody has renamed the file
	}
	return g, err
}

// Save implements [tokenstore.Store].
func (s *Store) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (version string, err error) {
	const doing = "saving a grant"
	if err := s.check(ctx, doing, key); err != nil {
		return "", err
	}
	replaces := g.Version
	g.Version = rand.Text()
	data, err := encode(key, g)
	if err != nil {
		return "", fmt.Errorf("dirstore: %s: %w", doing, err)
	}
	name := grantName(key)
	err = s.locked(ctx, name, func(lock *dirLock) error {
		kept, err := s.version(key)
		if err != nil {
			return err
		}
		if kept != replaces {
			return tokenstore.ErrConflict
		}
		return lock.write(name, data)
	})
	if err != nil {
		return "", fmt.Errorf("dirstore: %s: %w", doing, err)
	}
	return g.Version, nil
}

// Delete implements [tokenstore.Store].
func (s *Store) Delete(ctx context.Context, key tokenstore.Key, version string) error {
	const doing = "deleting a grant"
	if err := s.check(ctx, doing, key); err != nil {
		return err
	}
	name := grantName(key)
	err := s.locked(ctx, name, func(lock *dirLock) error {
		if version != tokenstore.AnyVersion {
			kept, err := s.version(key)
			if err != nil || kept == "" {
				return err
			}
			if kept != version {
				return tokenstore.ErrConflict
			}
		}
		return lock.remove(name)
	})
	if err != nil {
		return fmt.Errorf("dirstore: %s: %w", doing, err)
	}
	return nil
}

// version returns the version of the kept grant, or "" if there is no file. A
// file whose version cannot be read is an error.
func (s *Store) version(key tokenstore.Key) (string, error) {
	kept, err := s.load(key)
	if kept.Version != "" || errors.Is(err, tokenstore.ErrNotFound) {
		return kept.Version, nil
	}
	return "", err
}
