package tokenstore

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Keys implements [Lister]. It reads all files before the first key.
func (d *Dir) Keys(ctx context.Context, after Key) iter.Seq2[Key, error] {
	return d.yield(ctx, func(key Key, _ Grant) bool { return key.Compare(after) > 0 })
}

// Find implements [Finder].
func (d *Dir) Find(ctx context.Context, tokenHash string) iter.Seq2[Key, error] {
	return d.yield(ctx, func(_ Key, g Grant) bool { return slices.Contains(g.Hashes(), tokenHash) })
}

// yield yields the keys of the files that match when the iteration begins, in
// order.
func (d *Dir) yield(ctx context.Context, match func(Key, Grant) bool) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		keys, err := d.matching(ctx, match)
		if err != nil {
			yield(Key{}, dirError("listing", err))
			return
		}
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func (d *Dir) matching(ctx context.Context, match func(Key, Grant) bool) ([]Key, error) {
	if d.path == "" {
		return nil, errDirNotOpened
	}
	var keys []Key
	for n := range d.folders {
		entries, err := os.ReadDir(d.folder(n))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), grantSuffix) {
				continue
			}
			key, g, err := readGrantFile(ctx, filepath.Join(d.folder(n), entry.Name()))
			if err != nil {
				return nil, err
			}
			if key != (Key{}) && match(key, g) {
				keys = append(keys, key)
			}
		}
	}
	slices.SortFunc(keys, Key.Compare)
	return keys, nil
}

// readGrantFile returns the zero Key for a file that has just been deleted. A
// record that cannot be read belongs to its key all the same.
func readGrantFile(ctx context.Context, path string) (Key, Grant, error) {
	if err := ctx.Err(); err != nil {
		return Key{}, Grant{}, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Key{}, Grant{}, nil
	}
	if err != nil {
		return Key{}, Grant{}, err
	}
	key, g, err := parseGrantFile(data)
	if key != (Key{}) {
		return key, g, nil
	}
	return Key{}, Grant{}, err
}
