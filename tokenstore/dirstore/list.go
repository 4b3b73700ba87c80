package dirstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Keys implements [tokenstore.Lister]. It reads all files before it yields the
// first key. A file that cannot be read, or that is not named after the key in
// it, does not hide the others: an error that counts such files comes last.
func (s *Store) Keys(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	return s.matching(ctx, "listing keys", func(key tokenstore.Key, _ tokenstore.Grant) bool {
		return key.Compare(after) > 0
	})
}

// Find implements [tokenstore.Finder]. Like [Store.Keys] it yields an error after
// the keys if files cannot be read.
func (s *Store) Find(ctx context.Context, tokenHash string) iter.Seq2[tokenstore.Key, error] {
	return s.matching(ctx, "finding a token", func(_ tokenstore.Key, g tokenstore.Grant) bool {
		return slices.Contains(g.Hashes(), tokenHash)
	})
}

type matchFunc func(tokenstore.Key, tokenstore.Grant) bool

// matching yields, in order, the keys whose grants match when the iteration
// begins.
func (s *Store) matching(ctx context.Context, doing string, match matchFunc) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		keys, err := s.read(ctx, match)
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
		if err != nil {
			yield(tokenstore.Key{}, fmt.Errorf("dirstore: %s: %w", doing, err))
		}
	}
}

// read returns the keys it has found also with an error about other files.
func (s *Store) read(ctx context.Context, match matchFunc) ([]tokenstore.Key, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	var keys []tokenstore.Key
	var unread int
	var first error
	note := func(err error) {
		if unread++; unread == 1 {
			first = err
		}
	}
	for n := range shards {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entries, err := os.ReadDir(s.shard(n))
		if err != nil {
			note(err)
		}
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), grantSuffix) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			key, g, err := s.readFile(filepath.Join(s.shard(n), entry.Name()))
			if err != nil {
				note(err)
			} else if key != (tokenstore.Key{}) && match(key, g) {
				keys = append(keys, key)
			}
		}
	}
	slices.SortFunc(keys, tokenstore.Key.Compare)
	if unread > 0 {
		return keys, fmt.Errorf("%d files cannot be read, the first: %w", unread, first)
	}
	return keys, nil
}

// readFile returns the zero Key if the file was just deleted. A broken record is
// no error here: the key is that of the file all the same.
func (s *Store) readFile(path string) (tokenstore.Key, tokenstore.Grant, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return tokenstore.Key{}, tokenstore.Grant{}, nil
	}
	if err != nil {
		return tokenstore.Key{}, tokenstore.Grant{}, err
	}
	key, g, _ := decode(data)
	if key == (tokenstore.Key{}) || s.file(grantName(key)) != path {
		return tokenstore.Key{}, tokenstore.Grant{}, fmt.Errorf("%s: %w", path, errFormat)
	}
	return key, g, nil
}
