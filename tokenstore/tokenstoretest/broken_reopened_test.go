package tokenstoretest_test

import (
	"context"
	"sync"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// brokenReopened have bugs that only [tokenstoretest.Reopen] can find. Each call of
// a bug is another process with the same database.
var brokenReopened = []brokenStore{
	{"ForgetsAll", "Read", func(h *hooked) { *h = *sound(new(tokenstore.Memory)) }},
	{"DeletesNothing", "Read", func(h *hooked) {
		h.remove = func(ctx context.Context, _ tokenstore.Key, _ string) error { return ctx.Err() }
	}},
	{"ListIsInMemory", "Read", func(h *hooked) { h.keys = new(tokenstore.Memory).Keys }},
	{"FindIsInMemory", "Read", func(h *hooked) { h.find = new(tokenstore.Memory).Find }},
	{"ReplaceOverwrites", "Replace", func(h *hooked) {
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			if g.Version != "" {
				g.Version = h.current(ctx, key)
			}
			return h.Memory.Save(ctx, key, g)
		}
	}},
	{"LoadsAreRemembered", "TwoAtOnce", remembersLoads},
	{"MissingIsRemembered", "TwoAtOnce", remembersMissing},
	{"LeaseIsInMemory", "TwoAtOnce", func(h *hooked) { h.lease = new(tokenstore.Memory).Lease }},
	{"CreateLocksInProcess", "TwoRace/OneCreates", locksInProcess(checksFirst)},
	{"ReplaceLocksInProcess", "TwoRace/OneReplaces", locksInProcess(checksFirst)},
	{"SaveLocksInProcess", "TwoRace/NoWriteIsLost", locksInProcess(checksFirst)},
	{"DeleteLocksInProcess", "TwoRace/DeleteOrReplace", locksInProcess(deleteChecksFirst)},
	{"FileLocksInProcess", "TwoRace/UsersAtOnce", locksInProcess(allInOneFile)},
}

// locksInProcess hides a bug from the other goroutines of the process.
func locksInProcess(bug func(*hooked)) func(*hooked) {
	return func(h *hooked) {
		bug(h)
		var mu sync.Mutex
		save, remove := h.save, h.remove
		h.save = func(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			return save(ctx, key, g)
		}
		h.remove = func(ctx context.Context, key tokenstore.Key, version string) error {
			mu.Lock()
			defer mu.Unlock()
			return remove(ctx, key, version)
		}
	}
}
