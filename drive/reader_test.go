package drive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func add(srv *drivetest.Server, name string, content []byte) drivetest.File {
	return srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: name, Content: content})
}

func openReader(t testing.TB, folder *drive.AppFolder, name string) *drive.Reader {
	t.Helper()
	r, err := folder.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestReader(t *testing.T) {
	folder, srv := newFolder(t)
	content := random(100 * kib)
	add(srv, "a.bin", content)
	r := openReader(t, folder, "a.bin")
	var last drive.Progress
	r.Progress = func(p drive.Progress) { last = p }
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if want := (drive.Progress{Done: 100 * kib, Total: 100 * kib}); last != want {
		t.Errorf("progress ended with %v, want %v", last, want)
	}
	if want := []drivetest.Op{drivetest.OpList, drivetest.OpDownload}; !slices.Equal(ops(srv), want) {
		t.Errorf("requests %v, want %v", ops(srv), want)
	}
	if d := srv.Requests(drivetest.OpDownload)[0]; d.Header.Get("Range") != "" || d.Header.Get("Accept-Encoding") != "identity" {
		t.Errorf("download with %v", d.Header)
	}
}

func TestReaderIsAReader(t *testing.T) {
	folder, srv := newFolder(t)
	for _, content := range [][]byte{random(300), {}, []byte("x")} {
		add(srv, "a.bin", content)
		r, err := folder.Open(t.Context(), "a.bin")
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, content); err != nil {
			t.Errorf("%d bytes: %v", len(content), err)
		}
		srv.Folder(drivetest.DefaultUser).Remove(r.File().ID)
	}
}

// A broken download goes on where it was.
func TestReaderResumes(t *testing.T) {
	content := random(50 * kib)
	faults := map[string][]drivetest.Fault{
		"once":               {{Performed: true, Cut: true, CutAt: 20 * kib}},
		"many times":         {{Performed: true, Cut: true, CutAt: 5 * kib, Times: 8}},
		"reset":              {{Performed: true, Cut: true, CutAt: 20 * kib, Reset: true}},
		"in the header":      {{Performed: true, Cut: true, CutAt: 30}},
		"then 503":           {{Performed: true, Cut: true, CutAt: 20 * kib}, {Nth: 2, Status: 503}},
		"before any content": {{Status: 503, Times: 2}},
		"rate limited":       {{Status: 403, Reason: "userRateLimitExceeded"}},
	}
	for name, faults := range faults {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			add(srv, "a.bin", content)
			for _, f := range faults {
				f.Op = drivetest.OpDownload
				srv.Inject(f)
			}
			inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
				got, err := io.ReadAll(openReader(t, folder, "a.bin"))
				if err != nil || !bytes.Equal(got, content) {
					t.Fatalf("read %d bytes, %v", len(got), err)
				}
				sum := 0
				for _, r := range srv.Requests(drivetest.OpDownload)[1:] {
					if r.Header.Get("Range") != "" {
						sum++
					}
				}
				if strings.HasPrefix(name, "once") && sum != 1 {
					t.Errorf("%d requests for a range, want one", sum)
				}
			})
		})
	}
}

// A connection that gives nothing any more is given up in the end.
func TestReaderGivesUp(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	add(srv, "a.bin", random(50*kib))
	srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Performed: true, Cut: true, CutAt: 20 * kib})
	srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Nth: 2, Performed: true, Cut: true, Times: -1})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		_, err := io.ReadAll(openReader(t, folder, "a.bin"))
		if _, ok := errors.AsType[*url.Error](err); !ok || errors.Is(err, io.EOF) {
			t.Errorf("%v, want the broken connection, and no end of the document", err)
		}
		if n := len(srv.Requests(drivetest.OpDownload)); n != 6 {
			t.Errorf("%d requests, want 1 and 5", n)
		}
	})
}

// An answer without content and without a length is half an answer.
func TestReaderOfNothing(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	add(srv, "a.bin", []byte("content"))
	empty := 2
	inBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("alt") == "media" && empty > 0 {
			empty--
			w.(http.Flusher).Flush()
			return
		}
		srv.ServeHTTP(w, r)
	}), drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		if got, err := io.ReadAll(openReader(t, folder, "a.bin")); string(got) != "content" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// What was damaged, or replaced between lookup and download, is noticed.
func TestReaderVerifies(t *testing.T) {
	tests := []struct {
		name    string
		replace string
	}{
		{"other content", "CONTENT"},
		{"shorter", "c"},
		{"longer", "content, and more"},
		{"nothing", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder, _ := newFolder(t)
			put(t, folder, "a.bin", "content")
			r := openReader(t, folder, "a.bin")
			put(t, folder, "a.bin", tt.replace)
			if got, err := io.ReadAll(r); !errors.Is(err, drive.ErrChecksum) {
				t.Errorf("read %q, %v; want ErrChecksum", got, err)
			}
		})
	}
}

