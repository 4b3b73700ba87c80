package needs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// TestReport skips tests in a module of its own, of two packages.
func TestReport(t *testing.T) {
	root := t.TempDir()
	report := func(want string) {
		t.Helper()
		if got, err := needs.Report(root); err != nil || got != want {
			t.Errorf("Report = %q, %v, want %q", got, err, want)
		}
	}
	report("no test was skipped\n")
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b/c"} {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		t.Chdir(dir)
		needs.Skip(&skipped{TB: t, name: "TestOne"}, "npm is not installed\nand more")
	}
	needs.Skip(&skipped{TB: t, name: "TestTwo"}, "a browser is not installed")
	report("3 tests were skipped:\n" +
		"  a browser is not installed\n    b-c.TestTwo\n" +
		"  npm is not installed\n    a.TestOne\n    b-c.TestOne\n")
}

// skipped is a test that goes on after Skip.
type skipped struct {
	testing.TB
	name string
}

func (s *skipped) Name() string { return s.name }
func (s *skipped) Skip(...any)  {}
