package drive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// Wherever the answer to a create breaks off, there is one file afterwards.
func TestCreateExactlyOnce(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		for cut := 0; cut < 1200; cut += 13 {
			name := fmt.Sprint(cut, ".json")
			srv.Inject(drivetest.Fault{Op: drivetest.OpCreate, Performed: true, Cut: true, CutAt: cut})
			file, err := folder.Put(t.Context(), name, strings.NewReader("{}"), drive.PutOptions{})
			if err != nil || file.Name != name || file.Size != 2 {
				t.Fatalf("cut at %d: %+v, %v", cut, file, err)
			}
			if got := contents(srv, name); !slices.Equal(got, []string{"{}"}) {
				t.Fatalf("cut at %d: the folder has %q", cut, got)
			}
		}
	})
}

func TestCreateAfterFailures(t *testing.T) {
	faults := map[string]drivetest.Fault{
		"request cut":        {Op: drivetest.OpCreate, Cut: true, CutAt: 50},
		"done, but 503":      {Op: drivetest.OpCreate, Status: 503, Performed: true},
		"done, but 503 x 3":  {Op: drivetest.OpCreate, Status: 503, Performed: true, Times: 3},
		"not done, 500":      {Op: drivetest.OpCreate, Status: 500},
		"IDs not to be had":  {Op: drivetest.OpGenerateIDs, Status: 503},
		"lookup broken off":  {Op: drivetest.OpList, Performed: true, Cut: true, CutAt: 40},
		"reset after answer": {Op: drivetest.OpCreate, Performed: true, Cut: true, Reset: true},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			srv.Inject(fault)
			inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
				put(t, folder, "a.json", "{}")
				if got := contents(srv, "a.json"); !slices.Equal(got, []string{"{}"}) {
					t.Errorf("the folder has %q", got)
				}
			})
		})
	}
}

// An ID that was sent once is never used for another file.
func TestFailedCreateSpendsItsID(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		srv.Inject(drivetest.Fault{Op: drivetest.OpCreate, Status: 503, Performed: true, Times: 5})
		if _, err := folder.Put(t.Context(), "a.json", strings.NewReader("a"), drive.PutOptions{}); err == nil {
			t.Fatal("want the fifth 503")
		}
		put(t, folder, "b.json", "b")
		if a, b := contents(srv, "a.json"), contents(srv, "b.json"); !slices.Equal(a, []string{"a"}) || !slices.Equal(b, []string{"b"}) {
			t.Errorf("a.json is %q, b.json is %q", a, b)
		}
	})
}

// The table of requests in the package documentation.
func TestRequests(t *testing.T) {
	folder, srv := newFolder(t)
	add(srv, "old", nil)
	var last *drive.File
	store := func(name, revision string) func() error {
		return func() (err error) {
			last, err = folder.Put(t.Context(), name, strings.NewReader("{}"), drive.PutOptions{IfRevision: revision})
			return err
		}
	}
	steps := []struct {
		name string
		do   func() error
		want string
	}{
		{"the first of all", store("old", ""), "list get update"},
		{"the first create", store("a", ""), "list list generateIds create"},
		{"the next", store("b", ""), "list list create"},
		{"a replace", store("b", ""), "list get update"},
		{"a conditional create", store("c", drive.Absent), "list list create"},
		{"a conditional replace", func() error { return store("c", last.Revision)() }, "list get update"},
		{"Stat", func() error { return errOf(folder.Stat(t.Context(), "a")) }, "list"},
		{"reading", func() error { return errOf(io.ReadAll(openReader(t, folder, "a"))) }, "list media"},
		{"reading a File", func() error {
			r, err := folder.OpenFile(t.Context(), last)
			return errors.Join(err, errOf(io.ReadAll(r)))
		}, "media"},
		{"SetProperties", func() error { return errOf(folder.SetProperties(t.Context(), "a", map[string]string{"k": "v"})) }, "list get update"},
		{"Rename", func() error { return errOf(folder.Rename(t.Context(), "a", "d")) }, "list get list list update"},
		{"Delete", func() error { return folder.Delete(t.Context(), "d") }, "list get delete"},
		{"DeleteAll", func() error { return errOf(folder.DeleteAll(t.Context())) }, "list delete delete delete list"},
	}
	for _, step := range steps {
		before := len(srv.Requests())
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var got []string
		for _, op := range ops(srv)[before:] {
			got = append(got, strings.TrimPrefix(string(op), "files."))
		}
		if joined := strings.Join(got, " "); joined != step.want {
			t.Errorf("%s made the requests %q, want %q", step.name, joined, step.want)
		}
	}
}

