package driveclients

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
)

// google-api-python-client, in the version that Debian has for its own
// interpreter. It speaks PUT and 308.
func TestPython(t *testing.T) {
	python := guests.Python(t, "googleapiclient, google.oauth2", "python3-googleapi")
	srv := start(t, drivetest.Options{})
	t.Setenv("http_proxy", "http://127.0.0.1:9") // of a developer's machine, which does not lead to the fake
	srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 2, Status: 503})
	output := run(t, python, "testdata/python/drive.py", srv.URL, discoveryDocument(t))
	const want = `{"error": [404, "notFound"], "folder": "application/vnd.google-apps.folder", "names": ["big", "renamed"], ` +
		`"same": true, "size": "786435", "steps": [262144, 503, 524288, 786432]}`
	if output != want {
		t.Errorf("got  %s\nwant %s", output, want)
	}
	if stored(t, srv, "renamed") != "changed" {
		t.Error("another content is stored")
	}
}

// discoveryDocument is Google's description of the API, from which the client
// makes itself; the Go client comes with a copy.
func discoveryDocument(t *testing.T) string {
	t.Helper()
	return filepath.Join(run(t, "go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api"), "drive", "v3", "drive-api.json")
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = guests.Environ()
	output, err := cmd.Output()
	if err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			t.Logf("%s", e.Stderr)
		}
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(output))
}
