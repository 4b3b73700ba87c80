// Package needs skips tests for want of a program, and keeps a list of them. For
// a package whose tests were all skipped, go test prints "ok" as for any other;
// `go test -C examples`, which lists the skipped tests, tells them apart.
package needs

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Main runs the tests of a package that uses Skip, for its TestMain. The tests
// that they skip replace those of the package's last run.
func Main(m *testing.M) {
	if path, err := list(); err == nil {
		os.Remove(path)
	}
	os.Exit(m.Run())
}

var writing sync.Mutex

// Skip skips a test and notes what it lacks. The file in which it does so is in
// the module, so that go test does not take the result from its cache when the
// program has been installed.
func Skip(tb testing.TB, lacks string) {
	tb.Helper()
	if err := note(tb.Name(), lacks); err != nil {
		tb.Logf("`go test -C examples` will not list this test: %v", err)
	}
	tb.Skip(lacks)
}

func note(test, lacks string) error {
	writing.Lock()
	defer writing.Unlock()
	path, err := list()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	lacks, _, _ = strings.Cut(lacks, "\n")
	if _, err := fmt.Fprintf(f, "%s\t%s\n", lacks, test); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

const folder = ".skipped" // of the module

// list returns the path of the file for the package in the working directory.
func list() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for root := dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			name, err := filepath.Rel(root, dir)
			return filepath.Join(root, folder, strings.ReplaceAll(filepath.ToSlash(name), "/", "-")), err
		}
		if root == filepath.Dir(root) {
			return "", fmt.Errorf("%s is in no module", dir)
		}
	}
}

// Report describes which tests the last run of each package has skipped. root is
// the folder of the module.
func Report(root string) (string, error) {
	files, err := filepath.Glob(filepath.Join(root, folder, "*"))
	if err != nil {
		return "", err
	}
	lacking := map[string][]string{}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the package's tests have just begun again
		}
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			lacks, test, _ := strings.Cut(strings.TrimSpace(line), "\t")
			lacking[lacks] = append(lacking[lacks], filepath.Base(file)+"."+test)
			n++
		}
	}
	if n == 0 {
		return "no test was skipped\n", nil
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d tests were skipped:\n", n)
	for _, lacks := range slices.Sorted(maps.Keys(lacking)) {
		fmt.Fprintf(&out, "  %s\n", lacks)
		for _, test := range lacking[lacks] {
			fmt.Fprintf(&out, "    %s\n", test)
		}
	}
	return out.String(), nil
}