// twins makes two files of one name. The one that was modified last wins.
func twins(srv *drivetest.Server) (winner, loser drivetest.File) {
	f := srv.Folder(drivetest.DefaultUser)
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	loser = f.Add(drivetest.File{Name: "a.json", Content: []byte("loser"), Created: at, Modified: at})
	winner = f.Add(drivetest.File{Name: "a.json", Content: []byte("winner"), Created: at, Modified: at.Add(time.Hour)})
	return winner, loser
}

func TestWinnerOfDuplicates(t *testing.T) {
	folder, srv := newFolder(t)
	winner, _ := twins(srv)
	file, err := folder.Stat(t.Context(), "a.json")
	if err != nil || file.ID != winner.ID {
		t.Errorf("Stat = %+v, %v; want the one modified last", file, err)
	}
	same := srv.Folder(drivetest.DefaultUser)
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	x := same.Add(drivetest.File{Name: "b.json", Modified: at, Content: []byte("x")})
	y := same.Add(drivetest.File{Name: "b.json", Modified: at, Content: []byte("y")})
	file, err = folder.Stat(t.Context(), "b.json")
	if err != nil || file.ID != min(x.ID, y.ID) {
		t.Errorf("Stat = %+v, %v; want the smallest of the IDs %s and %s", file, err, x.ID, y.ID)
	}
}

func TestPutFoldsDuplicates(t *testing.T) {
	folder, srv := newFolder(t)
	winner, _ := twins(srv)
	file := put(t, folder, "a.json", "now")
	if file.ID != winner.ID {
		t.Errorf("Put wrote to %s, want the winner %s", file.ID, winner.ID)
	}
	if got := contents(srv, "a.json"); !slices.Equal(got, []string{"now"}) {
		t.Errorf("the folder has %q", got)
	}
}

// The document is stored: that duplicates remain is no failure, and nothing to
// wait for.
func TestPutWhereFoldingFails(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	twins(srv)
	add(srv, "a.json", []byte("another loser"))
	srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Status: 503})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		start := time.Now()
		put(t, folder, "a.json", "now")
		if got, took := contents(srv, "a.json"), time.Since(start); len(got) != 3 || took != 0 {
			t.Fatalf("the folder has %q after %v; want all three at once", got, took)
		}
		put(t, folder, "a.json", "then")
		if got := contents(srv, "a.json"); !slices.Equal(got, []string{"then"}) {
			t.Errorf("the folder has %q", got)
		}
	})
}

// Another process deletes the file between the look and the write, of one request or
// many: a plain Put creates it anew, a conditional one conflicts. Either knows what is gone.
func TestPutToVanishedFile(t *testing.T) {
	for _, content := range [][]byte{[]byte("2"), random(3 * chunk)} {
		for _, conditional := range []bool{false, true} {
			srv := newServer(t, drivetest.Options{Lag: drivetest.Lag{Delete: time.Hour}})
			other := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
			old := add(srv, "a.json", []byte("1"))
			folder := open(t, drive.Config{Endpoint: srv.URL, ChunkSize: chunk, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch {
					if err := other.Delete(t.Context(), "a.json"); err != nil {
						t.Error(err)
					}
				}
				return srv.Client().Transport.RoundTrip(r)
			})}})
			opts := drive.PutOptions{}
			if conditional {
				opts.IfRevision = old.Revision
			}
			file, err := folder.Put(t.Context(), "a.json", bytes.NewReader(content), opts)
			left := srv.Folder(drivetest.DefaultUser).Files()
			switch {
			case conditional && (!errors.Is(err, drive.ErrConflict) || len(left) != 0):
				t.Errorf("conditional: %v, and %d files; want ErrConflict and none", err, len(left))
			case !conditional && (err != nil || file.ID == old.ID || len(left) != 1 || !bytes.Equal(left[0].Content, content)):
				t.Errorf("%+v, %v, and %d files; want a new one", file, err, len(left))
			}
			if conditional {
				checkAbsent(t, folder, "a.json")
			}
		}
	}
}

