package drive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// lags are Drives whose lists are up to date, late, and late with each file twice.
var lags = map[string]drivetest.Lag{
	"no lag":  {},
	"lag":     {Create: time.Hour, Rename: time.Hour, Delete: time.Hour, Update: time.Hour},
	"doubled": {Create: time.Hour, Rename: time.Hour, Delete: time.Hour, Update: time.Hour, Twice: true},
}

// withLags runs test against each of lags. folder makes an AppFolder that remembers
// nothing yet, like another process.
func withLags(t *testing.T, test func(t *testing.T, srv *drivetest.Server, folder func() *drive.AppFolder)) {
	for name, lag := range lags {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{Lag: lag})
			test(t, srv, func() *drive.AppFolder {
				return open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
			})
		})
	}
}

func read(t *testing.T, folder *drive.AppFolder, name string) string {
	t.Helper()
	r, err := folder.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func checkAbsent(t *testing.T, folder *drive.AppFolder, name string) {
	t.Helper()
	if file, err := folder.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%q) = %+v, %v; want fs.ErrNotExist", name, file, err)
	}
}

// An AppFolder sees its own writes, however late Drive's lists are.
func TestSeesItsOwnWrites(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		folder := newFolder()
		ctx := t.Context()
		first := put(t, folder, "a", "1")
		if got := read(t, folder, "a"); got != "1" {
			t.Errorf("after Put: %q", got)
		}
		if _, err := folder.Put(ctx, "a", strings.NewReader("x"), drive.PutOptions{IfRevision: drive.Absent}); !errors.Is(err, drive.ErrConflict) {
			t.Errorf("Put with Absent: %v, want ErrConflict", err)
		}
		second := put(t, folder, "a", "two")
		if got := contents(srv, "a"); !slices.Equal(got, []string{"two"}) || second.ID != first.ID {
			t.Errorf("after the second Put the files are %q", got)
		}
		if got := read(t, folder, "a"); got != "two" {
			t.Errorf("after the second Put: %q", got)
		}
		if stat, err := folder.Stat(ctx, "a"); err != nil || stat.Revision != second.Revision {
			t.Errorf("Stat = %+v, %v; want %+v", stat, err, second)
		}
		for file, err := range folder.Files(ctx, drive.Query{Name: "a"}) {
			if err != nil || file.Revision != second.Revision {
				t.Errorf("Files: %+v, %v; want %+v", file, err, second)
			}
		}
		if _, err := folder.Put(ctx, "a", strings.NewReader("3"), drive.PutOptions{IfRevision: first.Revision}); !errors.Is(err, drive.ErrConflict) {
			t.Errorf("Put over another revision: %v, want ErrConflict", err)
		}
		if _, err := folder.SetProperties(ctx, "a", map[string]string{"k": "v"}); err != nil {
			t.Fatal(err)
		}
		if stat, err := folder.Stat(ctx, "a"); err != nil || stat.Properties["k"] != "v" {
			t.Errorf("after SetProperties: %+v, %v", stat, err)
		}
		if _, err := folder.Rename(ctx, "a", "b"); err != nil {
			t.Fatal(err)
		}
		checkAbsent(t, folder, "a")
		if got := read(t, folder, "b"); got != "two" {
			t.Errorf("after Rename: %q", got)
		}
		if err := folder.Delete(ctx, "b"); err != nil {
			t.Fatal(err)
		}
		if n := len(srv.Folder(drivetest.DefaultUser).Files()); n != 0 {
			t.Errorf("after Delete: %d files", n)
		}
		checkAbsent(t, folder, "b")
		put(t, folder, "b", "again")
		if got := read(t, folder, "b"); got != "again" {
			t.Errorf("after Delete and Put: %q", got)
		}
	})
}

