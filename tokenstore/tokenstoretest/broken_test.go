package tokenstoretest_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

// latency is that of a slow database. It makes the time between two steps of a
// broken store long enough for another writer, also on a busy machine.
const latency = 5 * time.Millisecond

type brokenStore struct {
	name  string
	fails string // the case that must find the bug; others may find it too
	bug   func(*hooked)
}

func allBroken() []brokenStore {
	return slices.Concat(brokenGrants, brokenVersions, brokenValues, brokenLists, brokenLeases, brokenWrappers)
}

const runBroken = "TOKENSTORETEST_RUN_BROKEN"

func TestBrokenStores(t *testing.T) {
	t.Parallel()
	cases := wantBugsFound(t, allBroken(), func(t *testing.T, b brokenStore) {
		tokenstoretest.Run(t, func(*testing.T) tokenstore.Store {
			h := sound(new(tokenstore.Memory))
			b.bug(h)
			return h
		})
	})
	for _, b := range allBroken() {
		delete(cases, b.fails)
	}
	for name := range cases {
		t.Errorf("there is no broken store for the case %s", name)
	}
}

func TestBrokenReopened(t *testing.T) {
	t.Parallel()
	wantBugsFound(t, brokenReopened, func(t *testing.T, b brokenStore) {
		var disk tokenstore.Memory
		tokenstoretest.Reopen(t, func(*testing.T) tokenstore.Store {
			h := sound(&disk)
			b.bug(h)
			return h
		})
	})
}

// wantBugsFound runs the calling test as a program in which each broken store must
// fail, and reads in its output which cases have found the bug. It returns the
// names of all cases.
func wantBugsFound(t *testing.T, broken []brokenStore, run func(*testing.T, brokenStore)) (cases map[string]bool) {
	t.Helper()
	if os.Getenv(runBroken) != "" {
		for _, b := range broken {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				run(t, b)
			})
		}
		return nil
	}

	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m", "-test.parallel=128")
	cmd.Env = append(os.Environ(), runBroken+"=1")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Fatalf("the broken stores' run ends with %v:\n%s", err, out)
	}
	results := regexp.MustCompile(`--- (PASS|FAIL): `+t.Name()+`/(\w+)/([\w/]+) `).FindAllStringSubmatch(string(out), -1)
	failed := map[string]bool{}
	cases = map[string]bool{}
	for _, r := range results {
		cases[r[3]] = true
		failed[r[2]+"/"+r[3]] = r[1] == "FAIL"
	}
	for _, b := range broken {
		if !failed[b.name+"/"+b.fails] {
			t.Errorf("%s does not find the bug of %s", b.fails, b.name)
		}
	}
	return cases
}

// hooked is a correct store whose methods can be replaced.
type hooked struct {
	*tokenstore.Memory
	inner  tokenstore.Store // that Unwrap returns
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

func sound(m *tokenstore.Memory) *hooked {
	return &hooked{m, m, m.Load, m.Save, m.Delete, m.Keys, m.Find, m.Lease}
}

func (h *hooked) Unwrap() tokenstore.Store { return h.inner }

// current returns the kept version, "" for none.
func (h *hooked) current(ctx context.Context, key tokenstore.Key) string {
	g, _ := h.Memory.Load(ctx, key)
	return g.Version
}

// noCtx is for calls that ignore their context.
var noCtx = context.Background()

var brokenWrappers = []brokenStore{
	{"ListIsUnsupported", "List", func(h *hooked) {
		h.keys = func(context.Context, tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
			return fails(errors.ErrUnsupported)
		}
	}},
	{"FindIsUnsupported", "Find", func(h *hooked) {
		h.find = func(context.Context, string) iter.Seq2[tokenstore.Key, error] { return fails(errors.ErrUnsupported) }
	}},
	{"LeaseIsUnsupported", "LeaseExcludes", func(h *hooked) {
		h.lease = func(context.Context, tokenstore.Key, string, time.Duration) (func(), bool, error) {
			return nil, false, errors.ErrUnsupported
		}
	}},
	{"ListsNothing", "ListUnsupported", func(h *hooked) { h.inner = plain{h.Memory} }},
	{"FindsNothing", "FindUnsupported", func(h *hooked) { h.inner = plain{h.Memory} }},
	{"LeasesNothing", "LeaseUnsupported", func(h *hooked) { h.inner = plain{h.Memory} }},
}
