//go:build unix

// Package failures_test checks what happens to grants when processes and databases
// end, come back, or disagree about the time.
package failures_test

import (
	"flag"
	"os"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// TestMain makes a worker of this program where a test has started it as one:
// see worker_test.go.
func TestMain(m *testing.M) {
	if task := os.Getenv(taskVariable); task != "" {
		os.Exit(work(task))
	}
	// The tests wait for servers, disks and leases most of the time.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	needs.Main(m)
}