// A document of another process is found under its name before search by name finds
// it, and is not created a second time.
func TestFindsByParent(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		ctx := t.Context()
		put(t, newFolder(), "a", "theirs")
		if _, err := newFolder().Put(ctx, "a", strings.NewReader("x"), drive.PutOptions{IfRevision: drive.Absent}); !errors.Is(err, drive.ErrConflict) {
			t.Errorf("Put with Absent: %v, want ErrConflict", err)
		}
		if got := read(t, newFolder(), "a"); got != "theirs" {
			t.Errorf("Open: %q", got)
		}
		put(t, newFolder(), "a", "mine")
		if got := contents(srv, "a"); !slices.Equal(got, []string{"mine"}) {
			t.Errorf("after Put the files are %q", got)
		}
		if _, err := newFolder().Rename(ctx, "a", "b"); err != nil {
			t.Error(err)
		}
		if err := newFolder().Delete(ctx, "b"); err != nil {
			t.Error(err)
		}
		if n := len(srv.Folder(drivetest.DefaultUser).Files()); n != 0 {
			t.Errorf("after Delete: %d files", n)
		}
	})
}

// What another process has deleted is gone, also where search by name still finds it.
func TestForgetsWhatIsGone(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		folder := newFolder()
		put(t, folder, "a", "1")
		put(t, folder, "b", "1")
		for _, name := range []string{"c", "d"} {
			add(srv, name, []byte("1")) // before the lag: search goes on finding it
		}
		for _, name := range []string{"a", "b", "c", "d"} {
			if err := newFolder().Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		put(t, folder, "c", "2")
		if got := contents(srv, "c"); !slices.Equal(got, []string{"2"}) {
			t.Errorf("after Put the files of c are %q", got)
		}
		if r, err := folder.Open(t.Context(), "d"); err == nil {
			if _, err := io.ReadAll(r); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("reading d: %v, want fs.ErrNotExist", err)
			}
			r.Close()
		}
		checkAbsent(t, folder, "d")
		put(t, folder, "a", "2")
		if got := contents(srv, "a"); !slices.Equal(got, []string{"2"}) {
			t.Errorf("after Put the files are %q", got)
		}
		if _, err := folder.Put(t.Context(), "b", strings.NewReader("2"), drive.PutOptions{IfRevision: drive.Absent}); err != nil {
			t.Errorf("Put with Absent: %v", err)
		}
	})
}

// A conditional Put is compared with the document as it is, and not as a list shows it:
// what another process has stored would be lost.
func TestIfRevisionIsComparedWithTheFile(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		folder := newFolder()
		mine := put(t, folder, "a", "mine")
		srv.Advance(2 * time.Hour) // from now on, every list shows mine
		put(t, newFolder(), "a", "theirs")
		_, err := folder.Put(t.Context(), "a", strings.NewReader("mine again"), drive.PutOptions{IfRevision: mine.Revision})
		if got := contents(srv, "a"); !errors.Is(err, drive.ErrConflict) || !slices.Equal(got, []string{"theirs"}) {
			t.Errorf("Put: %v, and the files are %q; want ErrConflict and nothing changed", err, got)
		}
	})
}

// Delete and Rename look at a file before they delete it: it may have another name by
// now.
func TestDeletesNothingByALateList(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		for _, name := range []string{"a", "b", "c"} {
			add(srv, name, []byte(name)) // before the lag: search finds them
		}
		if _, err := newFolder().Rename(t.Context(), "a", "kept"); err != nil {
			t.Fatal(err)
		}
		if err := newFolder().Delete(t.Context(), "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Delete: %v, want fs.ErrNotExist", err)
		}
		if _, err := newFolder().Rename(t.Context(), "b", "a"); err != nil {
			t.Error(err)
		}
		if got := contents(srv, "kept"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("the renamed document is %q", got)
		}
	})
}

