package redisstore

import (
	"context"
	"iter"
	"strings"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const rangeScript = `return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])`

// Keys implements [tokenstore.Lister]. It reads all buckets side by side, 50
// keys of each at a time.
func (s *Store) Keys(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		var all [buckets]cursor
		for n := range all {
			all[n] = cursor{store: s, set: s.bucket(n).keys(), last: memberBefore(after)}
		}
		for {
			next, err := least(ctx, &all)
			if err != nil {
				yield(tokenstore.Key{}, failed(ctx, "listing keys", err))
				return
			}
			if next == nil {
				return
			}
			key := parseMember(next.take())
			if key.Compare(after) > 0 && !yield(key, nil) {
				return
			}
		}
	}
}

// memberBefore returns the member after which Keys begins: the one of after, or the
// nearest place before it, if a NUL in after would make it another key's.
func memberBefore(after tokenstore.Key) string {
	clientID, _, cut := strings.Cut(after.ClientID, "\x00")
	if cut {
		return member(tokenstore.Key{ClientID: clientID})
	}
	return member(after)
}

// least returns the cursor with the least key, nil if there are no more keys.
func least(ctx context.Context, all *[buckets]cursor) (*cursor, error) {
	var min *cursor
	for n := range all {
		c := &all[n]
		if err := c.fill(ctx); err != nil {
			return nil, err
		}
		if len(c.page) > 0 && (min == nil || c.page[0] < min.page[0]) {
			min = c
		}
	}
	return min, nil
}

// A cursor is the position of Keys in one bucket.
type cursor struct {
	store *Store
	set   string
	last  string   // the member that was taken last
	page  []string // the members to be taken next
	ended bool     // nothing comes after page
}

const pageSize = "50"

// fill reads the next page if the last one is used up.
func (c *cursor) fill(ctx context.Context) (err error) {
	if len(c.page) > 0 || c.ended {
		return nil
	}
	c.page, err = c.store.list(ctx, rangeScript, []string{c.set}, []string{"(" + c.last, "+", pageSize})
	c.ended = err == nil && len(c.page) == 0
	return err
}

func (c *cursor) take() string {
	c.last, c.page = c.page[0], c.page[1:]
	return c.last
}

// Find implements [tokenstore.Finder].
func (s *Store) Find(ctx context.Context, tokenHash string) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		if strings.Contains(tokenHash, "\x00") {
			return // not a hash, and it would end the range early
		}
		for n := range buckets {
			found, err := s.list(ctx, rangeScript, []string{s.bucket(n).tokens()},
				[]string{"[" + tokenHash + "\x00", "(" + tokenHash + "\x01", "-1"})
			if err != nil {
				yield(tokenstore.Key{}, failed(ctx, "finding a token", err, tokenHash))
				return
			}
			for _, entry := range found {
				_, member, _ := strings.Cut(entry, "\x00")
				if !yield(parseMember(member), nil) {
					return
				}
			}
		}
	}
}
