package driveclients

import (
	"path/filepath"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
)

// @googleapis/drive, the part of googleapis that is about Drive.
func TestNode(t *testing.T) {
	dir := guests.NPM(t)
	srv := start(t, drivetest.Options{})
	output := run(t, "node", filepath.Join(dir, "drive.mjs"), srv.URL)
	const want = `{"folder":"application/vnd.google-apps.folder","created":true,"again":[409,"fileIdInUse"],` +
		`"settings":{"theme":"dark"},"part":[206,"\"theme\""],"names":["empty","renamed"],` +
		`"wrongSpace":[403,"insufficientScopes"],"deleted":204,"gone":[404,"notFound"]}`
	if output != want {
		t.Errorf("got  %s\nwant %s", output, want)
	}
}
