package readme

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func readREADME(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCodeCompiles holds every Go block of the README against the files that
// the compiler sees: it must stand in one of them, line for line but for the
// indentation.
func TestCodeCompiles(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readREADME(t), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md has no Go code")
	}
	files := compiled(t)
	for _, block := range blocks {
		if want := unindent(block[1]); !strings.Contains(files, want) {
			t.Errorf("this code of README.md is in no file:\n%s", block[1])
		}
	}
}

// compiled returns all Go files of both modules, one after the other.
func compiled(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		all.WriteString(unindent(string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func unindent(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return "\n" + strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
}
