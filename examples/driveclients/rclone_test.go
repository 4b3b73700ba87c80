package driveclients

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// rclone, in the version that Debian has, on the app-data folder. It sends chunks by
// POST and expects a real 308. Its endpoint cannot be set, so it takes the fake for
// Google itself.
func TestRclone(t *testing.T) {
	program, err := exec.LookPath("rclone")
	if err != nil {
		needs.Skip(t, "rclone is not installed: apt-get install rclone")
	}
	srv := start(t, drivetest.Options{MoveWithin: true})
	google := guests.AsGoogle(t, srv)
	dir := t.TempDir()
	common := []string{
		"--config", filepath.Join(dir, "rclone.conf"), "--ca-cert", google.CertFile, "--retries", "1",
		"--drive-scope", "drive.appfolder", "--drive-root-folder-id", "appDataFolder",
		"--drive-token", `{"access_token":"token","token_type":"Bearer","expiry":"2199-01-01T00:00:00Z"}`,
		"--drive-use-trash=false", "--drive-chunk-size", "256Ki", "--drive-upload-cutoff", "256Ki",
	}
	rclone := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append(common, args...)...)
		cmd.Env = []string{"HOME=" + dir, "HTTPS_PROXY=http://" + google.Proxy}
		output, err := cmd.Output()
		if err != nil {
			if e, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Logf("%s", e.Stderr)
			}
			t.Fatalf("rclone %s: %v", args, err)
		}
		return strings.TrimSpace(string(output))
	}
	upload := func(name, content, ops string) {
		t.Helper()
		local := filepath.Join(dir, "local")
		if err := os.WriteFile(local, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		before := len(srv.Requests())
		rclone("copyto", local, ":drive:"+name)
		if stored(t, srv, name) != content {
			t.Errorf("%s: another content is stored", name)
		}
		var got []string
		for _, r := range srv.Requests()[before:] {
			if r.Op != drivetest.OpList {
				got = append(got, string(r.Op))
			}
		}
		if strings.Join(got, " ") != ops {
			t.Errorf("%s: requests %v, want %s", name, got, ops)
		}
	}
	big := pattern(2*unit + 3)
	srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 2, Status: 503})
	upload("big", big, "upload.start upload.chunk upload.chunk upload.chunk upload.chunk")
	upload("small", "hello", "files.create")
	upload("small", "hello again", "files.update")
	upload("big", big[1:], "upload.start upload.chunk upload.chunk upload.chunk")
	for _, tt := range []struct{ args, want string }{
		{"lsf --format sp :drive:", "11;small\n524290;big"},
		{"md5sum :drive:big", md5Of(big[1:]) + "  big"},
		{"cat --offset 6 --count 5 :drive:small", "again"},
		{"moveto :drive:small :drive:renamed", ""},
		{"cat :drive:renamed", "hello again"},
		{"deletefile :drive:big", ""},
		{"touch :drive:renamed", ""},
		{"lsf :drive:", "renamed"},
	} {
		got := strings.Split(rclone(strings.Fields(tt.args)...), "\n")
		want := strings.Split(tt.want, "\n")
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tt.args, got, want)
		}
	}
	if about := rclone("about", "--json", ":drive:"); !strings.Contains(about, `"used": 11`) {
		t.Errorf("about: %s", about)
	}
	for _, r := range srv.Requests() {
		if r.Status >= 400 && !r.Faulty {
			t.Errorf("%s %s %v was refused: %d", r.Method, r.Path, r.Query, r.Status)
		}
	}
}