// A Put starts over twice, and no more.
func TestPutStartsOverTwice(t *testing.T) {
	for vanishes, want := range map[int]error{2: nil, 3: fs.ErrNotExist} {
		srv := newServer(t, drivetest.Options{})
		file, writes := add(srv, "a", []byte("before")), 0
		folder := open(t, drive.Config{Endpoint: srv.URL, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch {
				if writes++; writes <= vanishes {
					srv.Folder(drivetest.DefaultUser).Remove(file.ID)
					file = add(srv, "a", []byte("another"))
				}
			}
			return srv.Client().Transport.RoundTrip(r)
		})}})
		_, err := folder.Put(t.Context(), "a", strings.NewReader("mine"), drive.PutOptions{})
		if !errors.Is(err, want) || writes != 3 {
			t.Errorf("vanishes %d times: %v after %d writes, want %v after 3", vanishes, err, writes, want)
		}
	}
}

// Before the last chunk is answered, another process stores the same content as a new
// file, or other content in the file that is replaced, and the upload session is gone. Put
// does not take that for its own success, even where Drive returns no checksums.
func TestPutIsNotAnothers(t *testing.T) {
	content := random(3 * chunk)
	checksums := regexp.MustCompile(`"(sha256|md5)Checksum":"\w*",?`)
	for _, replaces := range []bool{false, true} {
		srv := newServer(t, drivetest.Options{})
		opts, theirs := drive.PutOptions{IfRevision: drive.Absent}, drivetest.File{Name: "a", Content: content}
		if replaces {
			old := add(srv, "a", []byte("before"))
			opts.IfRevision, theirs = old.Revision, drivetest.File{ID: old.ID, Name: "a", Content: []byte("theirs")}
		}
		chunks := 0
		folder := open(t, drive.Config{Endpoint: srv.URL, ChunkSize: chunk, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				if chunks++; chunks == 3 {
					io.Copy(io.Discard, r.Body)
					srv.Folder(drivetest.DefaultUser).Add(theirs)
					return &http.Response{StatusCode: 404, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
				}
			}
			res, err := srv.Client().Transport.RoundTrip(r)
			if err == nil && replaces {
				body, _ := io.ReadAll(res.Body)
				body = checksums.ReplaceAll(body, nil)
				res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			}
			return res, err
		})}})
		if _, err := folder.Put(t.Context(), "a", bytes.NewReader(content), opts); !errors.Is(err, drive.ErrConflict) {
			t.Errorf("replaces %t: %v, want ErrConflict", replaces, err)
		}
		checkStored(t, srv, "a", theirs.Content)
	}
}

func TestIfRevision(t *testing.T) {
	folder, srv := newFolder(t)
	first := put(t, folder, "a.json", "1")
	second := put(t, folder, "a.json", "2")
	tests := []struct {
		name, file, revision string
		want                 error
	}{
		{"stale", "a.json", first.Revision, drive.ErrConflict},
		{"absent, but there", "a.json", drive.Absent, drive.ErrConflict},
		{"of nothing", "b.json", second.Revision, drive.ErrConflict},
		{"current", "a.json", second.Revision, nil},
		{"absent", "b.json", drive.Absent, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := contents(srv, tt.file)
			_, err := folder.Put(t.Context(), tt.file, strings.NewReader("3"), drive.PutOptions{IfRevision: tt.revision})
			if !errors.Is(err, tt.want) {
				t.Errorf("Put: %v, want %v", err, tt.want)
			}
			if after := contents(srv, tt.file); (tt.want != nil) != slices.Equal(before, after) {
				t.Errorf("%q became %q", before, after)
			}
		})
	}
}