// A Rename does not delete the document that it renames, if that appears under its new
// name in the middle.
func TestRenameKeepsWhatItRenames(t *testing.T) {
	srv := newServer(t, drivetest.Options{Lag: drivetest.Lag{Twice: true}})
	other := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	put(t, other, "a", "content")
	lists := 0
	folder := open(t, drive.Config{Endpoint: srv.URL, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Query().Get("q"), "name = 'b'") {
			lists++
			if _, err := other.Rename(t.Context(), "a", "b"); err != nil {
				t.Error(err)
			}
		}
		return srv.Client().Transport.RoundTrip(r)
	})}})
	if _, err := folder.Rename(t.Context(), "a", "b"); err != nil || lists != 1 {
		t.Errorf("Rename: %v after %d lists", err, lists)
	}
	if got := contents(srv, "b"); !slices.Equal(got, []string{"content"}) {
		t.Errorf("the document is %q", got)
	}
}

// A list may show a document as it was: reading it then fails, and succeeds the next
// time.
func TestReadsPastALateList(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		add(srv, "a", []byte("0"))
		add(srv, "same size", []byte("0"))
		for _, name := range []string{"a", "same size"} {
			folder := newFolder()
			put(t, newFolder(), name, map[string]string{"a": "theirs", "same size": "1"}[name])
			r, err := folder.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(r); err != nil && !errors.Is(err, drive.ErrChecksum) {
				t.Errorf("%s: %v, want ErrChecksum at most", name, err)
			}
			r.Close()
			if got := read(t, folder, name); got == "0" {
				t.Errorf("%s, the next time: %q", name, got)
			}
		}
		type doc struct{ N int }
		add(srv, "doc", []byte(`{"N":1}`))
		if _, err := drive.WriteJSON(t.Context(), newFolder(), "doc", doc{22}, drive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if got, _, err := drive.ReadJSON[doc](t.Context(), newFolder(), "doc"); err != nil || got.N != 22 {
			t.Errorf("ReadJSON = %+v, %v", got, err)
		}
	})
}

// Of several files the one that was modified last wins by its own word, not by a
// list's.
func TestWinnerByFreshMetadata(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		_, loser := twins(srv)
		update := fmt.Sprintf("%s/upload/drive/v3/files/%s?uploadType=media", srv.URL, loser.ID)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, update, strings.NewReader("newest"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		res.Body.Close()
		if got := read(t, newFolder(), "a.json"); got != "newest" {
			t.Errorf("read %q", got)
		}
		if file, err := fs.ReadFile(newFolder().FS(t.Context()), "a.json"); err != nil || string(file) != "newest" {
			t.Errorf("through FS: %q, %v", file, err)
		}
	})
}

func TestFSSeesItsOwnWrites(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		folder := newFolder()
		fsys := folder.FS(t.Context())
		put(t, folder, "dir/a", "1")
		put(t, folder, "dir/a", "two")
		if content, err := fs.ReadFile(fsys, "dir/a"); err != nil || string(content) != "two" {
			t.Errorf("ReadFile = %q, %v", content, err)
		}
		if entries, err := fs.ReadDir(fsys, "dir"); err != nil || len(entries) != 1 {
			t.Errorf("ReadDir = %v, %v", entries, err)
		}
		if _, err := folder.Rename(t.Context(), "dir/a", "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Stat(fsys, "dir"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat of the empty directory: %v", err)
		}
	})
}

// A file that a list names twice counts once.
func TestListsCountAFileOnce(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		for i := range 1200 {
			add(srv, fmt.Sprintf("%04d", i), []byte("xx"))
		}
		for _, q := range []drive.Query{{}, {Order: drive.ByName}} {
			if got := names(t, newFolder(), q); len(got) != 1200 {
				t.Errorf("Files in order %q: %d names, want 1200", q.Order, len(got))
			}
		}
		if usage, err := newFolder().Usage(t.Context()); err != nil || usage != (drive.Usage{Bytes: 2400, Files: 1200}) {
			t.Errorf("Usage = %+v, %v", usage, err)
		}
		if n, err := newFolder().DeleteAll(t.Context()); err != nil || n != 1200 {
			t.Errorf("DeleteAll = %d, %v; want 1200", n, err)
		}
	})
}

