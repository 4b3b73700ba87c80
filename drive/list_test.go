package drive_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func names(t *testing.T, folder *drive.AppFolder, q drive.Query) []string {
	t.Helper()
	var names []string
	for file, err := range folder.Files(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, file.Name)
	}
	return names
}

func TestFiles(t *testing.T) {
	srv := newServer(t, drivetest.Options{FoldNames: true})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for i, name := range []string{"b.json", "a.json", "A.json", "it's.txt"} {
		mime := "application/json"
		if name == "it's.txt" {
			mime = "text/plain"
		}
		srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: name, MIMEType: mime, Content: []byte("x"), Modified: at.Add(time.Duration(i) * time.Minute)})
	}
	tests := []struct {
		name string
		q    drive.Query
		want []string
	}{
		{"newest first", drive.Query{Order: drive.NewestFirst}, []string{"it's.txt", "A.json", "a.json", "b.json"}},
		{"by name", drive.Query{Order: drive.ByName}, []string{"A.json", "a.json", "b.json", "it's.txt"}},
		{"name, to the letter", drive.Query{Name: "a.json"}, []string{"a.json"}},
		{"prefix, to the letter", drive.Query{Prefix: "A"}, []string{"A.json"}},
		{"quote", drive.Query{Prefix: "it's"}, []string{"it's.txt"}},
		{"type", drive.Query{ContentType: "text/plain"}, []string{"it's.txt"}},
		{"type with quotes", drive.Query{ContentType: "text/plain' or mimeType = 'application/json"}, nil},
		{"modified after", drive.Query{ModifiedAfter: at.Add(2 * time.Minute), Order: drive.ByName}, []string{"it's.txt"}},
		{"modified after, in another zone", drive.Query{ModifiedAfter: at.Add(2 * time.Minute).In(time.FixedZone("", 3600))}, []string{"it's.txt"}},
		{"modified after, by a hair", drive.Query{ModifiedAfter: at.Add(2*time.Minute - 1), Order: drive.ByName}, []string{"A.json", "it's.txt"}},
		{"all of it", drive.Query{Prefix: "a", ContentType: "text/plain"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := names(t, folder, tt.q); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestPages(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	for i := range 2500 {
		add(srv, fmt.Sprintf("%04d", i), []byte("xx"))
	}
	srv.Inject(drivetest.Fault{Op: drivetest.OpList, Nth: 2, Status: 503})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		got := names(t, folder, drive.Query{Order: drive.ByName})
		if len(got) != 2500 || !slices.IsSorted(got) || len(slices.Compact(got)) != 2500 {
			t.Errorf("%d names", len(got))
		}
		if n := len(srv.Requests()); n != 4 {
			t.Errorf("%d requests, want 3 pages and a retry", n)
		}
		for range folder.Files(t.Context(), drive.Query{}) {
			break
		}
		if n := len(srv.Requests()); n != 5 {
			t.Errorf("%d requests for a first file, want one", n-4)
		}
		usage, err := folder.Usage(t.Context())
		if want := (drive.Usage{Bytes: 5000, Files: 2500}); err != nil || usage != want {
			t.Errorf("Usage = %+v, %v; want %+v", usage, err, want)
		}
	})
}

func TestFilesEndsWithError(t *testing.T) {
	folder, srv := newFolder(t)
	srv.Inject(drivetest.Fault{Op: drivetest.OpList, Status: 403, Reason: "insufficientPermissions"})
	pairs := 0
	for file, err := range folder.Files(t.Context(), drive.Query{}) {
		if pairs++; file != nil || !errors.Is(err, drive.ErrScope) {
			t.Errorf("%v, %v; want ErrScope", file, err)
		}
	}
	if pairs != 1 {
		t.Errorf("%d pairs, want one", pairs)
	}
}

func TestDelete(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		if err := folder.Delete(t.Context(), "a.json"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Delete of nothing: %v", err)
		}
		twins(srv)
		add(srv, "b.json", []byte("b"))
		srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Performed: true, Cut: true}) // and then it is 404
		if err := folder.Delete(t.Context(), "a.json"); err != nil {
			t.Error(err)
		}
		if a, b := contents(srv, "a.json"), contents(srv, "b.json"); len(a) != 0 || len(b) != 1 {
			t.Errorf("a.json is %q, b.json %q", a, b)
		}
	})
}

// A Delete that fails in the middle does not bring an older content back.
func TestDeleteInTheMiddle(t *testing.T) {
	folder, srv := newFolder(t)
	winner, _ := twins(srv)
	srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Nth: 2, Status: 403, Reason: "domainPolicy"})
	if err := folder.Delete(t.Context(), "a.json"); err == nil {
		t.Error("no error")
	}
	if file, err := folder.Stat(t.Context(), "a.json"); err != nil || file.ID != winner.ID {
		t.Errorf("left %+v, %v; want the winner", file, err)
	}
}

func TestDeleteAll(t *testing.T) {
	folder, srv := newFolder(t)
	for i := range 5 {
		add(srv, fmt.Sprint(i), []byte("x"))
	}
	srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Nth: 3, Status: 403, Reason: "domainPolicy"})
	n, err := folder.DeleteAll(t.Context())
	left := len(srv.Folder(drivetest.DefaultUser).Files())
	if n != 5-left || left == 0 || err == nil {
		t.Errorf("DeleteAll = %d, %v, and left %d; want the refusal, and to have counted", n, err, left)
	}
	if n, err := folder.DeleteAll(t.Context()); n != left || err != nil {
		t.Errorf("DeleteAll = %d, %v; want %d", n, err, left)
	}
	if n, err := folder.DeleteAll(t.Context()); n != 0 || err != nil {
		t.Errorf("DeleteAll of nothing = %d, %v", n, err)
	}
}

func TestRename(t *testing.T) {
	folder, srv := newFolder(t)
	if _, err := folder.Rename(t.Context(), "a.json", "b.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Rename of nothing: %v", err)
	}
	winner, _ := twins(srv)
	add(srv, "b.json", []byte("replaced"))
	file, err := folder.Rename(t.Context(), "a.json", "b.json")
	if err != nil || file.ID != winner.ID || file.Name != "b.json" || file.Revision != winner.Revision {
		t.Errorf("Rename = %+v, %v", file, err)
	}
	if a, b := contents(srv, "a.json"), contents(srv, "b.json"); len(a) != 0 || !slices.Equal(b, []string{"winner"}) {
		t.Errorf("a.json is %q, b.json %q", a, b)
	}
	if same, err := folder.Rename(t.Context(), "b.json", "b.json"); err != nil || same.ID != file.ID {
		t.Errorf("Rename to itself = %+v, %v", same, err)
	}
	if _, err := folder.Rename(t.Context(), "b.json", ""); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Rename to nothing: %v", err)
	}
}
