package drive_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// A duplicate that has changed since it was listed is not deleted: what it is now
// has not lost.
func TestFoldLeavesWhatHasChanged(t *testing.T) {
	const unchanged = `{"id":%q,"name":"a.json","headRevisionId":%q,"modifiedTime":%q}`
	tests := []struct {
		name, old, new string
		gone           bool
	}{
		{name: "unchanged", gone: true},
		{name: "renamed", old: `"a.json"`, new: `"b.json"`},
		{name: "replaced", old: `"headRevisionId":"`, new: `"headRevisionId":"x`},
		{name: "modified", old: `Time":"2026`, new: `Time":"2027`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder, srv := newFolder(t)
			_, loser := twins(srv)
			now := fmt.Sprintf(unchanged, loser.ID, loser.Revision, loser.Modified.Format(time.RFC3339Nano))
			srv.Inject(drivetest.Fault{Op: drivetest.OpGet, Status: http.StatusOK, Body: strings.Replace(now, tt.old, tt.new, 1)})
			put(t, folder, "a.json", "mine")
			left := srv.Folder(drivetest.DefaultUser).Files("a.json")
			if gone := !slices.ContainsFunc(left, func(f drivetest.File) bool { return f.ID == loser.ID }); gone != tt.gone {
				t.Errorf("gone: %v, want %v", gone, tt.gone)
			}
		})
	}
}

// Somebody else has folded it already.
func TestFoldOfWhatIsGone(t *testing.T) {
	folder, srv := newFolder(t)
	_, loser := twins(srv)
	srv.Inject(drivetest.Fault{Op: drivetest.OpGet, Status: http.StatusNotFound, Reason: "notFound"})
	put(t, folder, "a.json", "mine")
	for _, r := range srv.Requests(drivetest.OpDelete) {
		t.Errorf("%s was deleted, of %s", r.Path, loser.ID)
	}
}