// However many documents it has written, what an AppFolder remembers is bounded.
func TestMemoryIsBounded(t *testing.T) {
	folder := noServer(t)
	written := func(n int) int64 {
		return held(func() {
			for i := range n {
				put(t, folder, fmt.Sprint(i), "{}")
			}
		})
	}
	written(1)
	if few, many := written(1200), written(4000); many > few+256*kib {
		t.Errorf("after 1200 documents it holds %d bytes, after 4000 more %d", few, many)
	}
}

// A file that was written a second time is remembered for as long as any other.
func TestRemembersTheLastWrites(t *testing.T) {
	srv := newServer(t, drivetest.Options{Lag: drivetest.Lag{Update: time.Hour}})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	put(t, folder, "a", "1")
	for i := range 999 {
		name := fmt.Sprint(i)
		add(srv, name, nil)
		if err := folder.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	put(t, folder, "a", "second")
	put(t, folder, "b", "")
	if file, err := folder.Stat(t.Context(), "a"); err != nil || file.Size != 6 {
		t.Errorf("%+v, %v; want the second", file, err)
	}
}

// A file that another process has renamed is not written to by its old name, under which
// search still finds it.
func TestWritesNothingByALateList(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		for _, name := range []string{"a", "b"} {
			add(srv, name, []byte("1"))
			if _, err := newFolder().Rename(t.Context(), name, "renamed "+name); err != nil {
				t.Fatal(err)
			}
		}
		put(t, newFolder(), "a", "2")
		if a, renamed := contents(srv, "a"), contents(srv, "renamed a"); !slices.Equal(a, []string{"2"}) || !slices.Equal(renamed, []string{"1"}) {
			t.Errorf("a is %q, the renamed document %q", a, renamed)
		}
		if _, err := newFolder().SetProperties(t.Context(), "b", map[string]string{"k": "v"}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("SetProperties: %v, want fs.ErrNotExist", err)
		}
	})
}

// Processes that have created one name at once come together at the next Put of each.
func TestDuplicatesComeTogether(t *testing.T) {
	withLags(t, func(t *testing.T, srv *drivetest.Server, newFolder func() *drive.AppFolder) {
		var folders []*drive.AppFolder
		var wg sync.WaitGroup
		for i := range 3 {
			folder := newFolder()
			folders = append(folders, folder)
			wg.Go(func() { put(t, folder, "a", fmt.Sprint("first ", i)) })
		}
		wg.Wait()
		for i, folder := range folders {
			put(t, folder, "a", fmt.Sprint(i))
		}
		if got := contents(srv, "a"); !slices.Equal(got, []string{"2"}) {
			t.Errorf("the files are %q, want the last", got)
		}
	})
}