// A lost answer to a conditional Put does not conflict with itself; what another
// writer did meanwhile does.
func TestIfRevisionAfterLostAnswer(t *testing.T) {
	tests := []struct {
		name  string
		fault drivetest.Fault
		other bool
		want  error
	}{
		{"done", drivetest.Fault{Performed: true, Cut: true}, false, nil},
		{"done, 503", drivetest.Fault{Status: 503, Performed: true}, false, nil},
		{"not done", drivetest.Fault{Cut: true}, false, nil},
		{"not done, and overtaken", drivetest.Fault{Status: 503, Delay: time.Second}, true, drive.ErrConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
				first := put(t, folder, "a.json", "1")
				tt.fault.Op = drivetest.OpUpdate
				srv.Inject(tt.fault)
				if tt.other {
					time.AfterFunc(time.Second/2, func() { put(t, folder, "a.json", "theirs") })
				}
				file, err := folder.Put(t.Context(), "a.json", strings.NewReader("mine"), drive.PutOptions{IfRevision: first.Revision})
				if !errors.Is(err, tt.want) {
					t.Fatalf("Put: %+v, %v; want %v", file, err, tt.want)
				}
				want := "mine"
				if tt.other {
					want = "theirs"
				}
				if got := contents(srv, "a.json"); !slices.Equal(got, []string{want}) {
					t.Errorf("the folder has %q, want %q", got, want)
				}
			})
		})
	}
}

// A lost answer to a Put that must create does not conflict with itself, in one request
// or many, nor does one whose session is gone with the answer.
func TestAbsentAfterLostAnswer(t *testing.T) {
	large := random(2*chunk + 1)
	tests := []struct {
		name    string
		content []byte
		faults  []drivetest.Fault
	}{
		{"one request, cut", []byte("x"), []drivetest.Fault{{Op: drivetest.OpCreate, Cut: true, Performed: true}}},
		{"one request, 503", []byte("x"), []drivetest.Fault{{Op: drivetest.OpCreate, Status: 503, Performed: true}}},
		{"last chunk, cut", large, []drivetest.Fault{{Op: drivetest.OpUploadChunk, Nth: 3, Cut: true, Performed: true}}},
		{"last chunk, and the session is gone", large, []drivetest.Fault{
			{Op: drivetest.OpUploadChunk, Nth: 3, Cut: true, Performed: true},
			{Op: drivetest.OpUploadStatus, Status: 404, Reason: "notFound"},
		}},
	}
	for _, tt := range tests {
		for _, replaces := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", replaces: ", replaces), func(t *testing.T) {
				srv := newServer(t, drivetest.Options{})
				opts := drive.PutOptions{IfRevision: drive.Absent}
				if replaces {
					opts.IfRevision = add(srv, "a", []byte("before")).Revision
				}
				for _, fault := range tt.faults {
					if replaces && fault.Op == drivetest.OpCreate {
						fault.Op = drivetest.OpUpdate
					}
					srv.Inject(fault)
				}
				inBubble(t, srv, drive.Config{ChunkSize: chunk}, func(t *testing.T, folder *drive.AppFolder) {
					if _, err := folder.Put(t.Context(), "a", bytes.NewReader(tt.content), opts); err != nil {
						t.Error(err)
					}
					checkStored(t, srv, "a", tt.content)
					if sent := len(srv.Requests(drivetest.OpUploadChunk)); len(tt.content) > 1 && sent != 3 {
						t.Errorf("%d chunks were sent, want 3", sent)
					}
				})
			})
		}
	}
}

// The answer to a create is lost, and before it is asked for again somebody else
// has replaced the content: only a Put that asked for it conflicts.
func TestCreateOvertaken(t *testing.T) {
	for revision, want := range map[string]error{"": nil, drive.Absent: drive.ErrConflict} {
		srv := newServer(t, drivetest.Options{})
		srv.Inject(drivetest.Fault{Op: drivetest.OpCreate, Status: 503, Performed: true})
		inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			time.AfterFunc(400*time.Millisecond, func() { put(t, folder, "a.json", "theirs") })
			_, err := folder.Put(t.Context(), "a.json", strings.NewReader("mine"), drive.PutOptions{IfRevision: revision})
			if !errors.Is(err, want) {
				t.Errorf("IfRevision %q: %v, want %v", revision, err, want)
			}
			content := "mine"
			if want != nil {
				content = "theirs"
			}
			if got := contents(srv, "a.json"); !slices.Equal(got, []string{content}) {
				t.Errorf("IfRevision %q: the folder has %q", revision, got)
			}
		})
	}
}

