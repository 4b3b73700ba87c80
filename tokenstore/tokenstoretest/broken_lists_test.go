package tokenstoretest_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var brokenLists = []brokenStore{
	{"ListUnordered", "List", func(h *hooked) {
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			keys := collect(h.Memory.Keys(ctx, after))
			slices.SortFunc(keys, func(a, b tokenstore.Key) int { return strings.Compare(a.Subject, b.Subject) })
			return yields(keys...)
		}
	}},
	{"ListFromCursor", "ListAfter", func(h *hooked) {
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			keys := collect(h.Memory.Keys(ctx, after))
			if h.current(ctx, after) != "" {
				keys = slices.Insert(keys, 0, after)
			}
			return yields(keys...)
		}
	}},
	{"ListRefusesNoKey", "ListAfterNoKey", func(h *hooked) {
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			if !utf8.ValidString(after.ClientID + after.Subject) {
				return fails(errors.New("invalid byte sequence for encoding"))
			}
			return h.Memory.Keys(ctx, after)
		}
	}},
	{"ListJoinsCursor", "ListAfterNoKey", func(h *hooked) {
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			after.ClientID, after.Subject, _ = strings.Cut(after.ClientID+"\x00"+after.Subject, "\x00")
			return h.Memory.Keys(ctx, after)
		}
	}},
	{"ListOnePage", "ListPages", func(h *hooked) {
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			return filter(h.Memory.Keys(ctx, after), func(n int, _ tokenstore.Key) bool { return n <= 100 })
		}
	}},
	{"ListKeepsDeleted", "ListDeleted", func(h *hooked) {
		var mu sync.Mutex
		var deleted []tokenstore.Key
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			mu.Lock()
			defer mu.Unlock()
			deleted = append(deleted, key)
			return h.Memory.Delete(ctx, key, version)
		}
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			mu.Lock()
			defer mu.Unlock()
			keys := append(collect(h.Memory.Keys(ctx, after)), deleted...)
			slices.SortFunc(keys, tokenstore.Key.Compare)
			return yields(slices.Compact(keys)...)
		}
	}},
	{"ListsRefused", "ListAfterConflict", func(h *hooked) {
		var mu sync.Mutex
		var refused []tokenstore.Key
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			version, err := h.Memory.Save(ctx, key, g)
			if errors.Is(err, tokenstore.ErrConflict) {
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, key)
			}
			return version, err
		}
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			mu.Lock()
			defer mu.Unlock()
			keys := append(collect(h.Memory.Keys(ctx, after)), refused...)
			slices.SortFunc(keys, tokenstore.Key.Compare)
			return yields(slices.Compact(keys)...)
		}
	}},
	{"ListForgetsWhatStays", "ListAfterConflict", func(h *hooked) {
		forgotten := forgets(h)
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			return filter(h.Memory.Keys(ctx, after), func(_ int, key tokenstore.Key) bool { return !forgotten(key) })
		}
	}},
	{"ListByOffset", "ListDuringWrites", func(h *hooked) {
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			return func(yield func(tokenstore.Key, error) bool) {
				for n := 0; ; n++ {
					keys := collect(h.Memory.Keys(ctx, after))
					if err := ctx.Err(); err != nil {
						yield(tokenstore.Key{}, err)
						return
					}
					if n >= len(keys) || !yield(keys[n], nil) {
						return
					}
				}
			}
		}
	}},
	{"ListIgnoresCancel", "ListCanceled", func(h *hooked) {
		h.keys = func(_ context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			return h.Memory.Keys(noCtx, after)
		}
	}},
	{"ListEndsWithItsContext", "ListCanceledMidway", func(h *hooked) {
		h.keys = func(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			return func(yield func(tokenstore.Key, error) bool) {
				n := 0
				for key, err := range h.Memory.Keys(ctx, after) {
					if n++; err != nil && n > 1 || !yield(key, err) {
						return
					}
				}
			}
		}
	}},

	{"FindRefusesNoHash", "Find", func(h *hooked) {
		h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			if !utf8.ValidString(hash) {
				return fails(errors.New("invalid byte sequence for encoding"))
			}
			return h.Memory.Find(ctx, hash)
		}
	}},
	{"FindsRefused", "FindAfterConflict", func(h *hooked) {
		var mu sync.Mutex
		refused := map[string]tokenstore.Key{}
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			version, err := h.Memory.Save(ctx, key, g)
			if errors.Is(err, tokenstore.ErrConflict) {
				refused[tokenstore.TokenHash(g.RefreshToken)] = key
			}
			return version, err
		}
		h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			mu.Lock()
			defer mu.Unlock()
			if key, ok := refused[hash]; ok {
				return yields(key)
			}
			return h.Memory.Find(ctx, hash)
		}
	}},
	{"FindForgetsWhatStays", "FindAfterConflict", func(h *hooked) {
		forgotten := forgets(h)
		h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			return filter(h.Memory.Find(ctx, hash), func(_ int, key tokenstore.Key) bool { return !forgotten(key) })
		}
	}},
	{"FindsNoPrefix", "Find", func(h *hooked) {
		h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			return filter(h.Memory.Find(ctx, hash), func(_ int, key tokenstore.Key) bool {
				g, _ := h.Memory.Load(noCtx, key)
				return tokenstore.TokenHash(g.RefreshToken) == hash
			})
		}
	}},
	{"FindsOne", "FindSeveral", func(h *hooked) {
		h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			return filter(h.Memory.Find(ctx, hash), func(n int, _ tokenstore.Key) bool { return n == 1 })
		}
	}},
	{"FindsFormer", "FindReplaced", func(h *hooked) { findsFormer(h, false) }},
	{"FindsDeleted", "FindDeleted", func(h *hooked) { findsFormer(h, true) }},
	{"FindsEnvelopes", "FindSealed", func(h *hooked) {
		h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			return filter(h.Memory.Find(ctx, hash), func(_ int, key tokenstore.Key) bool {
				g, _ := h.Memory.Load(noCtx, key)
				return slices.Contains(exported(g).Hashes(), hash)
			})
		}
	}},
	{"FindsNoToken", "FindNoToken", func(h *hooked) {
		h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			if hash == tokenstore.TokenHash("") {
				return h.Memory.Keys(ctx, tokenstore.Key{})
			}
			return h.Memory.Find(ctx, hash)
		}
	}},
	{"FindIgnoresCancel", "FindCanceled", func(h *hooked) {
		h.find = func(_ context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
			return h.Memory.Find(noCtx, hash)
		}
	}},
}