// An answer that comes after that of a later request does not bring back how the
// document was before that.
func TestLateAnswer(t *testing.T) {
	tests := []struct {
		name   string
		lag    drivetest.Lag
		method string // of the request whose answer is late
		late   func(context.Context, *drive.AppFolder) error
		later  func(context.Context, *drive.AppFolder) error
		want   string // empty: the document is deleted
	}{
		{"replaced, then replaced", drivetest.Lag{Update: time.Hour}, http.MethodPatch,
			putString("a", "1", drive.PutOptions{}), putString("a", "second", drive.PutOptions{}), "second"},
		{"properties, then replaced", drivetest.Lag{Update: time.Hour}, http.MethodPatch,
			func(ctx context.Context, f *drive.AppFolder) error {
				_, err := f.SetProperties(ctx, "a", map[string]string{"k": "v"})
				return err
			}, putString("a", "second", drive.PutOptions{}), "second"},
		{"looked at, then replaced", drivetest.Lag{Update: time.Hour}, http.MethodGet,
			putString("a", "1", drive.PutOptions{IfRevision: "another"}), putString("a", "second", drive.PutOptions{}), "second"},
		{"looked at, then deleted", drivetest.Lag{Delete: time.Hour}, http.MethodGet,
			putString("a", "1", drive.PutOptions{IfRevision: "another"}),
			func(ctx context.Context, f *drive.AppFolder) error { return f.Delete(ctx, "a") }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{Lag: tt.lag})
			id := add(srv, "a", []byte("0")).ID
			answered, release := make(chan struct{}), make(chan struct{})
			var once atomic.Bool
			folder := open(t, drive.Config{Endpoint: srv.URL, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				res, err := srv.Client().Transport.RoundTrip(r)
				if r.Method == tt.method && strings.HasSuffix(r.URL.Path, "/files/"+id) && once.CompareAndSwap(false, true) {
					close(answered)
					<-release
				}
				return res, err
			})}})
			late := make(chan error, 1)
			go func() { late <- tt.late(t.Context(), folder) }()
			select {
			case <-answered:
			case err := <-late:
				t.Fatalf("it ended before its answer was late: %v", err)
			}
			srv.Advance(time.Second) // Drive's times are to the millisecond
			err := tt.later(t.Context(), folder)
			close(release)
			if lateErr := <-late; err != nil || lateErr != nil && !errors.Is(lateErr, drive.ErrConflict) {
				t.Fatal(err, lateErr)
			}
			if tt.want == "" {
				checkAbsent(t, folder, "a")
				return
			}
			for file, err := range folder.Files(t.Context(), drive.Query{}) {
				if err != nil || file.Size != int64(len(tt.want)) {
					t.Errorf("Files: %+v, %v; want %q", file, err, tt.want)
				}
			}
			if got := read(t, folder, "a"); got != tt.want {
				t.Errorf("read %q, want %q", got, tt.want)
			}
		})
	}
}

// The document had a time in the future. What is written to it is newer all the same.
func TestReplacesAFutureTime(t *testing.T) {
	folder, srv := newFolder(t)
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "a", Modified: time.Now().Add(time.Hour)})
	put(t, folder, "a", "now")
	listed := 0
	for file, err := range folder.Files(t.Context(), drive.Query{}) {
		if listed++; err != nil || file.Size != 3 {
			t.Errorf("listed %+v, %v; want the new content", file, err)
		}
	}
	if listed != 1 {
		t.Errorf("%d files, want 1", listed)
	}
}

// What has been written since a Reader was opened remains known when the Reader finds
// other content than it expects.
func TestLateReader(t *testing.T) {
	srv := newServer(t, drivetest.Options{Lag: drivetest.Lag{Update: time.Hour}})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	put(t, folder, "a", "1")
	r, err := folder.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	second := put(t, folder, "a", "second")
	if _, err := io.ReadAll(r); !errors.Is(err, drive.ErrChecksum) {
		t.Errorf("%v, want ErrChecksum", err)
	}
	listed := 0
	for file, err := range folder.Files(t.Context(), drive.Query{}) {
		if listed++; err != nil || file.Revision != second.Revision {
			t.Errorf("listed %+v, %v; want %+v", file, err, second)
		}
	}
	if listed != 1 {
		t.Errorf("%d files, want 1", listed)
	}
}

// What another client has renamed without a new time, or set back in time, is listed as
// it is, at the latest when no list can be late any more.
func TestListsWinInTheEnd(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		theirs := srv.Folder(drivetest.DefaultUser)
		file := put(t, folder, "a", "1")
		theirs.Add(drivetest.File{ID: file.ID, Name: "b", Content: []byte("1"), Revision: file.Revision, Modified: file.Modified})
		if got := names(t, folder, drive.Query{}); !slices.Equal(got, []string{"b"}) {
			t.Errorf("listed %q, want the new name", got)
		}
		theirs.Add(drivetest.File{ID: file.ID, Name: "a", Content: []byte("22"), Modified: file.Modified.Add(-time.Hour)})
		time.Sleep(11 * time.Minute)
		for found, err := range folder.Files(t.Context(), drive.Query{}) {
			if err != nil || found.Size != 2 {
				t.Errorf("listed %+v, %v; want the other content", found, err)
			}
		}
	})
}
