package readme

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// documents are those that point to files and tests of the repository.
var documents = []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "findings/README.md",
	"docs/design.md", "docs/google.md", "docs/failures.md", "docs/proxies.md", "docs/fakegoogle.md",
	"docs/production.md", "docs/speed.md", "docs/clients.md"}

func read(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLinks checks that what the documents point to within the repository is
// there.
func TestLinks(t *testing.T) {
	for _, document := range documents {
		text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(read(t, document), "")
		for _, link := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(document), link[1])); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
}

var named = regexp.MustCompile("`(?:([a-z0-9/]+)\\.)?((?:Test|Fuzz)\\w+)`")

// TestNamedTests checks that each test that a document names exists, in the
// package that it is said to be in.
func TestNamedTests(t *testing.T) {
	tests := map[string][]string{}                   // by folder
	for document, folder := range map[string]string{ // of names without a package
		"docs/google.md": "", "docs/failures.md": "", "docs/proxies.md": "examples/proxies", "docs/clients.md": "examples/clients",
	} {
		names := named.FindAllStringSubmatch(read(t, document), -1)
		if len(names) == 0 {
			t.Errorf("%s names no test", document)
		}
		for _, name := range names {
			in := cmp.Or(name[1], folder)
			if tests[in] == nil {
				tests[in] = testsOf(t, in)
			}
			if !slices.Contains(tests[in], name[2]) {
				t.Errorf("%s: there is no %s in %q", document, name[2], in)
			}
		}
	}
}

// TestCommands checks that the programs that the documents run are there, and have
// the flags that they are given.
func TestCommands(t *testing.T) {
	n := 0
	for _, document := range documents {
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(read(t, document), -1) {
			for line := range strings.Lines(block[1]) {
				words := strings.Fields(line)
				if len(words) < 5 || !slices.Equal(words[:4], []string{"go", "run", "-C", "examples"}) {
					continue
				}
				n++
				var program string // its source
				files, _ := filepath.Glob(filepath.Join(root, "examples", words[4], "*.go"))
				for _, file := range files {
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					program += string(text)
				}
				if !strings.Contains(program, "\nfunc main() {") {
					t.Errorf("%s: there is no program %s", document, words[4])
				}
				for _, word := range words[5:] {
					if name, isFlag := strings.CutPrefix(word, "-"); isFlag && !strings.Contains(program, `"`+name+`"`) {
						t.Errorf("%s: %s has no flag -%s", document, words[4], name)
					}
				}
			}
		}
	}
	if n < 3 {
		t.Errorf("the documents have %d commands for programs", n)
	}
}

// TestLinked checks how many packages of other modules each package links, as the README
// says.
func TestLinked(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|.*\\| (\\d+) \\|$").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(rows) == 0 {
		t.Error("README.md does not say what the packages link")
	}
	for _, row := range rows {
		out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "github.com/seed3a054f9c/googlesignin/"+row[1]).Output()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for path := range strings.Lines(string(out)) {
			if !strings.HasPrefix(path, "github.com/seed3a054f9c/") {
				n++
			}
		}
		if strconv.Itoa(n) != row[2] {
			t.Errorf("%s links %d packages, and the README says %s", row[1], n, row[2])
		}
	}
}

// TestVersions checks that the README compares with the versions that the tests use.
func TestVersions(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "examples/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range []struct{ name, module string }{
		{"golang.org/x/oauth2", "golang.org/x/oauth2"},
		{"go-oidc", "github.com/coreos/go-oidc/v3"},
		{"google.golang.org/api", "google.golang.org/api"},
	} {
		used := regexp.MustCompile(`(?m)^\s+` + regexp.QuoteMeta(library.module) + ` (v\S+)`).FindSubmatch(mod)
		if used == nil {
			t.Errorf("the tests do not use %s", library.module)
		} else if want := library.name + " " + string(used[1]); !strings.Contains(read(t, "README.md"), want) {
			t.Errorf("README.md does not say %s", want)
		}
	}
}

// TestClientVersions checks that docs/clients.md has the versions of the clients that
// are pinned.
func TestClientVersions(t *testing.T) {
	const node, program, driveNode, here = "clients/testdata/node/package-lock.json", "clients/testdata/go/go.mod",
		"driveclients/testdata/node/package-lock.json", "go.mod"
	rows := read(t, "docs/clients.md")
	for _, client := range []struct{ row, file, name string }{
		{"oauth2-proxy", program, "github.com/oauth2-proxy/oauth2-proxy/v7"},
		{"goth", program, "github.com/markbates/goth"},
		{"dex", program, "github.com/dexidp/dex"},
		{"Auth.js", node, "@auth/core"},
		{"better-auth", node, "better-auth"},
		{"arctic", node, "arctic"},
		{"google-auth-library", node, "google-auth-library"},
		{"openid-client", node, "openid-client"},
		{"x/oauth2", here, "golang.org/x/oauth2"},
		{"x/oauth2", here, "github.com/coreos/go-oidc/v3"},
		{"zitadel/oidc", here, "github.com/zitadel/oidc/v3"},
		{"cloud.google.com/go/auth", here, "cloud.google.com/go/auth"},
		{"drive/v3", here, "google.golang.org/api"},
		{"@googleapis/drive", driveNode, "@googleapis/drive"},
	} {
		used := regexp.MustCompile(`(?:\s|node_modules/)` + regexp.QuoteMeta(client.name) + `(?: v|": \{\s+"version": ")(?:0\.0\.0-)?([^\s"]+)`).
			FindStringSubmatch(read(t, "examples/"+client.file))
		if used == nil {
			t.Errorf("%s has no version of %s", client.file, client.name)
			continue
		}
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(client.row) + `[ |(].*$`).FindString(rows)
		if !strings.Contains(row, " "+used[1]) {
			t.Errorf("docs/clients.md: the tests run %s %s, not %q", client.name, used[1], row)
		}
	}
}

// TestEachRowHasATest checks that no fact, failure or client is listed without the
// test that holds it.
func TestEachRowHasATest(t *testing.T) {
	for _, document := range []string{"docs/google.md", "docs/failures.md", "docs/clients.md"} {
		for line := range strings.Lines(read(t, document)) {
			if !strings.HasPrefix(line, "| ") || strings.Contains(line, "| test |") {
				continue
			}
			if !named.MatchString(line) {
				t.Errorf("%s: no test in %s", document, line)
			}
		}
	}
}

// testsOf returns the names of the tests and fuzzers in a folder of the
// repository.
func testsOf(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, name[1])
		}
	}
	return names
}
