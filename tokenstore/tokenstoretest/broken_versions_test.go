package tokenstoretest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var brokenVersions = []brokenStore{
	{"VersionIsAHash", "VersionChanges", versions(func(_ tokenstore.Key, _ string, g tokenstore.Grant) string {
		b, _ := g.MarshalBinary()
		return fmt.Sprintf("%x", sha256.Sum256(b))
	})},
	{"VersionIsACounter", "VersionsNeverReturn", versions(func(_ tokenstore.Key, former string, _ tokenstore.Grant) string {
		n, _ := strconv.Atoi(former)
		return strconv.Itoa(n + 1)
	})},
	{"VersionIsACounterToo", "FormerLife", versions(func(_ tokenstore.Key, former string, _ tokenstore.Grant) string {
		return former + "I"
	})},
	{"VersionIsAPrefix", "VersionIsNotAPattern", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if v := h.current(ctx, key); g.Version != "" && strings.HasPrefix(v, g.Version) {
				g.Version = v
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"VersionIgnoresSpace", "VersionIsNotAPattern", func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			return h.Memory.Delete(ctx, key, strings.TrimRight(version, " "))
		}
	}},
	{"SaveTakesAnyVersion", "VersionIsNotAPattern", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if g.Version == tokenstore.AnyVersion {
				g.Version = h.current(ctx, key)
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},

	{"CreateChecksFirst", "OneCreates", checksFirst},
	{"ReplaceChecksFirst", "OneReplaces", checksFirst},
	{"SaveChecksFirst", "NoWriteIsLost", checksFirst},
	{"DeleteChecksFirst", "DeleteOrReplace", func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			if version != tokenstore.AnyVersion {
				if v := h.current(ctx, key); v != "" && v != version {
					return tokenstore.ErrConflict
				}
			}
			time.Sleep(3 * latency)
			return h.Memory.Delete(ctx, key, tokenstore.AnyVersion)
		}
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			time.Sleep(latency)
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"CreateLooksLater", "CreateOrDelete", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			version, err := h.Memory.Save(ctx, key, g)
			if g.Version == "" && errors.Is(err, tokenstore.ErrConflict) {
				time.Sleep(latency)
				if h.current(ctx, key) == "" {
					err = errors.New("duplicate key")
				}
			}
			return version, err
		}
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			time.Sleep(latency)
			return h.Memory.Delete(ctx, key, version)
		}
	}},
	{"AllUsersInOneFile", "UsersAtOnce", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			read := collect(h.Memory.Keys(ctx, tokenstore.Key{}))
			time.Sleep(latency)
			version, err := h.Memory.Save(ctx, key, g)
			for _, other := range collect(h.Memory.Keys(ctx, tokenstore.Key{})) {
				if other != key && !slices.Contains(read, other) { // has come since, and is written over
					h.Memory.Delete(ctx, other, tokenstore.AnyVersion)
				}
			}
			return version, err
		}
	}},
	{"AliasesIn", "CopiedIn", func(h *hooked) { aliases(h, true, false) }},
	{"AliasesOut", "CopiedOut", func(h *hooked) { aliases(h, false, true) }},
}

// versions is the bug of a store that counts or computes its versions.
func versions(next func(key tokenstore.Key, former string, g tokenstore.Grant) string) func(*hooked) {
	return func(h *hooked) {
		var mu sync.Mutex
		inner, outer := map[tokenstore.Key]string{}, map[tokenstore.Key]string{}
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			mu.Lock()
			defer mu.Unlock()
			g, err := h.Memory.Load(ctx, key)
			g.Version = outer[key]
			return g, err
		}
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if g.Version != outer[key] {
				g.Version = "stale"
			} else {
				g.Version = inner[key]
			}
			version, err := h.Memory.Save(ctx, key, g)
			if err == nil {
				inner[key], outer[key] = version, next(key, outer[key], g)
			}
			return outer[key], err
		}
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			mu.Lock()
			defer mu.Unlock()
			switch version {
			case tokenstore.AnyVersion:
			case outer[key]:
				version = inner[key]
			default:
				version = "stale"
			}
			err := h.Memory.Delete(ctx, key, version)
			if err == nil {
				delete(inner, key)
				delete(outer, key)
			}
			return err
		}
	}
}

// checksFirst is the bug of two steps where one is needed.
func checksFirst(h *hooked) {
	h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
		if err := errors.Join(ctx.Err(), key.Validate()); err != nil {
			return "", err
		}
		if h.current(ctx, key) != g.Version {
			return "", tokenstore.ErrConflict
		}
		time.Sleep(latency)
		for {
			g.Version = h.current(ctx, key)
			if version, err := h.Memory.Save(ctx, key, g); err == nil {
				return version, nil
			}
		}
	}
}

// aliases keeps the caller's slices, or gives away its own.
func aliases(h *hooked, in, out bool) {
	var mu sync.Mutex
	scopes := map[tokenstore.Key][]string{}
	h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
		version, err := h.Memory.Save(ctx, key, g)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			scopes[key] = slices.Clone(g.Scopes)
			if in {
				scopes[key] = g.Scopes
			}
		}
		return version, err
	}
	h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
		g, err := h.Memory.Load(ctx, key)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			g.Scopes = slices.Clone(scopes[key])
			if out {
				g.Scopes = scopes[key]
			}
		}
		return g, err
	}
}
