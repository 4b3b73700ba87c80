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

// TestCodeCompiles holds every block of Go in the documents, and of JavaScript in the
// README, against the files that the compiler and the browser see: it must stand in
// one of them, line for line except for the indentation.
func TestCodeCompiles(t *testing.T) {
	files, n := compiled(t), 0
	for _, document := range documents {
		language := "go"
		if document == "README.md" {
			language = "(?:go|js)"
		}
		for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(read(t, document), -1) {
			n++
			if want := unindent(block[1]); !strings.Contains(files, want) {
				t.Errorf("this code of %s is in no file:\n%s", document, block[1])
			}
		}
	}
	if n == 0 {
		t.Error("the documents have no Go code")
	}
}

// compiled returns all Go files of both modules, and the scripts of pages, one after the
// other.
func compiled(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" && filepath.Ext(path) != ".js":
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
