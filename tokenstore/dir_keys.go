package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Keys implements [Lister]. It reads all files before the first key. Those that
// cannot be read, or are not named after the key inside, do not hide the others:
// the error that counts them comes last.
func (d *Dir) Keys(ctx context.Context, after Key) iter.Seq2[Key, error] {
	return d.yield(ctx, func(key Key, _ Grant) bool { return key.Compare(after) > 0 })
}

// Find implements [Finder]. Files that cannot be read are an error, as for
// [Dir.Keys], after what was found.
func (d *Dir) Find(ctx context.Context, tokenHash string) iter.Seq2[Key, error] {
	return d.yield(ctx, func(_ Key, g Grant) bool { return slices.Contains(g.Hashes(), tokenHash) })
}

// yield yields the keys of the files that match when the iteration begins, in
// order.
func (d *Dir) yield(ctx context.Context, match func(Key, Grant) bool) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		keys, err := d.matching(ctx, match)
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
		if err != nil {
			yield(Key{}, dirError("listing", err))
		}
	}
}

// matching returns what it can also where there is an error.
func (d *Dir) matching(ctx context.Context, match func(Key, Grant) bool) ([]Key, error) {
	if d.path == "" {
		return nil, errDirNotOpened
	}
	var keys []Key
	var unread unreadFiles
	for n := range d.folders {
		entries, err := os.ReadDir(d.folder(n))
		if err != nil {
			unread.add(err)
		}
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), grantSuffix) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			key, g, err := d.readGrantFile(filepath.Join(d.folder(n), entry.Name()))
			if err != nil {
				unread.add(err)
			} else if key != (Key{}) && match(key, g) {
				keys = append(keys, key)
			}
		}
	}
	slices.SortFunc(keys, Key.Compare)
	return keys, unread.error()
}

// readGrantFile returns the zero Key for a file that has just been deleted. A
// record that cannot be read belongs to its key all the same.
func (d *Dir) readGrantFile(path string) (Key, Grant, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Key{}, Grant{}, nil
	}
	if err != nil {
		return Key{}, Grant{}, err
	}
	key, g, _ := parseGrantFile(data)
	if key == (Key{}) || d.file(grantName(key)) != path {
		return Key{}, Grant{}, fmt.Errorf("%s: %w", path, errGrantFile)
	}
	return key, g, nil
}

// unreadFiles counts what could not be read.
type unreadFiles struct {
	n     int
	first error
}

func (u *unreadFiles) add(err error) {
	if u.n++; u.n == 1 {
		u.first = err
	}
}

func (u *unreadFiles) error() error {
	if u.n == 0 {
		return nil
	}
	return fmt.Errorf("%d cannot be read, the first: %w", u.n, u.first)
}
