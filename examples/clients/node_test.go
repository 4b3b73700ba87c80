package clients

import (
	"os"
	"os/exec"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestNode(t *testing.T) {
	dir := npmInstall(t)
	node := func(t *testing.T, script string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "node", script)
		cmd.Dir = dir
		return cmd
	}
	t.Run("google-auth-library", func(t *testing.T) { // Google's own
		srv := start(t, exchangetest.Options{})
		run(t, srv, node(t, "google-auth-library.mjs"))
	})
	t.Run("openid-client", func(t *testing.T) { // all by discovery, and with iss on the redirect
		srv := start(t, exchangetest.Options{OwnIssuer: true, CallbackIssuer: true})
		run(t, srv, node(t, "openid-client.mjs"))
	})
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
