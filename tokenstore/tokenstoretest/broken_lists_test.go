package tokenstoretest_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

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

// findsFormer never removes a hash from its index, or only with the grant.
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