// The answer to a create is lost, and before the create is repeated another process has
// replaced the content of the file, or deleted it: a plain Put stores its content, and
// one that must create conflicts.
func TestCreateOvertakenBetweenTries(t *testing.T) {
	tests := []struct {
		deleted  bool
		revision string
		want     error
		left     []string
	}{
		{false, "", nil, []string{"mine"}},
		{false, drive.Absent, drive.ErrConflict, []string{"theirs"}},
		{true, "", nil, []string{"mine"}},
		{true, drive.Absent, drive.ErrConflict, nil},
	}
	for _, tt := range tests {
		srv := newServer(t, drivetest.Options{})
		srv.Inject(drivetest.Fault{Op: drivetest.OpCreate, Cut: true, Performed: true})
		creates := 0
		overtaking := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				if creates++; creates == 2 {
					stored := srv.Folder(drivetest.DefaultUser)
					id := stored.Files("a")[0].ID
					stored.Add(drivetest.File{ID: id, Name: "a", Content: []byte("theirs")})
					if tt.deleted {
						stored.Remove(id)
					}
				}
			}
			srv.ServeHTTP(w, r)
		})
		inBubble(t, overtaking, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			_, err := folder.Put(t.Context(), "a", strings.NewReader("mine"), drive.PutOptions{IfRevision: tt.revision})
			if got := contents(srv, "a"); !errors.Is(err, tt.want) || !slices.Equal(got, tt.left) {
				t.Errorf("%+v: %v, and the folder has %q", tt, err, got)
			}
		})
	}
}

