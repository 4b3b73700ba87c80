package sqlstore

import (
	"context"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Keys implements [tokenstore.Lister]. It reads 100 keys at a time and holds no
// connection while it yields them.
func (s *Store) Keys(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		for last := textBefore(after); ; {
			page, err := s.page(ctx, last)
			if err == nil && len(page) > 0 {
				last = page[len(page)-1]
			}
			more := len(page) == pageSize
			page = slices.DeleteFunc(page, func(key tokenstore.Key) bool { return key.Compare(after) <= 0 })
			if !yieldKeys(page, err, yield) || !more {
				return
			}
		}
	}
}

// textBefore returns after, or the nearest key before it that is a text to the
// database.
func textBefore(after tokenstore.Key) tokenstore.Key {
	clientID := textPrefix(after.ClientID)
	if clientID != after.ClientID {
		return tokenstore.Key{ClientID: clientID}
	}
	return tokenstore.Key{ClientID: clientID, Subject: textPrefix(after.Subject)}
}

// textPrefix cuts s before the first thing that PostgreSQL refuses in a text: a
// NUL or invalid UTF-8.
func textPrefix(s string) string {
	for i, r := range s {
		if r == 0 || r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return s[:i]
		}
	}
	return s
}

func (s *Store) page(ctx context.Context, after tokenstore.Key) ([]tokenstore.Key, error) {
	args := []any{after.ClientID, after.Subject}
	if s.dialect == MySQL {
		args = slices.Insert(args, 0, args[0])
	}
	return s.selectKeys(ctx, "listing keys", s.sql.keys, args...)
}

// Find implements [tokenstore.Finder].
func (s *Store) Find(ctx context.Context, tokenHash string) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		if textPrefix(tokenHash) != tokenHash {
			return // not a hash
		}
		keys, err := s.selectKeys(ctx, "finding a token", s.sql.find, tokenHash, tokenHash)
		yieldKeys(keys, err, yield)
	}
}

func yieldKeys(keys []tokenstore.Key, err error, yield func(tokenstore.Key, error) bool) (more bool) {
	if err != nil {
		yield(tokenstore.Key{}, err)
		return false
	}
	for _, key := range keys {
		if !yield(key, nil) {
			return false
		}
	}
	return true
}

func (s *Store) selectKeys(ctx context.Context, doing, query string, args ...any) ([]tokenstore.Key, error) {
	keys, err := again(ctx, s, func() ([]tokenstore.Key, error) {
		rows, err := s.db.QueryContext(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		var keys []tokenstore.Key
		for rows.Next() {
			var key tokenstore.Key
			if err := rows.Scan(&key.ClientID, &key.Subject); err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
		return keys, rows.Err() // a broken connection is not the end
	})
	if err != nil {
		return nil, failed(ctx, doing, err, args...)
	}
	return keys, nil
}
