package driveclients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// TestNode runs @googleapis/drive, the part of googleapis that is about Drive.
func TestNode(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("Node.js is not there: apt-get install nodejs npm")
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules", "@googleapis", "drive")); err != nil {
		t.Skip("@googleapis/drive is not there: npm ci --prefix examples/driveclients/node")
	}
	srv := start(t, drivetest.Options{})
	output := run(t, "node", filepath.Join("node", "drive.mjs"), srv.URL)
	const want = `{"folder":"application/vnd.google-apps.folder","created":true,"again":[409,"fileIdInUse"],` +
		`"settings":{"theme":"dark"},"part":[206,"\"theme\""],"names":["empty","renamed"],` +
		`"wrongSpace":[403,"insufficientScopes"],"deleted":204,"gone":[404,"notFound"]}`
	if output != want {
		t.Errorf("got  %s\nwant %s", output, want)
	}
}