// Many writers at once: however many files that makes, there is one document, and
// each writer can tell by the revision whether it is its own.
func TestConcurrentPuts(t *testing.T) {
	for round := range 10 {
		srv := newServer(t, drivetest.Options{})
		var wg sync.WaitGroup
		files := make([]*drive.File, 8)
		for i := range files {
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
			wg.Go(func() {
				put(t, folder, "a.json", fmt.Sprint("first of ", i))
				files[i] = put(t, folder, "a.json", fmt.Sprint("second of ", i))
			})
		}
		wg.Wait()
		checkWriters(t, srv, files)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// checkWriters lets each writer replace what it has written, if it is still there.
func checkWriters(t *testing.T, srv *drivetest.Server, files []*drive.File) {
	t.Helper()
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	won := 0
	for i, file := range files {
		_, err := folder.Put(t.Context(), "a.json", strings.NewReader(fmt.Sprint("next of ", i)), drive.PutOptions{IfRevision: file.Revision})
		switch {
		case err == nil:
			won++
		case !errors.Is(err, drive.ErrConflict):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if won > 1 {
		t.Errorf("%d of the writers had the document, want at most one", won)
	}
	put(t, folder, "a.json", "last")
	if n := len(srv.Folder(drivetest.DefaultUser).Files("a.json")); n != 1 {
		t.Errorf("%d files, want one", n)
	}
}

func TestPutRefuses(t *testing.T) {
	tests := []struct {
		name, file string
		opts       drive.PutOptions
	}{
		{"no name", "", drive.PutOptions{}},
		{"name is not UTF-8", "a\xff", drive.PutOptions{}},
		{"content type", "a", drive.PutOptions{ContentType: "text/plain\r\nX: y"}},
		{"content type with a parameter on another line", "a", drive.PutOptions{ContentType: "text/plain;\r\n\r\na=b"}},
		{"content type with a line break at its end", "a", drive.PutOptions{ContentType: "text/plain\n"}},
		{"content type with a quoted line break", "a", drive.PutOptions{ContentType: "text/plain; a=\"b\nc\""}},
		{"content type with a tab", "a", drive.PutOptions{ContentType: "text/plain;\ta=b"}},
		{"content type after a space", "a", drive.PutOptions{ContentType: " text/plain"}},
		{"content type before a space", "a", drive.PutOptions{ContentType: "text/plain "}},
		{"content type without a slash", "a", drive.PutOptions{ContentType: "text"}},
		{"negative size", "a", drive.PutOptions{Size: -1}},
		{"property without key", "a", drive.PutOptions{Properties: map[string]string{"": "x"}}},
		{"31 properties", "a", drive.PutOptions{Properties: manyProperties(31)}},
		{"long property", "a", drive.PutOptions{Properties: map[string]string{"k": strings.Repeat("v", 124)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader("x"), bytes.NewReader(make([]byte, 3*mib))} {
				folder, srv := newFolder(t)
				_, err := folder.Put(t.Context(), tt.file, r, tt.opts)
				checkInvalid(t, srv, err)
			}
		})
	}
}

func manyProperties(n int) map[string]string {
	m := make(map[string]string)
	for i := range n {
		m[fmt.Sprint(i)] = "v"
	}
	return m
}

func TestPutOfTheMostProperties(t *testing.T) {
	folder, _ := newFolder(t)
	most := manyProperties(30)
	most["0"] = strings.Repeat("v", 124-len("0"))
	if file, err := folder.Put(t.Context(), "a", strings.NewReader("x"), drive.PutOptions{Properties: most}); err != nil || len(file.Properties) != 30 {
		t.Errorf("Put = %+v, %v", file, err)
	}
}

func TestPutOfNoReader(t *testing.T) {
	folder, srv := newFolder(t)
	_, err := folder.Put(t.Context(), "a", nil, drive.PutOptions{})
	checkInvalid(t, srv, err)
}

// checkInvalid checks that err is a refusal before any request.
func checkInvalid(t *testing.T, srv *drivetest.Server, err error) {
	t.Helper()
	status, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !errors.Is(err, fs.ErrInvalid) || !ok || status.HTTPStatus() != http.StatusBadRequest {
		t.Errorf("%v, want fs.ErrInvalid, a 400", err)
	}
	if n := len(srv.Requests()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

// The default has no parameter that a Query would have to repeat.
func TestDefaultContentType(t *testing.T) {
	folder, _ := newFolder(t)
	for name, want := range map[string]string{
		"a.txt": "text/plain", "a.json": "application/json", "a": "application/octet-stream", "a.none": "application/octet-stream",
	} {
		put(t, folder, name, "x")
		var found []string
		for file, err := range folder.Files(t.Context(), drive.Query{Name: name, ContentType: want}) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, file.ContentType)
		}
		if !slices.Equal(found, []string{want}) {
			t.Errorf("%s: found %q, want %s", name, found, want)
		}
	}
}

func TestPutOfBadReaders(t *testing.T) {
	broken := errors.New("disk broken")
	tests := []struct {
		name string
		r    io.Reader
		size int64
		want string
	}{
		{"fails", iotest.ErrReader(broken), 0, "disk broken"},
		{"fails as a connection would", iotest.ErrReader(io.ErrUnexpectedEOF), 0, "unexpected EOF"},
		{"fails as Drive would", iotest.ErrReader(fs.ErrNotExist), 0, "not exist"},
		{"fails in a chunk", io.MultiReader(bytes.NewReader(make([]byte, 3*mib)), iotest.ErrReader(io.ErrUnexpectedEOF)), 4 * mib, "unexpected EOF"},
		{"too short in a chunk", bytes.NewReader(make([]byte, 3*mib)), 4 * mib, "not of the 4194304 bytes"},
		{"too long in a chunk", bytes.NewReader(make([]byte, 3*mib)), 2 * mib, "not of the 2097152 bytes"},
		{"fails later", io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), 0, "disk broken"},
		{"too short", strings.NewReader("x"), 2, "not of the 2 bytes"},
		{"too long", strings.NewReader("xyz"), 2, "not of the 2 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder, srv := newFolder(t)
			_, err := folder.Put(t.Context(), "a", tt.r, drive.PutOptions{Size: tt.size})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if n := len(srv.Folder(drivetest.DefaultUser).Files("a")); n != 0 {
				t.Errorf("the folder has %d files", n)
			}
			if n := len(srv.Requests(drivetest.OpUploadStatus)) + len(srv.Requests(drivetest.OpList)); n != 2 {
				t.Errorf("it was tried again: %v", ops(srv))
			}
		})
	}
}

func TestPutOptions(t *testing.T) {
	folder, _ := newFolder(t)
	var seen []drive.Progress
	file, err := folder.Put(t.Context(), "a.bin", iotest.OneByteReader(strings.NewReader("content")), drive.PutOptions{
		ContentType: "text/plain; charset=utf-8",
		Properties:  map[string]string{"device": "phone"},
		Progress:    func(p drive.Progress) { seen = append(seen, p) },
	})
	if err != nil || file.ContentType != "text/plain; charset=utf-8" || file.Properties["device"] != "phone" {
		t.Errorf("Put = %+v, %v", file, err)
	}
	if want := []drive.Progress{{Done: 7, Total: 7}}; !slices.Equal(seen, want) {
		t.Errorf("progress %v, want %v", seen, want)
	}
	file, err = folder.SetProperties(t.Context(), "a.bin", map[string]string{"device": "", "theme.dark": "yes"})
	if err != nil || len(file.Properties) != 1 || file.Properties["theme.dark"] != "yes" {
		t.Errorf("SetProperties = %+v, %v", file, err)
	}
	empty, err := folder.Put(t.Context(), "empty", strings.NewReader(""), drive.PutOptions{})
	if err != nil || empty.Size != 0 || empty.ContentType != "application/octet-stream" {
		t.Errorf("Put of nothing = %+v, %v", empty, err)
	}
}

// What Drive says it has stored is compared with what was sent.
func TestPutVerifies(t *testing.T) {
	for checksum, want := range map[string]error{
		`"sha256Checksum":"00"`:                            drive.ErrChecksum,
		`"md5Checksum":"00"`:                               drive.ErrChecksum,
		`"md5Checksum":"99914b932bd37a50b983c5e7c90ae93b"`: nil,
	} {
		folder, srv := newFolder(t)
		srv.Inject(drivetest.Fault{Op: drivetest.OpCreate, Status: 200, Body: `{"id":"1","size":"2",` + checksum + `}`})
		_, err := folder.Put(t.Context(), "a", strings.NewReader("{}"), drive.PutOptions{})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", checksum, err, want)
		}
	}
}

func TestQuota(t *testing.T) {
	srv := newServer(t, drivetest.Options{Quota: 10})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	_, err := folder.Put(t.Context(), "a", strings.NewReader("more than ten bytes"), drive.PutOptions{})
	if !errors.Is(err, drive.ErrQuota) {
		t.Errorf("%v, want ErrQuota", err)
	}
}

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

// Another process stores on top of a Put whose answer is lost. A plain Put replaces
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

// A caller's limit of a request body says so by its status, in one request and in
// chunks.
func TestPutOfTooMuch(t *testing.T) {
	for size, limit := range map[int64]int64{10: 5, 3 * mib: 2 * mib} {
		folder, _ := newFolder(t)
		body := http.MaxBytesReader(nil, io.NopCloser(io.LimitReader(zeros{}, size)), limit)
		_, err := folder.Put(t.Context(), "a", body, drive.PutOptions{})
		if _, ok := errors.AsType[*http.MaxBytesError](err); !ok || httpStatus(err) != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes: %v with HTTPStatus %d, want 413", size, err, httpStatus(err))
		}
	}
}

