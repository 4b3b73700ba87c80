package tokenstoretest_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

// latency is that of a slow database: what makes a gap between two steps one, also
// on a machine that is busy with other tests.
const latency = 5 * time.Millisecond

type brokenStore struct {
	name  string
	fails string // the case that must find the bug; others may too
	bug   func(*hooked)
}

func allBroken() []brokenStore {
	return slices.Concat(brokenGrants, brokenVersions, brokenValues, brokenLists, brokenLeases)
}

const runBroken = "TOKENSTORETEST_RUN_BROKEN"

// TestBrokenStores runs itself as a program in which each broken store has to
// fail, and reads there which cases have found its bug.
func TestBrokenStores(t *testing.T) {
	t.Parallel()
	if os.Getenv(runBroken) != "" {
		for _, b := range allBroken() {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				tokenstoretest.Run(t, func(*testing.T) tokenstore.Store {
					h := sound()
					b.bug(h)
					return h
				})
			})
		}
		return
	}

	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestBrokenStores$", "-test.v", "-test.timeout=2m", "-test.parallel=128")
	cmd.Env = append(os.Environ(), runBroken+"=1")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Fatalf("the broken stores' run ends with %v:\n%s", err, out)
	}
	results := regexp.MustCompile(`--- (PASS|FAIL): TestBrokenStores/(\w+)/(\w+)`).FindAllStringSubmatch(string(out), -1)
	failed, cases := map[string]bool{}, map[string]bool{}
	for _, r := range results {
		cases[r[3]] = cases[r[3]] || r[1] == "FAIL"
		failed[r[2]+"/"+r[3]] = r[1] == "FAIL"
	}
	for _, b := range allBroken() {
		if !failed[b.name+"/"+b.fails] {
			t.Errorf("%s does not find the bug of %s", b.fails, b.name)
		}
	}
	named := map[string]bool{}
	for _, b := range allBroken() {
		named[b.fails] = true
	}
	for name := range cases {
		if !named[name] {
			t.Errorf("there is no broken store for the case %s", name)
		}
	}
}
