package drive_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// A replacement whose answer is lost is not made twice.
func TestReplaceOnce(t *testing.T) {
	faults := map[string]drivetest.Fault{
		"answer lost":      {Performed: true, Cut: true},
		"done, but 503":    {Status: 503, Performed: true},
		"not done, 503":    {Status: 503},
		"cut on the way":   {Cut: true},
		"lost three times": {Status: 503, Times: 3},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
				put(t, folder, "a.json", "1")
				before := srv.Folder(drivetest.DefaultUser).Files("a.json")[0].Version
				fault.Op = drivetest.OpUpdate
				srv.Inject(fault)
				put(t, folder, "a.json", "2")
				if n := srv.Folder(drivetest.DefaultUser).Files("a.json")[0].Version - before; n != 1 {
					t.Errorf("the document changed %d times", n)
				}
			})
		})
	}
}

// The content was there before: only another revision tells that it was stored
// again, with what goes along.
func TestReplaceBySameContent(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		put(t, folder, "a.json", "1")
		srv.Inject(drivetest.Fault{Op: drivetest.OpUpdate, Status: 503})
		file, err := folder.Put(t.Context(), "a.json", strings.NewReader("1"), drive.PutOptions{Properties: map[string]string{"device": "phone"}})
		if err != nil || file.Properties["device"] != "phone" {
			t.Errorf("Put = %+v, %v; want the property", file, err)
		}
	})
}

// Somebody else stores on top of a Put whose answer is lost. A plain Put replaces
// whatever is there.
func TestReplaceOvertaken(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		put(t, folder, "a.json", "1")
		srv.Inject(drivetest.Fault{Op: drivetest.OpUpdate, Status: 503, Performed: true})
		time.AfterFunc(400*time.Millisecond, func() { put(t, folder, "a.json", "theirs") })
		put(t, folder, "a.json", "mine")
		if got := contents(srv, "a.json"); !slices.Equal(got, []string{"mine"}) {
			t.Errorf("the folder has %q", got)
		}
	})
}

// What is stored already is no proof that this Put has stored it.
func TestIfRevisionWithTheSameContent(t *testing.T) {
	for _, content := range []string{"", "{}"} {
		folder, _ := newFolder(t)
		stale := put(t, folder, "a.json", "before").Revision
		put(t, folder, "a.json", content)
		for _, revision := range []string{stale, drive.Absent} {
			_, err := folder.Put(t.Context(), "a.json", strings.NewReader(content), drive.PutOptions{IfRevision: revision})
			if !errors.Is(err, drive.ErrConflict) {
				t.Errorf("%q with IfRevision %q: %v, want ErrConflict", content, revision, err)
			}
		}
	}
}