// That Drive has the content already does not mean that a Put has been done: its
// properties are still to be set after an attempt that failed.
func TestPutOfTheSameContent(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	add(srv, "a", []byte("content"))
	srv.Inject(drivetest.Fault{Op: drivetest.OpUpdate, Status: 503})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		file, err := folder.Put(t.Context(), "a", strings.NewReader("content"), drive.PutOptions{Properties: map[string]string{"k": "v"}})
		if err != nil || file.Properties["k"] != "v" {
			t.Errorf("%+v, %v", file, err)
		}
	})
}

// A request body that breaks off is the client's fault; what comes from another server
// and breaks off is not.
func TestPutOfHalf(t *testing.T) {
	for size, status := range map[int]int{10: http.StatusBadRequest, 3 * mib: http.StatusBadRequest, 20: http.StatusServiceUnavailable} {
		broken := io.ErrUnexpectedEOF
		if status == http.StatusServiceUnavailable {
			broken = &upstreamError{broken}
		}
		folder, _ := newFolder(t)
		body := io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(broken))
		if _, err := folder.Put(t.Context(), "a", body, drive.PutOptions{}); httpStatus(err) != status {
			t.Errorf("%d bytes: %v with HTTPStatus %d, want %d", size, err, httpStatus(err), status)
		}
	}
}

