package tokenstoretest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var brokenLeases = []brokenStore{
	{"LeaseForEverybody", "LeaseExcludes", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, _ string, _ time.Duration) (func(), bool, error) {
			err := errors.Join(ctx.Err(), key.Validate())
			return func() {}, err == nil, err
		}
	}},
	{"LeaseMakesAGrant", "LeaseExcludes", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			release, ok, err := h.Memory.Lease(ctx, key, purpose, ttl)
			if ok {
				h.Memory.Save(ctx, key, tokenstore.Grant{})
			}
			return release, ok, err
		}
	}},
	{"LeaseIgnoresPurpose", "LeaseOthers", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, _ string, ttl time.Duration) (func(), bool, error) {
			return h.Memory.Lease(ctx, key, "any", ttl)
		}
	}},
	{"LeaseIgnoresClient", "LeaseOthers", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			if key.Validate() == nil {
				key.ClientID = "any"
			}
			return h.Memory.Lease(ctx, key, purpose, ttl)
		}
	}},
	{"LeaseJoinsNames", "LeaseOthers", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			if err := key.Validate(); err != nil {
				return nil, false, err
			}
			return h.Memory.Lease(ctx, jane, purpose+":"+key.ClientID+":"+key.Subject, ttl)
		}
	}},
	{"LeaseTakesAnyPurpose", "LeasePurposes", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			return h.Memory.Lease(ctx, key, fmt.Sprintf("%x", sha256.Sum256([]byte(purpose))), ttl)
		}
	}},
	{"LeaseCutsPurpose", "LeasePurposes", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			return h.Memory.Lease(ctx, key, purpose[:min(len(purpose), 254)], ttl)
		}
	}},
	{"LeaseIsNotReleased", "LeaseRelease", leaseReleases(func(context.Context, func()) {})},
	{"LeaseReleaseCanBeCanceled", "LeaseReleaseCanceled", leaseReleases(func(ctx context.Context, release func()) {
		if ctx.Err() == nil {
			release()
		}
	})},
	{"LeaseReleasesAnothers", "LeaseExpires", func(h *hooked) {
		var mu sync.Mutex
		last := map[string]func(){}
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			mu.Lock()
			defer mu.Unlock()
			release, ok, err := h.Memory.Lease(ctx, key, purpose, ttl)
			if !ok {
				return nil, false, err
			}
			name := fmt.Sprint(key, purpose)
			last[name] = release
			return func() {
				mu.Lock()
				defer mu.Unlock()
				last[name]()
			}, true, nil
		}
	}},
	{"LeaseIsForever", "LeaseExpires", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, _ time.Duration) (func(), bool, error) {
			return h.Memory.Lease(ctx, key, purpose, time.Hour)
		}
	}},
	{"LeaseIsShort", "LeaseLasts", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			return h.Memory.Lease(ctx, key, purpose, min(ttl, 400*time.Millisecond))
		}
	}},
	{"LeaseIsTwoSeconds", "LeaseLasts", func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			return h.Memory.Lease(ctx, key, purpose, min(ttl, 2*time.Second))
		}
	}},
	{"LeaseChecksFirst", "LeaseOneHolder", func(h *hooked) {
		var mu sync.Mutex
		held := map[string]bool{}
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			if err := errors.Join(ctx.Err(), key.Validate()); err != nil {
				return nil, false, err
			}
			name := fmt.Sprint(key, purpose)
			mu.Lock()
			taken := held[name]
			mu.Unlock()
			if taken {
				return nil, false, nil
			}
			time.Sleep(latency)
			mu.Lock()
			held[name] = true
			mu.Unlock()
			return func() {
				mu.Lock()
				defer mu.Unlock()
				held[name] = false
			}, true, nil
		}
	}},
	{"LeaseLocksTheGrant", "LeaseAndGrant", func(h *hooked) {
		var mu sync.Mutex
		held := map[tokenstore.Key]bool{}
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			release, ok, err := h.Memory.Lease(ctx, key, purpose, ttl)
			mu.Lock()
			defer mu.Unlock()
			held[key] = held[key] || ok
			return release, ok, err
		}
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			mu.Lock()
			defer mu.Unlock()
			if held[key] {
				return tokenstore.ErrConflict
			}
			return h.Memory.Delete(ctx, key, version)
		}
	}},
	{"LeaseIgnoresCancel", "LeaseCanceled", func(h *hooked) {
		h.lease = func(_ context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			return h.Memory.Lease(noCtx, key, purpose, ttl)
		}
	}},
}

func leaseReleases(how func(ctx context.Context, release func())) func(*hooked) {
	return func(h *hooked) {
		h.lease = func(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
			release, ok, err := h.Memory.Lease(ctx, key, purpose, ttl)
			if !ok {
				return nil, false, err
			}
			return func() { how(ctx, release) }, true, nil
		}
	}
}
