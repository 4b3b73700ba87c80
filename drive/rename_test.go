package drive_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

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
