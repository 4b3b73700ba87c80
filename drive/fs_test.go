package drive_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func TestFS(t *testing.T) {
	folder, srv := newFolder(t)
	names := []string{"settings.json", "maps/home.json", "maps/work/2.json", "maps/work/1.json", "empty"}
	for _, name := range names {
		add(srv, name, []byte("content of "+name))
	}
	twins(srv)
	for _, invalid := range []string{"/absolute", "a//b", "dir/", "../up", ".", `a\b`, `dir\/x`} {
		add(srv, invalid, []byte("hidden"))
	}
	if err := fstest.TestFS(folder.FS(t.Context()), append(names, "a.json")...); err != nil {
		t.Error(err)
	}
}

func TestFSOfNothing(t *testing.T) {
	folder, _ := newFolder(t)
	if err := fstest.TestFS(folder.FS(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestWalkDir(t *testing.T) {
	folder, srv := newFolder(t)
	for _, name := range []string{"b", "a/2", "a/1"} {
		add(srv, name, []byte("x"))
	}
	var got []string
	err := fs.WalkDir(folder.FS(t.Context()), ".", func(path string, _ fs.DirEntry, err error) error {
		got = append(got, path)
		return err
	})
	if want := []string{".", "a", "a/1", "a/2", "b"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("walked %q, %v; want %q", got, err, want)
	}
}

func TestDocumentHidesDirectory(t *testing.T) {
	folder, srv := newFolder(t)
	for _, name := range []string{"a/1", "a/2", "a/3", "a", "a/4", "a/5"} {
		add(srv, name, []byte("x"))
	}
	entries, err := fs.ReadDir(folder.FS(t.Context()), ".")
	if err != nil || len(entries) != 1 || entries[0].Name() != "a" || entries[0].IsDir() {
		t.Errorf("entries %v, %v; want the document a", entries, err)
	}
	checkNoDirectory(t, folder.FS(t.Context()), "a")
}

func TestReadDirOfADocument(t *testing.T) {
	folder, srv := newFolder(t)
	add(srv, "a", []byte("x"))
	checkNoDirectory(t, folder.FS(t.Context()), "a")
}

func checkNoDirectory(t *testing.T, fsys fs.FS, name string) {
	t.Helper()
	entries, err := fs.ReadDir(fsys, name)
	if _, ok := errors.AsType[*fs.PathError](err); !ok || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("ReadDir(%q) = %v, %v; want that it is not a directory", name, entries, err)
	}
}

// What the FS does not show it does not open either.
func TestFSHidesBackslashes(t *testing.T) {
	folder, srv := newFolder(t)
	add(srv, `a\b`, []byte("x"))
	add(srv, `dir\/x`, []byte("x"))
	fsys := folder.FS(t.Context())
	if entries, err := fs.ReadDir(fsys, "."); err != nil || len(entries) != 0 {
		t.Errorf("entries %v, %v; want none", entries, err)
	}
	for _, name := range []string{`a\b`, `dir\`, `dir\/x`} {
		for op, err := range map[string]error{
			"Open": errOf(fsys.Open(name)), "Stat": errOf(fs.Stat(fsys, name)), "ReadDir": errOf(fs.ReadDir(fsys, name)),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s(%q): %v, want fs.ErrNotExist", op, name, err)
			}
		}
	}
}

func TestFSErrors(t *testing.T) {
	folder, srv := newFolder(t)
	fsys := folder.FS(t.Context())
	for name, want := range map[string]error{"none": fs.ErrNotExist, "none/below": fs.ErrNotExist, "/x": fs.ErrInvalid} {
		for op, err := range map[string]error{
			"Open": errOf(fsys.Open(name)), "Stat": errOf(fs.Stat(fsys, name)), "ReadDir": errOf(fs.ReadDir(fsys, name)),
		} {
			if _, ok := errors.AsType[*fs.PathError](err); !ok || !errors.Is(err, want) {
				t.Errorf("%s(%q): %v, want %v in a PathError", op, name, err, want)
			}
		}
	}
	srv.Inject(drivetest.Fault{Status: 403, Reason: "insufficientPermissions", Times: -1})
	for _, err := range []error{errOf(fsys.Open("a")), errOf(fs.ReadDir(fsys, "."))} {
		if !errors.Is(err, drive.ErrScope) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v, want ErrScope, which is fs.ErrPermission", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := folder.FS(ctx).Open("a"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the cancellation", err)
	}
}

func TestFileServer(t *testing.T) {
	folder, srv := newFolder(t)
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{
		Name: "maps/home.txt", Content: []byte("0123456789"), Modified: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
	})
	site := httptest.NewServer(http.FileServerFS(folder.FS(t.Context())))
	defer site.Close()
	tests := []struct {
		path, header, value string
		status              int
		body                string
	}{
		{"/maps/home.txt", "", "", 200, "0123456789"},
		{"/maps/home.txt", "Range", "bytes=7-", 206, "789"},
		{"/maps/home.txt", "If-Modified-Since", "Tue, 24 Nov 2026 12:00:00 GMT", 304, ""},
		{"/maps/", "", "", 200, `<a href="home.txt">`},
		{"/none", "", "", 404, ""},
	}
	for _, tt := range tests {
		req, _ := http.NewRequest("GET", site.URL+tt.path, nil)
		if tt.header != "" {
			req.Header.Set(tt.header, tt.value)
		}
		res, err := site.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(body), tt.body) {
			t.Errorf("%s %s: %d %q", tt.path, tt.value, res.StatusCode, body)
		}
	}
	srv.Inject(drivetest.Fault{Status: 403, Reason: "insufficientPermissions"})
	res, err := site.Client().Get(site.URL + "/maps/home.txt")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("without the scope: %d, want 403", res.StatusCode)
	}
}
