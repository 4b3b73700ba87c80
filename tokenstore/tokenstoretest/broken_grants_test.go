package tokenstoretest_test

import (
	"context"
	"errors"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var brokenGrants = []brokenStore{
	{"MissingIsZero", "NotFound", func(h *hooked) {
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			g, err := h.Memory.Load(ctx, key)
			if errors.Is(err, tokenstore.ErrNotFound) {
				err = nil
			}
			return g, err
		}
	}},
	{"MissingIsAnotherError", "NotFound", func(h *hooked) {
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			g, err := h.Memory.Load(ctx, key)
			if errors.Is(err, tokenstore.ErrNotFound) {
				err = errors.New("no rows in result set")
			}
			return g, err
		}
	}},
	{"CreateOverwrites", "CreateOnly", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if g.Version == "" {
				g.Version = h.current(ctx, key)
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"ReplaceOverwrites", "ReplaceStale", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if v := h.current(ctx, key); v != "" && g.Version != "" {
				g.Version = v
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"ReplaceCreates", "ReplaceMissing", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if h.current(ctx, key) == "" {
				g.Version = ""
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"ReplaceKeepsTheFormer", "Replace", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if kept, err := h.Memory.Load(ctx, key); err == nil {
				g.RefreshToken = kept.RefreshToken
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"SaveReturnsNoVersion", "Create", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			_, err := h.Memory.Save(ctx, key, g)
			return "", err
		}
	}},
	{"DeleteDoesNothing", "Delete", func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			if version == tokenstore.AnyVersion {
				return h.Memory.Delete(ctx, key, version)
			}
			return ctx.Err()
		}
	}},
	{"DeleteTakesAnyVersionLiterally", "DeleteAnyVersion", func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			if version == tokenstore.AnyVersion && h.current(ctx, key) != "" {
				return tokenstore.ErrConflict
			}
			return h.Memory.Delete(ctx, key, version)
		}
	}},
	{"DeleteIgnoresVersion", "DeleteStale", func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			if version != "" {
				version = tokenstore.AnyVersion
			}
			return h.Memory.Delete(ctx, key, version)
		}
	}},
	{"DeleteTakesEmptyForAny", "DeleteEmptyVersion", func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			if version == "" {
				version = tokenstore.AnyVersion
			}
			return h.Memory.Delete(ctx, key, version)
		}
	}},
	{"DeleteOfMissingFails", "DeleteMissing", func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			if h.current(noCtx, key) == "" {
				return tokenstore.ErrNotFound
			}
			return h.Memory.Delete(ctx, key, version)
		}
	}},
	{"IgnoresCancel", "Canceled", func(h *hooked) {
		h.load = func(_ context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			return h.Memory.Load(noCtx, key)
		}
	}},
	{"WritesAfterCancel", "Canceled", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			version, err := h.Memory.Save(noCtx, key, g)
			return version, errors.Join(err, ctx.Err())
		}
	}},
	{"IgnoresDeadline", "DeadlineExceeded", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				ctx = noCtx
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
}
