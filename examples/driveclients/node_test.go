package driveclients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// @googleapis/drive, the part of googleapis that is about Drive.
func TestNode(t *testing.T) {
	dir := npmInstall(t)
	srv := start(t, drivetest.Options{})
	output := run(t, "node", filepath.Join(dir, "drive.mjs"), srv.URL)
	const want = `{"folder":"application/vnd.google-apps.folder","created":true,"again":[409,"fileIdInUse"],` +
		`"settings":{"theme":"dark"},"part":[206,"\"theme\""],"names":["empty","renamed"],` +
		`"wrongSpace":[403,"insufficientScopes"],"deleted":204,"gone":[404,"notFound"]}`
	if output != want {
		t.Errorf("got  %s\nwant %s", output, want)
	}
}

// npmInstall returns a copy of testdata/node with the packages of its
// package-lock.json. It skips the test on a machine without Node.js, or without
// a way to the packages.
func npmInstall(t *testing.T) (dir string) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed (Debian: nodejs npm)")
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("npm ci in testdata/node: %v\n%s", err, out)
	}
	return dir
}
