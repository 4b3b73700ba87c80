package tokenstoretest_test

import (
	"cmp"
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
	{"MissingIsRemembered", "Create", remembersMissing},
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
	{"DeleteOfAnyVersionIgnoresSubject", "DeleteAnyVersion", removesToo(func(key, other tokenstore.Key) bool { return key.ClientID == other.ClientID })},
	{"DeleteOfAnyVersionIgnoresClient", "DeleteAnyVersion", removesToo(func(key, other tokenstore.Key) bool { return key.Subject == other.Subject })},
	{"DeleteOfAnyVersionTakesAPrefix", "KeysKeptApart", removesToo(func(key, other tokenstore.Key) bool {
		return key.ClientID == other.ClientID && strings.HasPrefix(other.Subject, key.Subject)
	})},
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
	{"CanceledIsMissing", "Canceled", func(h *hooked) {
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			if err := ctx.Err(); err != nil {
				return tokenstore.Grant{}, fmt.Errorf("%w: %w", tokenstore.ErrNotFound, err)
			}
			return h.Memory.Load(ctx, key)
		}
	}},
	{"CanceledIsAConflict", "Canceled", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if err := ctx.Err(); err != nil {
				return "", fmt.Errorf("%w: %w", tokenstore.ErrConflict, err)
			}
			return h.Memory.Save(ctx, key, g)
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
	{"LoadReadsTheVersionLater", "NoWriteIsLost", func(h *hooked) {
		h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
			g, err := h.Memory.Load(ctx, key)
			if err == nil {
				time.Sleep(latency)
				g.Version = h.current(ctx, key)
			}
			return g, err
		}
	}},
	{"ReplaceDeletesFirst", "NoWriteIsLost", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if g.Version != "" {
				if v := h.current(ctx, key); v != g.Version || h.Memory.Delete(ctx, key, v) != nil {
					return "", cmp.Or(ctx.Err(), key.Validate(), tokenstore.ErrConflict)
				}
				time.Sleep(latency)
				g.Version = ""
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"LoadsAreRemembered", "NoWriteIsLost", remembersLoads},
	{"DeleteChecksFirst", "DeleteOrReplace", deleteChecksFirst},
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
	{"AllUsersInOneFile", "UsersAtOnce", allInOneFile},
	{"AliasesIn", "CopiedIn", func(h *hooked) { aliases(h, true, false) }},
	{"AliasesOut", "CopiedOut", func(h *hooked) { aliases(h, false, true) }},
}

// removesToo is the bug of a store whose Delete of any version also removes the
// grants of others.
func removesToo(of func(key, other tokenstore.Key) bool) func(*hooked) {
	return func(h *hooked) {
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			err := h.Memory.Delete(ctx, key, version)
			if err == nil && version == tokenstore.AnyVersion {
				for _, other := range collect(h.Memory.Keys(ctx, tokenstore.Key{})) {
					if of(key, other) {
						h.Memory.Delete(ctx, other, version)
					}
				}
			}
			return err
		}
	}
}

// remembersMissing is the bug of a store with a cache that keeps a user unknown.
func remembersMissing(h *hooked) {
	var missing sync.Map
	h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
		if _, ok := missing.Load(key); ok {
			return tokenstore.Grant{}, tokenstore.ErrNotFound
		}
		g, err := h.Memory.Load(ctx, key)
		if errors.Is(err, tokenstore.ErrNotFound) {
			missing.Store(key, true)
		}
		return g, err
	}
}

// remembersLoads is the bug of a store with a cache that no Save changes.
func remembersLoads(h *hooked) {
	var cache sync.Map
	h.load = func(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
		if g, ok := cache.Load(key); ok && ctx.Err() == nil {
			return g.(tokenstore.Grant), nil
		}
		g, err := h.Memory.Load(ctx, key)
		if err == nil {
			cache.Store(key, g)
		}
		return g, err
	}
	h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
		cache.Delete(key)
		return h.Memory.Delete(ctx, key, version)
	}
}

// versions is the bug of a store that counts its versions or computes them.
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

// checksFirst is the bug of a store that compares and saves in two steps.
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

// deleteChecksFirst is the bug of a store that compares and deletes in two steps.
func deleteChecksFirst(h *hooked) {
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
}

// allInOneFile is the bug of a store that reads all users, changes one, and writes
// all.
func allInOneFile(h *hooked) {
	h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
		read := collect(h.Memory.Keys(ctx, tokenstore.Key{}))
		time.Sleep(latency)
		version, err := h.Memory.Save(ctx, key, g)
		for _, other := range collect(h.Memory.Keys(ctx, tokenstore.Key{})) {
			if other != key && !slices.Contains(read, other) { // it is newer than the copy that was read, and is lost
				h.Memory.Delete(ctx, other, tokenstore.AnyVersion)
			}
		}
		return version, err
	}
}

// aliases is the bug of a store that keeps the caller's slices, or returns its own.
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
