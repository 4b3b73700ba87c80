package tokenstoretest_test

import (
	"context"
	"iter"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// hooked is a sound store of which methods can be replaced.
type hooked struct {
	*tokenstore.Memory
	load   func(context.Context, tokenstore.Key) (tokenstore.Grant, error)
	save   func(context.Context, tokenstore.Key, tokenstore.Grant) (string, error)
	remove func(context.Context, tokenstore.Key, string) error
	keys   func(context.Context, tokenstore.Key) iter.Seq2[tokenstore.Key, error]
	find   func(context.Context, string) iter.Seq2[tokenstore.Key, error]
	lease  func(context.Context, tokenstore.Key, string, time.Duration) (func(), bool, error)
}

func (h *hooked) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	return h.load(ctx, key)
}

func (h *hooked) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
	return h.save(ctx, key, g)
}

func (h *hooked) Delete(ctx context.Context, key tokenstore.Key, version string) error {
	return h.remove(ctx, key, version)
}

func (h *hooked) Keys(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	return h.keys(ctx, after)
}

func (h *hooked) Find(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
	return h.find(ctx, hash)
}

func (h *hooked) Lease(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
	return h.lease(ctx, key, purpose, ttl)
}

func sound() *hooked {
	m := new(tokenstore.Memory)
	return &hooked{m, m.Load, m.Save, m.Delete, m.Keys, m.Find, m.Lease}
}

// current is the version that a store has, "" for none.
func (h *hooked) current(ctx context.Context, key tokenstore.Key) string {
	g, _ := h.Memory.Load(ctx, key)
	return g.Version
}

// noCtx calls what ignores its context.
var noCtx = context.Background()
