package guests

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// GoProgram returns the program name, built from a package of the module in testdata/go or
// of one that it requires: a module of its own, so that the other tests need not download and
// compile those. It builds once for each change of that folder, and keeps the program
// in the user's cache. It skips the test on a machine without a way to the modules.
func GoProgram(tb testing.TB, name, pkg string) (path string) {
	tb.Helper()
	// The release of Go is not part of the key: the client is tested, and compiling it
	// takes a minute.
	dir := filepath.Join(cacheDir(tb), fmt.Sprintf("go-%s-%s-%x", runtime.GOOS, runtime.GOARCH, folderHash(tb, "testdata/go")))
	defer Lock(tb, "go")()
	path = filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	built := filepath.Join(dir, "unfinished")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", built, pkg)
	cmd.Dir = "testdata/go"
	cmd.Env = append(os.Environ(), "GOFLAGS=") // which may ask for -race
	if out, err := cmd.CombinedOutput(); err != nil {
		needs.Skip(tb, fmt.Sprintf("go build %s in testdata/go: %v\n%s", pkg, err, out))
	}
	if err := os.Rename(built, path); err != nil {
		tb.Fatal(err)
	}
	return path
}

// folderHash identifies the content of a folder.
func folderHash(tb testing.TB, folder string) []byte {
	tb.Helper()
	files := os.DirFS(folder)
	hash := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return hash.Sum(nil)[:8]
}