// The document that a Put copies is gone, or cannot be read for now. That says nothing
// about the document that is put, and is not tried again.
func TestPutOfAReaderThatFails(t *testing.T) {
	for _, size := range []int{10, 3 * chunk} {
		for _, status := range []int{404, 409, 503} {
			theirSrv, srv := newServer(t, drivetest.Options{}), newServer(t, drivetest.Options{})
			add(theirSrv, "a", random(size))
			theirs := open(t, drive.Config{HTTPClient: theirSrv.Client(), Endpoint: theirSrv.URL, Retry: drive.Retry{Total: -1}})
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk, Retry: drive.Retry{First: time.Millisecond}})
			before := put(t, folder, "b", "before")
			r := openReader(t, theirs, "a")
			theirSrv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Status: status, Reason: "x", Times: -1})
			_, err := folder.Put(t.Context(), "b", r, drive.PutOptions{})
			if e, ok := errors.AsType[*drive.Error](err); !ok || e.Status != status || httpStatus(err) != e.HTTPStatus() {
				t.Errorf("%v, HTTPStatus %d; want the %d of the reader", err, httpStatus(err), status)
			}
			if n := len(theirSrv.Requests(drivetest.OpDownload)); n != 1 {
				t.Errorf("%d: %d downloads, want one", status, n)
			}
			if file, err := folder.Stat(t.Context(), "b"); err != nil || file.Revision != before.Revision {
				t.Errorf("%d: Stat = %+v, %v; want what was there before", status, file, err)
			}
			if put(t, folder, "b", "then"); len(contents(srv, "b")) != 1 {
				t.Errorf("%d: the files are %q, want one", status, contents(srv, "b"))
			}
		}
	}
}

type upstreamError struct{ error }

func (e *upstreamError) Unwrap() error { return e.error }

func (*upstreamError) HTTPStatus() int { return http.StatusServiceUnavailable }

// Names under a framework that reuses the memory of a request stay what they were.
func TestStringsAreCopied(t *testing.T) {
	folder, _ := newFolder(t)
	put(t, folder, "a", "1")
	put(t, folder, "b", "2")
	memory := []byte("a")
	name := unsafe.String(&memory[0], 1)
	var session *drive.Upload
	keep := drive.PutOptions{Session: func(u *drive.Upload) { session = u }, ContentType: "a/a"}
	if _, err := folder.Put(t.Context(), name, bytes.NewReader(random(2*mib)), keep); err != nil {
		t.Fatal(err)
	}
	kind := []byte("a/a")
	files := folder.Files(t.Context(), drive.Query{Name: name, Prefix: name, ContentType: unsafe.String(&kind[0], 3)})
	opened, err := folder.FS(t.Context()).Open(name)
	if err != nil {
		t.Fatal(err)
	}
	fileErr := errOf(folder.FS(t.Context()).Open("/" + name)).(*fs.PathError)
	stat, err := folder.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := folder.OpenFile(t.Context(), &drive.File{ID: stat.ID, Name: name, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	memory[0], kind[0] = 'b', 'b' // the next request
	if found, err := collect(files); err != nil || len(found) != 1 || found[0].Name != "a" {
		t.Errorf("Files: %+v, %v", found, err)
	}
	if session.Name() != "a" {
		t.Errorf("the session is for %q", session.Name())
	}
	if info, err := opened.Stat(); err != nil || info.Name() != "a" {
		t.Errorf("FS: %v, %v", info, err)
	}
	if file.File().Name != "a" || fileErr.Path != "/a" {
		t.Errorf("File: %q, PathError: %q", file.File().Name, fileErr.Path)
	}
}
