// Package examples has no code. Its test lists the tests of this module that were
// skipped for want of a program; `go test -C examples`, without a package, prints
// the list.
package examples

import (
	"fmt"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

func TestSkipped(t *testing.T) {
	report, err := needs.Report(".")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Print(report)
}