// A damaged document does not look whole to the browser that it is served to.
func TestServeContentVerifies(t *testing.T) {
	folder, _ := newFolder(t)
	put(t, folder, "a.bin", "content")
	r := openReader(t, folder, "a.bin")
	put(t, folder, "a.bin", "CONTENT")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.ServeContent(w, req, "a.bin", time.Time{}, r)
	}))
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("got %q without an error", got)
	}
}

// The checksum is that of the content from first to last, however the reader
// jumps.
func TestReaderVerifiesInSpiteOfSeeks(t *testing.T) {
	folder, _ := newFolder(t)
	put(t, folder, "a.bin", "0123456789")
	r := openReader(t, folder, "a.bin")
	p := make([]byte, 5)
	io.ReadFull(r, p)
	r.Seek(3, io.SeekStart)
	io.ReadFull(r, p)
	if r.Seek(0, io.SeekEnd); string(p) != "34567" {
		t.Errorf("read %q", p)
	}
	if _, err := r.Read(p); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
	put(t, folder, "a.bin", "9876543210")
	r.Seek(0, io.SeekStart)
	if _, err := io.ReadAll(r); !errors.Is(err, drive.ErrChecksum) {
		t.Errorf("from the start again: %v, want ErrChecksum", err)
	}
}

// Replaced by something shorter in the middle of a download.
func TestReaderVerifiesWhatItResumes(t *testing.T) {
	folder, srv := newFolder(t)
	content := random(50 * kib)
	add(srv, "a.bin", content)
	srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Performed: true, Cut: true, CutAt: 20 * kib})
	r := openReader(t, folder, "a.bin")
	if _, err := io.ReadFull(r, make([]byte, kib)); err != nil {
		t.Fatal(err)
	}
	put(t, folder, "a.bin", "short")
	if _, err := io.ReadAll(r); !errors.Is(err, drive.ErrChecksum) {
		t.Errorf("%v, want ErrChecksum", err)
	}
}

// Where Drive has no SHA-256 of a file, its MD5 counts.
func TestReaderVerifiesMD5(t *testing.T) {
	for sum, want := range map[string]error{
		"9a0364b9e99bb480dd25e1f0284c8555": nil, // of "content"
		"00000000000000000000000000000000": drive.ErrChecksum,
		"":                                 nil,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("alt") == "media" {
				io.WriteString(w, "content")
				return
			}
			io.WriteString(w, `{"files":[{"id":"1","name":"a","size":"7","md5Checksum":"`+sum+`"}]}`)
		}))
		defer srv.Close()
		folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
		if _, err := io.ReadAll(openReader(t, folder, "a")); !errors.Is(err, want) {
			t.Errorf("MD5 %q: %v, want %v", sum, err, want)
		}
	}
}

func TestReadAtAsksForJustThat(t *testing.T) {
	folder, srv := newFolder(t)
	add(srv, "a.bin", []byte("0123456789"))
	r := openReader(t, folder, "a.bin")
	p := make([]byte, 4)
	if n, err := r.ReadAt(p, 3); n != 4 || err != nil || string(p) != "3456" {
		t.Errorf("ReadAt = %q, %v", p[:n], err)
	}
	if n, err := r.ReadAt(p, 8); n != 2 || err != io.EOF || string(p[:n]) != "89" {
		t.Errorf("ReadAt at the end = %q, %v", p[:n], err)
	}
	for i, want := range []string{"bytes=3-6", "bytes=8-9"} {
		if got := srv.Requests(drivetest.OpDownload)[i].Header.Get("Range"); got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
	}
}

func TestClosedReader(t *testing.T) {
	folder, srv := newFolder(t)
	add(srv, "a.bin", []byte("0123456789"))
	r := openReader(t, folder, "a.bin")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4)
	for name, err := range map[string]error{
		"Read": errOf(r.Read(p)), "ReadAt": errOf(r.ReadAt(p, 1)), "Seek": errOf(r.Seek(0, io.SeekStart)), "WriteTo": errOf(r.WriteTo(io.Discard)),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v, want fs.ErrClosed", name, err)
		}
	}
	if n := len(srv.Requests(drivetest.OpDownload)); n != 0 {
		t.Errorf("%d downloads, want none", n)
	}
}