// forgets is the bug of a store whose refused Delete removes the user from an
// index. forgotten reports for which users that has happened.
func forgets(h *hooked) (forgotten func(tokenstore.Key) bool) {
	var gone sync.Map
	h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
		err := h.Memory.Delete(ctx, key, version)
		if errors.Is(err, tokenstore.ErrConflict) {
			gone.Store(key, true)
		}
		return err
	}
	return func(key tokenstore.Key) bool {
		_, ok := gone.Load(key)
		return ok
	}
}

func fails(err error) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) { yield(tokenstore.Key{}, err) }
}

func filter(keys iter.Seq2[tokenstore.Key, error], keep func(n int, key tokenstore.Key) bool) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		n := 0
		for key, err := range keys {
			if n++; err != nil || keep(n, key) {
				if !yield(key, err) {
					return
				}
			}
		}
	}
}

func yields(keys ...tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func collect(keys iter.Seq2[tokenstore.Key, error]) (all []tokenstore.Key) {
	for key, err := range keys {
		if err == nil {
			all = append(all, key)
		}
	}
	return all
}

// findsFormer is the bug of a store that never removes a hash from its index, or
// removes it only with the grant.
func findsFormer(h *hooked, deleted bool) {
	var mu sync.Mutex
	index := map[string][]tokenstore.Key{}
	h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, hash := range g.Hashes() {
			if !slices.Contains(index[hash], key) {
				index[hash] = append(index[hash], key)
			}
		}
		return h.Memory.Save(ctx, key, g)
	}
	h.find = func(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return h.Memory.Find(ctx, hash)
		}
		return filter(yields(slices.Clone(index[hash])...), func(_ int, key tokenstore.Key) bool {
			return deleted || h.current(noCtx, key) != ""
		})
	}
}
