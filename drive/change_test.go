package drive_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
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
			srv.Inject(drivetest.Fault{Op: drivetest.OpGet, Nth: 3, Status: http.StatusOK, Body: strings.Replace(now, tt.old, tt.new, 1)})
			put(t, folder, "a.json", "mine")
			left := srv.Folder(drivetest.DefaultUser).Files("a.json")
			if gone := !slices.ContainsFunc(left, func(f drivetest.File) bool { return f.ID == loser.ID }); gone != tt.gone {
				t.Errorf("gone: %v, want %v", gone, tt.gone)
			}
		})
	}
}

// Another process has folded it already.
func TestFoldOfWhatIsGone(t *testing.T) {
	folder, srv := newFolder(t)
	_, loser := twins(srv)
	srv.Inject(drivetest.Fault{Op: drivetest.OpGet, Nth: 3, Status: http.StatusNotFound, Reason: "notFound"})
	put(t, folder, "a.json", "mine")
	for _, r := range srv.Requests(drivetest.OpDelete) {
		t.Errorf("%s was deleted, of %s", r.Path, loser.ID)
	}
}

// A Put that meets its file under another name tells by the name.
func TestPutToRenamedFile(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	other := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	put(t, other, "a.json", "1")
	folder := open(t, drive.Config{Endpoint: srv.URL, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPatch {
			if _, err := other.Rename(t.Context(), "a.json", "b.json"); err != nil {
				t.Error(err)
			}
		}
		return srv.Client().Transport.RoundTrip(r)
	})}})
	file, err := folder.Put(t.Context(), "a.json", strings.NewReader("2"), drive.PutOptions{})
	if err != nil || file.Name != "b.json" {
		t.Errorf("Put = %+v, %v; want the new name", file, err)
	}
	if a, b := contents(srv, "a.json"), contents(srv, "b.json"); len(a) != 0 || !slices.Equal(b, []string{"2"}) {
		t.Errorf("a.json is %q, b.json %q", a, b)
	}
}

// A list that is refused is no missing document, whichever list it is.
func TestRefusedListsAreNotMissingDocuments(t *testing.T) {
	calls := map[string]func(*testing.T, *drive.AppFolder) error{
		"Stat":   func(t *testing.T, f *drive.AppFolder) error { return errOf(f.Stat(t.Context(), "a")) },
		"Open":   func(t *testing.T, f *drive.AppFolder) error { return errOf(f.Open(t.Context(), "a")) },
		"Delete": func(t *testing.T, f *drive.AppFolder) error { return f.Delete(t.Context(), "a") },
		"Rename": func(t *testing.T, f *drive.AppFolder) error { return errOf(f.Rename(t.Context(), "a", "b")) },
		"SetProperties": func(t *testing.T, f *drive.AppFolder) error {
			return errOf(f.SetProperties(t.Context(), "a", map[string]string{"k": "v"}))
		},
		"Put": func(t *testing.T, f *drive.AppFolder) error {
			return errOf(f.Put(t.Context(), "a", strings.NewReader("x"), drive.PutOptions{}))
		},
		"FS": func(t *testing.T, f *drive.AppFolder) error { return errOf(fs.Stat(f.FS(t.Context()), "a")) },
	}
	for name, call := range calls {
		for nth := 1; nth <= 2; nth++ {
			folder, srv := newFolder(t)
			srv.Inject(drivetest.Fault{Op: drivetest.OpList, Nth: nth, Status: 403, Reason: "insufficientPermissions", Times: -1})
			err := call(t, folder)
			if !errors.Is(err, drive.ErrScope) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, list %d: %v, want ErrScope", name, nth, err)
			}
		}
	}
	for nth := 1; nth <= 4; nth++ { // of Rename's requests, where there are both documents
		folder, srv := newFolder(t)
		add(srv, "a", []byte("a"))
		add(srv, "b", []byte("b"))
		srv.Inject(drivetest.Fault{Nth: nth, Status: 403, Reason: "insufficientPermissions"})
		file, err := folder.Rename(t.Context(), "a", "b")
		if !errors.Is(err, drive.ErrScope) || file != nil || len(srv.Folder(drivetest.DefaultUser).Files()) != 2 {
			t.Errorf("Rename, request %d: %+v, %v; want ErrScope and both documents", nth, file, err)
		}
	}
}

// A Rename that deletes only a part of what it replaces brings no older content
// back.
func TestRenameThatFailsHalfWay(t *testing.T) {
	for _, failing := range []string{"from", "to"} {
		folder, srv := newFolder(t)
		twins(srv) // a.json
		put(t, folder, "b.json", "b")
		from, to := "b.json", "a.json"
		if failing == "from" {
			from, to = to, from
		}
		srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Nth: 2, Status: 403, Reason: "domainPolicy"})
		if _, err := folder.Rename(t.Context(), from, to); err == nil {
			t.Fatal("no error")
		}
		if a, b := contents(srv, "a.json"), contents(srv, "b.json"); !slices.Equal(a, []string{"winner"}) || !slices.Equal(b, []string{"b"}) {
			t.Errorf("%s with a duplicate: a.json is %q, b.json %q", failing, a, b)
		}
	}
}

// A Rename that cannot delete what it replaces changes nothing else.
func TestRenameThatIsRefused(t *testing.T) {
	folder, srv := newFolder(t)
	put(t, folder, "a.json", "a")
	put(t, folder, "b.json", "b")
	srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Status: 403, Reason: "domainPolicy"})
	if _, err := folder.Rename(t.Context(), "a.json", "b.json"); err == nil {
		t.Error("no error")
	}
	if a, b := contents(srv, "a.json"), contents(srv, "b.json"); !slices.Equal(a, []string{"a"}) || !slices.Equal(b, []string{"b"}) {
		t.Errorf("a.json is %q, b.json %q", a, b)
	}
}

// An empty value removes a property, also where nothing else is changed.
func TestRemoveProperties(t *testing.T) {
	changes := map[string]func(*drive.AppFolder, map[string]string) (*drive.File, error){
		"SetProperties": func(f *drive.AppFolder, p map[string]string) (*drive.File, error) {
			return f.SetProperties(t.Context(), "a", p)
		},
		"Put": func(f *drive.AppFolder, p map[string]string) (*drive.File, error) {
			return f.Put(t.Context(), "a", strings.NewReader("y"), drive.PutOptions{Properties: p})
		},
		"large Put": func(f *drive.AppFolder, p map[string]string) (*drive.File, error) {
			return f.Put(t.Context(), "a", strings.NewReader(strings.Repeat("y", 3*mib)), drive.PutOptions{Properties: p})
		},
	}
	tests := []struct{ change, want map[string]string }{
		{map[string]string{"k": ""}, map[string]string{"l.m": "w"}},
		{map[string]string{"k": "", "l.m": ""}, nil},
		{map[string]string{"k": "", "n": "x"}, map[string]string{"l.m": "w", "n": "x"}},
		{map[string]string{"none": ""}, map[string]string{"k": "v", "l.m": "w"}},
		{nil, map[string]string{"k": "v", "l.m": "w"}},
	}
	for name, do := range changes {
		for _, tt := range tests {
			folder, _ := newFolder(t)
			opts := drive.PutOptions{Properties: map[string]string{"k": "v", "l.m": "w"}}
			if _, err := folder.Put(t.Context(), "a", strings.NewReader("x"), opts); err != nil {
				t.Fatal(err)
			}
			if file, err := do(folder, tt.change); err != nil || !maps.Equal(file.Properties, tt.want) {
				t.Errorf("%s of %v: %+v, %v; want %v", name, tt.change, file, err, tt.want)
			}
		}
	}
}