// A server that ignores the range, or answers another, is not believed.
func TestReaderDistrustsRanges(t *testing.T) {
	for name, contentRange := range map[string]string{
		"none": "", "another start": "bytes 0-6/7", "another size": "bytes 3-6/8", "garbage": "bytes",
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("alt") != "media" {
					io.WriteString(w, `{"files":[{"id":"1","name":"a","size":"7"}]}`)
					return
				}
				if contentRange != "" {
					w.Header().Set("Content-Range", contentRange)
					w.WriteHeader(http.StatusPartialContent)
				}
				io.WriteString(w, "tent")
			}))
			defer srv.Close()
			r := openReader(t, open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL}), "a")
			r.Seek(3, io.SeekStart)
			if got, err := io.ReadAll(r); !errors.Is(err, drive.ErrChecksum) {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	folder, srv := newFolder(t)
	if _, err := folder.Open(t.Context(), "a.bin"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of nothing: %v", err)
	}
	file := add(srv, "a.bin", []byte("content"))
	r := openReader(t, folder, "a.bin")
	srv.Folder(drivetest.DefaultUser).Remove(file.ID)
	if _, err := io.ReadAll(r); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of what was deleted: %v", err)
	}
	for _, seek := range []struct {
		off    int64
		whence int
	}{{-1, io.SeekStart}, {-8, io.SeekEnd}, {0, 7}} {
		if _, err := r.Seek(seek.off, seek.whence); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Seek(%d, %d): %v", seek.off, seek.whence, err)
		}
	}
}

func TestReadingEndsWithContext(t *testing.T) {
	folder, srv := newFolder(t)
	add(srv, "a.bin", random(8*mib))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := folder.Open(ctx, "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, kib)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the cancellation", err)
	}
}

func TestServeContent(t *testing.T) {
	folder, srv := newFolder(t)
	add(srv, "a.txt", []byte("0123456789"))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.txt", time.Time{}, openReader(t, folder, "a.txt"))
	}))
	defer site.Close()
	req, _ := http.NewRequest("GET", site.URL, nil)
	req.Header.Set("Range", "bytes=2-4")
	res, err := site.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, _ := io.ReadAll(res.Body); string(got) != "234" || res.StatusCode != http.StatusPartialContent {
		t.Errorf("%d with %q", res.StatusCode, got)
	}
}

// Whatever comes of it, no answer is left open: its connection would be lost.
func TestAnswersAreClosed(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	var left atomic.Int32
	folder := open(t, drive.Config{Endpoint: srv.URL, ChunkSize: chunk, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		res, err := srv.Client().Transport.RoundTrip(r)
		if err == nil {
			left.Add(1)
			res.Body = closing{res.Body, func() { left.Add(-1) }}
		}
		return res, err
	})}})
	read := func(change func(*drive.Reader)) {
		put(t, folder, "a", "0123456789")
		r := openReader(t, folder, "a")
		defer r.Close()
		change(r)
	}
	p := make([]byte, 2)
	read(func(r *drive.Reader) { io.ReadAll(r) })
	read(func(r *drive.Reader) { r.Read(p) })
	read(func(r *drive.Reader) { r.Read(p); r.Seek(5, io.SeekStart); r.Read(p) })
	read(func(r *drive.Reader) { r.ReadAt(p, 3) })
	for _, fault := range []drivetest.Fault{
		{Header: http.Header{"Content-Encoding": {"br"}}},
		{Status: 200, Body: "another length"},
		{Status: 416, Reason: "requestedRangeNotSatisfiable"},
	} {
		fault.Op = drivetest.OpDownload
		srv.Inject(fault)
		read(func(r *drive.Reader) { io.ReadAll(r) })
	}
	for _, status := range []int{200, 404} {
		srv.Inject(drivetest.Fault{Op: drivetest.OpList, Status: status, Body: "{}{}"})
		if _, err := folder.Stat(t.Context(), "a"); err == nil {
			t.Error("no error")
		}
	}
	if _, err := folder.Put(t.Context(), "b", bytes.NewReader(random(3*chunk)), drive.PutOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := folder.DeleteAll(t.Context()); err != nil {
		t.Error(err)
	}
	if n := left.Load(); n != 0 {
		t.Errorf("%d answers are open", n)
	}
}

// Content that a proxy has compressed is refused before its first byte: neither its
// ranges nor its checksum are those of the document.
func TestReaderRefusesCompressedContent(t *testing.T) {
	for _, encoding := range []string{"gzip", "br", "identity", ""} {
		folder, srv := newFolder(t)
		add(srv, "a", []byte("content"))
		if encoding != "" {
			srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Header: http.Header{"Content-Encoding": {encoding}}})
		}
		got, err := io.ReadAll(openReader(t, folder, "a"))
		if plain := encoding == "identity" || encoding == ""; plain && (err != nil || string(got) != "content") ||
			!plain && (err == nil || len(got) > 0 || httpStatus(err) != http.StatusBadGateway) {
			t.Errorf("%q: read %q, %v", encoding, got, err)
		}
	}
}
