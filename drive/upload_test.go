package drive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

const (
	kib   = 1 << 10
	mib   = 1 << 20
	chunk = 256 * kib
)

func random(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

// stream hides all of a reader but Read.
func stream(content []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(content)} }

func checkStored(t *testing.T, srv *drivetest.Server, name string, want []byte) {
	t.Helper()
	files := srv.Folder(drivetest.DefaultUser).Files(name)
	if len(files) != 1 || !bytes.Equal(files[0].Content, want) {
		t.Errorf("%d files; want one with the content of %d bytes", len(files), len(want))
	}
}

func TestChunks(t *testing.T) {
	tests := []struct {
		name    string
		size    int
		unsized bool
		cfg     drive.Config
		single  bool
		chunks  int
	}{
		{name: "nothing", size: 0, single: true},
		{name: "two bytes", size: 2, single: true},
		{name: "1 MiB", size: mib, single: true},
		{name: "1 MiB, unsized", size: mib, unsized: true, single: true},
		{name: "1 MiB and a byte", size: mib + 1, chunks: 2},
		{name: "1 MiB and a byte, unsized", size: mib + 1, unsized: true, chunks: 2},
		{name: "3 MiB, unsized", size: 3 * mib, unsized: true, chunks: 3},
		{name: "small chunks", size: mib, cfg: drive.Config{ChunkSize: chunk}, chunks: 4},
		{name: "small chunks, and a byte", size: mib + 1, cfg: drive.Config{ChunkSize: chunk}, chunks: 5},
		{name: "small chunks, unsized", size: 600 * kib, unsized: true, cfg: drive.Config{ChunkSize: chunk}, chunks: 3},
		{name: "5 MB", size: 5_000_000, cfg: drive.Config{ChunkSize: 8 * mib}, single: true},
		{name: "5 MB and a byte", size: 5_000_001, cfg: drive.Config{ChunkSize: 8 * mib}, chunks: 1},
		{name: "one chunk of more than 5 MB", size: 6 * mib, cfg: drive.Config{ChunkSize: 8 * mib}, chunks: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			tt.cfg.HTTPClient, tt.cfg.Endpoint = srv.Client(), srv.URL
			folder := open(t, tt.cfg)
			content := random(tt.size)
			var r io.Reader = bytes.NewReader(content)
			if tt.unsized {
				r = stream(content)
			}
			var seen []int64
			file, err := folder.Put(t.Context(), "a.bin", r, drive.PutOptions{Progress: func(p drive.Progress) { seen = append(seen, p.Done) }})
			if err != nil || file.Size != int64(tt.size) {
				t.Fatalf("Put = %+v, %v", file, err)
			}
			checkStored(t, srv, "a.bin", content)
			if got := len(srv.Requests(drivetest.OpUploadChunk)); got != tt.chunks {
				t.Errorf("%d chunks, want %d", got, tt.chunks)
			}
			if got := len(srv.Requests(drivetest.OpCreate)) == 1; got != tt.single {
				t.Errorf("in one request: %v, want %v", got, tt.single)
			}
			if !slices.IsSorted(seen) || seen[len(seen)-1] != int64(tt.size) {
				t.Errorf("progress %v", seen)
			}
		})
	}
}

// Chunks fit the content, from 256 KiB to 8 MiB.
func TestChunkSizes(t *testing.T) {
	for size, want := range map[int64]int64{
		mib + 1:      mib,
		9 * mib:      9 * mib / 4,
		16 * mib:     4 * mib,
		32 * mib:     8 * mib,
		5 << 40:      8 * mib,
		64*mib + 100: 8 * mib,
	} {
		srv := newServer(t, drivetest.Options{})
		folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
		ctx, stop := context.WithCancel(t.Context())
		_, err := folder.Put(ctx, "a.bin", io.LimitReader(zeros{}, size), drive.PutOptions{Size: size, Progress: func(drive.Progress) { stop() }})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if got := srv.Requests(drivetest.OpUploadChunk)[0].BodySize; got != want {
			t.Errorf("%d bytes in chunks of %d, want %d", size, got, want)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Every way in which a chunk can go wrong, at every chunk, from readers that can
// seek and such that cannot.
func TestInterruptedChunks(t *testing.T) {
	content := random(4*chunk + 1000)
	faults := map[string]drivetest.Fault{
		"503":             {Status: 503},
		"408":             {Status: 408, Reason: "requestTimeout"},
		"429":             {Status: 429, Reason: "rateLimitExceeded"},
		"rate limit":      {Status: 403, Reason: "userRateLimitExceeded"},
		"cut at once":     {Cut: true},
		"cut in chunk":    {Cut: true, CutAt: chunk / 2},
		"answer lost":     {Performed: true, Cut: true},
		"answer in half":  {Performed: true, Cut: true, CutAt: 30},
		"503, but stored": {Status: 503, Performed: true},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			for nth := 1; nth <= 3; nth++ {
				srv := newServer(t, drivetest.Options{})
				fault.Op, fault.Nth = drivetest.OpUploadChunk, nth
				srv.Inject(fault)
				var r io.Reader = bytes.NewReader(content)
				if nth == 2 {
					r = stream(content)
				}
				inBubble(t, srv, drive.Config{ChunkSize: 2 * chunk}, func(t *testing.T, folder *drive.AppFolder) {
					if _, err := folder.Put(t.Context(), "a.bin", r, drive.PutOptions{}); err != nil {
						t.Fatalf("chunk %d: %v", nth, err)
					}
					if n := len(srv.Requests(drivetest.OpUploadStatus)); n != 1 {
						t.Errorf("chunk %d: asked %d times how far it is, want once", nth, n)
					}
					checkStored(t, srv, "a.bin", content)
				})
			}
		})
	}
}

// Content begins where the reader stands, also where a chunk is sent again.
func TestPutFromTheMiddle(t *testing.T) {
	content := random(2*chunk + 1000)
	for _, size := range []int{0, 10, len(content) - 100} {
		srv := newServer(t, drivetest.Options{})
		srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Status: 503}, drivetest.Fault{Op: drivetest.OpCreate, Status: 503})
		inBubble(t, srv, drive.Config{ChunkSize: chunk}, func(t *testing.T, folder *drive.AppFolder) {
			r := bytes.NewReader(content[:100+size])
			r.Seek(100, io.SeekStart)
			if _, err := folder.Put(t.Context(), "a.bin", r, drive.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			checkStored(t, srv, "a.bin", content[100:100+size])
		})
	}
}

// Drive may keep less of a chunk than it got, down to nothing.
func TestPartlyStoredChunks(t *testing.T) {
	content := random(8*chunk + 1000)
	for _, r := range []io.Reader{stream(content), bytes.NewReader(content)} {
		srv := newServer(t, drivetest.Options{})
		srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Keep: chunk, Times: 3})
		srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 5, Keep: 1})
		inBubble(t, srv, drive.Config{ChunkSize: 3 * chunk}, func(t *testing.T, folder *drive.AppFolder) {
			if _, err := folder.Put(t.Context(), "a.bin", r, drive.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			checkStored(t, srv, "a.bin", content)
		})
	}
}

// A session that has ended starts over, if the reader can go back.
func TestEndedSession(t *testing.T) {
	content := random(4 * chunk)
	for _, status := range []int{400, 404, 410} {
		for _, seekable := range []bool{true, false} {
			t.Run(fmt.Sprint(status, " seekable ", seekable), func(t *testing.T) {
				srv := newServer(t, drivetest.Options{})
				folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
				srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 3, Status: status, Reason: "notFound"})
				r, sessions, ids := stream(content), 0, make(map[string]bool)
				if seekable {
					r = bytes.NewReader(content)
				}
				_, err := folder.Put(t.Context(), "a.bin", r, drive.PutOptions{Session: func(u *drive.Upload) {
					sessions++
					ids[fileID(t, u)] = true
				}})
				if !seekable {
					if err == nil || !strings.Contains(err.Error(), "cannot start over") || errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%v, want that it cannot start over", err)
					}
					return
				}
				if err != nil || sessions != 2 || len(ids) != 1 {
					t.Fatalf("%v after %d sessions for the IDs %v; want two, for one file", err, sessions, ids)
				}
				checkStored(t, srv, "a.bin", content)
			})
		}
	}
}

// fileID returns the ID of the file that a session writes.
func fileID(t *testing.T, u *drive.Upload) string {
	t.Helper()
	data, err := u.MarshalBinary()
	var fields struct {
		FileID string `json:"file_id"`
	}
	if err := errors.Join(err, json.Unmarshal(data, &fields)); err != nil {
		t.Fatal(err)
	}
	return fields.FileID
}

// The session is gone, and with it the answer that the file is there.
func TestLostLastAnswerOfEndedSession(t *testing.T) {
	content := random(2 * chunk)
	for _, conditional := range []bool{false, true} {
		srv := newServer(t, drivetest.Options{})
		inBubble(t, srv, drive.Config{ChunkSize: chunk}, func(t *testing.T, folder *drive.AppFolder) {
			var opts drive.PutOptions
			if conditional {
				opts.IfRevision = put(t, folder, "a.bin", "before").Revision
			}
			srv.Inject(
				drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 2, Performed: true, Cut: true},
				drivetest.Fault{Op: drivetest.OpUploadStatus, Status: 404, Reason: "notFound"})
			if _, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), opts); err != nil {
				t.Fatalf("conditional %v: %v", conditional, err)
			}
			checkStored(t, srv, "a.bin", content)
			if n := len(srv.Requests(drivetest.OpUploadStart)); conditional && n != 1 {
				t.Errorf("uploaded %d times", n)
			}
		})
	}
}

// A Drive that never stores anything is given up.
func TestStalledUpload(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Keep: 1, Times: -1})
	inBubble(t, srv, drive.Config{ChunkSize: chunk}, func(t *testing.T, folder *drive.AppFolder) {
		_, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(random(3*chunk)), drive.PutOptions{})
		if n := len(srv.Requests(drivetest.OpUploadChunk)); err == nil || n != 5 {
			t.Errorf("%v after %d chunks, want an error after 5", err, n)
		}
	})
}

// An ID that turns out to be in use, by what cannot be seen, is given up.
func TestForeignID(t *testing.T) {
	for _, content := range [][]byte{[]byte("{}"), random(3 * chunk)} {
		folder, srv := newFolder(t)
		srv.Inject(
			drivetest.Fault{Op: drivetest.OpCreate, Status: 409, Reason: "fileIdInUse"},
			drivetest.Fault{Op: drivetest.OpUploadStart, Status: 409, Reason: "duplicate"})
		if _, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), drive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		checkStored(t, srv, "a.bin", content)
	}
}

// Answers that no Drive gives.
func TestUnbelievableSessions(t *testing.T) {
	const path = "/upload/drive/v3/files?uploadType=resumable&upload_id=1"
	tests := []struct {
		name, location, rangeOf string
		done                    bool
	}{
		{name: "session elsewhere", location: "https://drive.example.com" + path},
		{name: "no session"},
		{name: "more than was sent", location: path, rangeOf: "bytes=0-9999999"},
		{name: "range without unit", location: path, rangeOf: "0-262143"},
		{name: "not from the start", location: path, rangeOf: "bytes=1-262143"},
		{name: "no number", location: path, rangeOf: "bytes=0-x"},
		{name: "negative", location: path, rangeOf: "bytes=0--2"},
		{name: "overflow", location: path, rangeOf: "bytes=0-9223372036854775807"},
		{name: "done before the end", location: path, done: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				switch {
				case r.Method == http.MethodGet:
					io.WriteString(w, `{"ids":["1","2"]}`)
				case r.Method == http.MethodPost && tt.location != "":
					w.Header().Set("Location", tt.location)
				case tt.done:
					io.WriteString(w, `{"id":"1"}`)
				case r.Method == http.MethodPut:
					w.Header().Set("Range", tt.rangeOf)
					w.WriteHeader(http.StatusPermanentRedirect)
				}
			}))
			defer srv.Close()
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
			_, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(random(3*chunk)), drive.PutOptions{})
			if err == nil || !strings.Contains(err.Error(), "unreadable answer") {
				t.Errorf("%v, want that the answer is unreadable", err)
			}
		})
	}
}

// A transport that goes on reading a body after it has returned gets nothing
// more: by then the reader is the caller's again.
func TestBodyEndsWithItsRequest(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	failure := errors.New("transport failed")
	var late io.Reader
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			late = r.Body
			return nil, failure
		}
		return srv.Client().Transport.RoundTrip(r)
	})}
	folder := open(t, drive.Config{HTTPClient: client, Endpoint: srv.URL, ChunkSize: chunk})
	_, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(random(3*chunk)), drive.PutOptions{})
	if !errors.Is(err, failure) || late == nil {
		t.Fatalf("%v, want the failure of the transport", err)
	}
	if n, err := io.Copy(io.Discard, late); n != 0 || err != nil {
		t.Errorf("an ended body gave %d bytes, %v", n, err)
	}
}

func TestRefusedSessions(t *testing.T) {
	tests := []struct {
		name string
		op   drivetest.Op
		fault
		want error
	}{
		{"quota at the start", drivetest.OpUploadStart, fault{403, "storageQuotaExceeded"}, drive.ErrQuota},
		{"quota at a chunk", drivetest.OpUploadChunk, fault{403, "storageQuotaExceeded"}, drive.ErrQuota},
		{"scope", drivetest.OpUploadChunk, fault{403, "insufficientPermissions"}, drive.ErrScope},
		{"token", drivetest.OpUploadChunk, fault{401, "authError"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
			srv.Inject(drivetest.Fault{Op: tt.op, Status: tt.status, Reason: tt.reason, Times: -1})
			_, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(random(3*chunk)), drive.PutOptions{})
			if e, ok := errors.AsType[*drive.Error](err); !ok || e.Status != tt.status || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if n := len(srv.Requests(tt.op)); n != 1 {
				t.Errorf("%d requests, want one", n)
			}
		})
	}
}

type fault struct {
	status int
	reason string
}

// interrupt begins a Put and ends it after two chunks. It returns the session as
// a database would keep it.
func interrupt(t *testing.T, srv *drivetest.Server, content []byte, opts drive.PutOptions) []byte {
	t.Helper()
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
	ctx, pause := context.WithCancel(t.Context())
	var kept []byte
	opts.Session = func(u *drive.Upload) {
		kept, _ = u.MarshalBinary()
		if text := u.Expires().String(); strings.Contains(text, " m=") {
			t.Errorf("it expires at %s, want a time of the wall clock alone", text)
		}
	}
	opts.Progress = func(p drive.Progress) {
		if p.Done >= 2*chunk {
			pause()
		}
	}
	_, err := folder.Put(ctx, "a.bin", bytes.NewReader(content), opts)
	if !errors.Is(err, context.Canceled) || kept == nil {
		t.Fatalf("Put: %v, session %q", err, kept)
	}
	return kept
}

func kept(t *testing.T, data []byte) *drive.Upload {
	t.Helper()
	u := new(drive.Upload)
	if err := u.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestResume(t *testing.T) {
	content := random(5*chunk + 1)
	tests := []struct {
		name   string
		r      io.Reader
		size   int // that the session knows
		before func(*drivetest.Server)
		chunks int // sent by the second process
	}{
		{name: "seekable", r: bytes.NewReader(content), chunks: 4},
		{name: "session of unknown size", r: bytes.NewReader(content), size: -1, chunks: 4},
		{name: "stream", r: stream(content), chunks: 4},
		{name: "expired", r: stream(content), chunks: 6, before: func(srv *drivetest.Server) {
			srv.Inject(drivetest.Fault{Op: drivetest.OpUploadStatus, Status: 404, Reason: "notFound"})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			data := interrupt(t, srv, content, drive.PutOptions{})
			if tt.size != 0 {
				data = bytes.Replace(data, fmt.Appendf(nil, `"size":%d`, len(content)), fmt.Appendf(nil, `"size":%d`, tt.size), 1)
			}
			session := kept(t, data)
			if tt.before != nil {
				tt.before(srv)
			}
			before := len(srv.Requests(drivetest.OpUploadChunk))
			other := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
			file, err := other.Put(t.Context(), "a.bin", tt.r, drive.PutOptions{Resume: session})
			if err != nil || file.Size != int64(len(content)) || file.ID != fileID(t, session) {
				t.Fatalf("Put = %+v, %v", file, err)
			}
			checkStored(t, srv, "a.bin", content)
			if n := len(srv.Requests(drivetest.OpUploadChunk)) - before; n != tt.chunks {
				t.Errorf("%d chunks, want %d", n, tt.chunks)
			}
			again, err := other.Put(t.Context(), "a.bin", bytes.NewReader(content), drive.PutOptions{Resume: session})
			if err != nil || again.Size != file.Size {
				t.Errorf("resuming a finished session = %+v, %v", again, err)
			}
			checkStored(t, srv, "a.bin", content)
		})
	}
}

func TestResumeRefuses(t *testing.T) {
	content := random(5 * chunk)
	srv := newServer(t, drivetest.Options{})
	good := interrupt(t, srv, content, drive.PutOptions{})
	var fields map[string]any
	if err := json.Unmarshal(good, &fields); err != nil {
		t.Fatalf("MarshalBinary gave no JSON object: %v", err)
	}
	change := func(key string, value any) []byte {
		changed, _ := json.Marshal(map[string]any{"url": fields["url"], "name": fields["name"], "file_id": fields["file_id"], "size": fields["size"], key: value})
		return changed
	}
	address := fields["url"].(string)
	tests := []struct {
		name, file string
		kept       []byte
		size       int
	}{
		{"another host", "a.bin", change("url", strings.Replace(address, "127.0.0.1", "127.0.0.2", 1)), len(content)},
		{"another port", "a.bin", change("url", strings.Replace(address, "127.0.0.1:", "127.0.0.1:1", 1)), len(content)},
		{"another scheme", "a.bin", change("url", strings.Replace(address, "http:", "https:", 1)), len(content)},
		{"user", "a.bin", change("url", strings.Replace(address, "http://", "http://x@", 1)), len(content)},
		{"another API", "a.bin", change("url", strings.Replace(address, "/upload/drive/v3/files", "/calendar/v3/users/me/settings", 1)), len(content)},
		{"another path of that start", "a.bin", change("url", strings.Replace(address, "/files", "/files2", 1)), len(content)},
		{"a way out", "a.bin", change("url", strings.Replace(address, "/files", "/files/../../../../drive/v3/files", 1)), len(content)},
		{"a hidden way out", "a.bin", change("url", strings.Replace(address, "/files", "/files/%2e%2e/x", 1)), len(content)},
		{"no URL", "a.bin", change("url", "http://["), len(content)},
		{"no upload_id", "a.bin", change("url", strings.Replace(address, "upload_id=", "id=", 1)), len(content)},
		{"another document", "b.bin", good, len(content)},
		{"another size", "a.bin", good, len(content) - 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
			before := len(srv.Requests())
			_, err := folder.Put(t.Context(), tt.file, bytes.NewReader(content[:tt.size]), drive.PutOptions{Resume: kept(t, tt.kept)})
			if !errors.Is(err, fs.ErrInvalid) || len(srv.Requests()) != before {
				t.Errorf("%v, want fs.ErrInvalid without a request", err)
			}
		})
	}
}

// The last answer to a resumed Put is lost, and then the session is gone: what it has
// stored does not conflict with it.
func TestResumeWhoseLastAnswerIsLost(t *testing.T) {
	content := random(5 * chunk)
	srv := newServer(t, drivetest.Options{})
	opts := drive.PutOptions{IfRevision: drive.Absent}
	opts.Resume = kept(t, interrupt(t, srv, content, opts))
	srv.Inject(
		drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 3, Performed: true, Status: 503},
		drivetest.Fault{Op: drivetest.OpUploadStatus, Nth: 2, Status: 404, Reason: "notFound"})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk, Retry: drive.Retry{First: time.Millisecond}})
	if _, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), opts); err != nil {
		t.Error(err)
	}
	checkStored(t, srv, "a.bin", content)
	if n := len(srv.Requests(drivetest.OpUploadStart)); n != 1 {
		t.Errorf("%d sessions, want one", n)
	}
}

// Drive has all of the content, and says so before the document is complete.
func TestStoredBeforeItIsDone(t *testing.T) {
	content := random(2 * chunk)
	srv := newServer(t, drivetest.Options{})
	folder := open(t, drive.Config{Endpoint: srv.URL, ChunkSize: chunk, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		res, err := srv.Client().Transport.RoundTrip(r)
		if err == nil && r.Method == http.MethodPut && r.ContentLength > 0 && res.StatusCode == http.StatusOK {
			res.StatusCode = http.StatusPermanentRedirect
			res.Header.Set("Range", fmt.Sprintf("bytes=0-%d", len(content)-1))
		}
		return res, err
	})}})
	file, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), drive.PutOptions{})
	if err != nil || file.Size != int64(len(content)) {
		t.Errorf("Put = %+v, %v", file, err)
	}
	if chunks, asked := len(srv.Requests(drivetest.OpUploadChunk)), len(srv.Requests(drivetest.OpUploadStatus)); chunks != 2 || asked != 1 {
		t.Errorf("%d chunks, and asked %d times, want 2 and once", chunks, asked)
	}
}

// The reader of the second process has other content: the checksum tells.
func TestResumeWithOtherContent(t *testing.T) {
	content := random(5 * chunk)
	srv := newServer(t, drivetest.Options{})
	session := kept(t, interrupt(t, srv, content, drive.PutOptions{}))
	content[0]++
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
	_, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), drive.PutOptions{Resume: session})
	if !errors.Is(err, drive.ErrChecksum) {
		t.Errorf("%v, want ErrChecksum", err)
	}
}

func TestResumeIfRevision(t *testing.T) {
	content := random(5 * chunk)
	srv := newServer(t, drivetest.Options{})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
	first := put(t, folder, "a.bin", "first")
	session := kept(t, interrupt(t, srv, content, drive.PutOptions{IfRevision: first.Revision}))
	put(t, folder, "a.bin", "theirs")
	_, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), drive.PutOptions{Resume: session, IfRevision: first.Revision})
	if !errors.Is(err, drive.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	checkStored(t, srv, "a.bin", []byte("theirs"))
}

// Another file of the name has appeared since the session began. If that one wins,
// the content has to go there.
func TestResumeBesideAnotherFile(t *testing.T) {
	for modified, wins := range map[time.Duration]bool{-time.Hour: false, time.Hour: true} {
		content := random(5 * chunk)
		srv := newServer(t, drivetest.Options{})
		folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
		want := put(t, folder, "a.bin", "first").ID
		session := kept(t, interrupt(t, srv, content, drive.PutOptions{}))
		other := srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "a.bin", Content: []byte("theirs"), Modified: time.Now().Add(modified)})
		if wins {
			want = other.ID
		}
		file, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), drive.PutOptions{Resume: session})
		if err != nil || file.ID != want {
			t.Fatalf("Put = %+v, %v; want to write to %s", file, err, want)
		}
		checkStored(t, srv, "a.bin", content)
	}
}

// hidden has its fields where fmt sees them and cannot call their methods.
type hidden struct {
	p *drive.Upload
	v drive.Upload
}

// A session is a capability. It shows itself only through MarshalBinary.
func TestUploadIsRedacted(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	data := interrupt(t, srv, random(5*chunk), drive.PutOptions{})
	session := kept(t, data)
	var fields struct{ URL string }
	json.Unmarshal(data, &fields)
	_, secret, _ := strings.Cut(fields.URL, "upload_id=")
	if secret == "" {
		t.Fatalf("no upload_id in %q", data)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("kept", "p", session, "v", *session, "opts", drive.PutOptions{Resume: session})
	slog.New(slog.NewTextHandler(&log, nil)).Info("kept", "p", session, "v", *session)
	encoded, err := json.Marshal([]any{session, *session, map[string]any{"u": session}})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{log.String(), string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%p"} {
		texts = append(texts, fmt.Sprintf(verb, session), fmt.Sprintf(verb, *session), fmt.Sprintf(verb, drive.PutOptions{Resume: session}))
		texts = append(texts, fmt.Sprintf(verb, hidden{session, *session}), fmt.Sprintf(verb, &hidden{session, *session}))
	}
	for _, text := range texts {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("the session shows in %s", text)
		}
	}
	if session.Name() != "a.bin" || time.Until(session.Expires()) < 6*24*time.Hour {
		t.Errorf("session for %q until %v", session.Name(), session.Expires())
	}
}

func TestErrorsDoNotShowTheSession(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	session := interrupt(t, srv, random(5*chunk), drive.PutOptions{})
	var fields struct{ URL string }
	json.Unmarshal(session, &fields)
	_, secret, _ := strings.Cut(fields.URL, "upload_id=")
	srv.Inject(drivetest.Fault{Op: drivetest.OpUploadStatus, Times: -1, Performed: true, Cut: true})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, Retry: drive.Retry{Total: -1}})
	_, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(random(5*chunk)), drive.PutOptions{Resume: kept(t, session)})
	for e := err; e != nil; e = errors.Unwrap(e) {
		if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, secret) {
			t.Errorf("the session shows in %s", text)
		}
	}
	if err == nil {
		t.Error("no error")
	}
}

func TestUploadUnmarshalBinaryRefuses(t *testing.T) {
	const good = `{"url":"https://www.googleapis.com/upload/drive/v3/files?upload_id=at-secret","name":"a","size":7}`
	for name, data := range map[string]string{
		"nothing": "", "no JSON": good[1:], "no URL": `{"name":"a"}`, "no name": `{"url":"x"}`,
		"another type": `{"url":"x","name":"a","size":"at-secret"}`, "too long": good + strings.Repeat(" ", 64*kib),
	} {
		u := kept(t, []byte(good))
		err := u.UnmarshalBinary([]byte(data))
		if err == nil || strings.Contains(err.Error(), "at-secret") || u.Name() != "a" {
			t.Errorf("%s: %v, and the session is for %q", name, err, u.Name())
		}
	}
	kept(t, []byte(good+strings.Repeat(" ", 64*kib-len(good))))
}

func FuzzUploadUnmarshalBinary(f *testing.F) {
	f.Add([]byte(`{"url":"https://www.googleapis.com/upload/drive/v3/files?upload_id=x","name":"a","size":7}`))
	f.Add([]byte(`{"url":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var u, v drive.Upload
		if u.UnmarshalBinary(data) != nil {
			return
		}
		kept, err := u.MarshalBinary()
		if err != nil || v.UnmarshalBinary(kept) != nil {
			t.Fatalf("%q does not survive being kept: %v", data, err)
		}
		if again, _ := v.MarshalBinary(); !bytes.Equal(kept, again) {
			t.Errorf("%q became %q", kept, again)
		}
	})
}

// finish uploads content in a session, to its end, and returns the session.
func finish(t *testing.T, folder *drive.AppFolder, content []byte) (session *drive.Upload) {
	t.Helper()
	keep := drive.PutOptions{Session: func(u *drive.Upload) { session = u }}
	if _, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), keep); err != nil {
		t.Fatal(err)
	}
	return session
}

// A session that is complete takes nothing more. What a Put that resumes it gives
// must be what is there.
func TestResumeOfCompleteSession(t *testing.T) {
	content := random(3*chunk + 1)
	other := slices.Clone(content)
	other[0]++
	broken := errors.New("disk broken")
	tests := []struct {
		name  string
		r     io.Reader
		stale bool // IfRevision is that before the session
		then  string
		fails bool // the look at the document
		want  error
	}{
		{name: "same", r: bytes.NewReader(content)},
		{name: "same from a stream", r: stream(content)},
		{name: "same, conditional", r: bytes.NewReader(content), stale: true},
		{name: "other", r: bytes.NewReader(other), want: drive.ErrChecksum},
		{name: "other, conditional", r: bytes.NewReader(other), stale: true, want: drive.ErrChecksum},
		{name: "longer stream", r: stream(append(slices.Clone(content), 0)), want: drive.ErrChecksum},
		{name: "much longer stream", r: io.MultiReader(bytes.NewReader(content), io.LimitReader(zeros{}, 9*chunk)), want: drive.ErrChecksum},
		{name: "reader fails", r: io.MultiReader(bytes.NewReader(content[:chunk]), failing{broken}), want: broken},
		{name: "no look", r: bytes.NewReader(content), fails: true, want: drive.ErrScope},
		{name: "no look, conditional", r: bytes.NewReader(content), stale: true, fails: true, want: drive.ErrScope},
		{name: "replaced since", r: bytes.NewReader(content), then: "theirs"},
		{name: "replaced since, conditional", r: bytes.NewReader(content), stale: true, then: "theirs", want: drive.ErrConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{Lag: drivetest.Lag{Update: time.Hour}})
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
			opts := drive.PutOptions{}
			if before := put(t, folder, "a.bin", "before").Revision; tt.stale {
				opts.IfRevision = before
			}
			opts.Resume = finish(t, folder, content)
			want := content
			if tt.then != "" {
				srv.Advance(time.Second) // Drive's times are to the millisecond
				put(t, folder, "a.bin", tt.then)
				want = []byte(tt.then)
			}
			if tt.fails {
				srv.Inject(drivetest.Fault{Op: drivetest.OpList, Status: 403, Reason: "insufficientPermissions"})
			}
			writes := len(srv.Requests(drivetest.OpUploadChunk, drivetest.OpUploadStart))
			_, err := folder.Put(t.Context(), "a.bin", tt.r, opts)
			if !errors.Is(err, tt.want) {
				t.Errorf("Put: %v, want %v", err, tt.want)
			}
			checkStored(t, srv, "a.bin", want)
			if n := len(srv.Requests(drivetest.OpUploadChunk, drivetest.OpUploadStart)) - writes; n != 0 {
				t.Errorf("%d requests sent content once more", n)
			}
			for file, err := range folder.Files(t.Context(), drive.Query{}) {
				if err != nil || file.Size != int64(len(want)) {
					t.Errorf("listed %+v, %v; want %d bytes", file, err, len(want))
				}
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Like every Put, it folds, and it tells how far it is.
func TestResumeOfCompleteSessionFolds(t *testing.T) {
	content := random(3 * chunk)
	srv := newServer(t, drivetest.Options{})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
	opts := drive.PutOptions{Resume: finish(t, folder, content)}
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "a.bin", Content: []byte("duplicate"), Modified: time.Now().Add(-time.Hour)})
	var seen drive.Progress
	opts.Progress = func(p drive.Progress) { seen = p }
	if _, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), opts); err != nil {
		t.Fatal(err)
	}
	checkStored(t, srv, "a.bin", content)
	if seen.Done != int64(len(content)) {
		t.Errorf("progress %+v", seen)
	}
}

// A file that has lost to another since is not folded by the Put that wrote it, of which
// the caller gets it.
func TestResumeOfCompleteSessionThatLost(t *testing.T) {
	content := random(3 * chunk)
	srv := newServer(t, drivetest.Options{})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
	opts := drive.PutOptions{Resume: finish(t, folder, content)}
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "a.bin", Content: []byte("theirs"), Modified: time.Now().Add(time.Hour)})
	file, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), opts)
	if err != nil || file.ID != fileID(t, opts.Resume) || len(contents(srv, "a.bin")) != 2 {
		t.Errorf("Put = %+v, %v, and there are %d files; want its own of two", file, err, len(contents(srv, "a.bin")))
	}
}

// A document that was deleted since is not as the Put left it.
func TestResumeOfCompleteSessionAfterDelete(t *testing.T) {
	content := random(3 * chunk)
	srv := newServer(t, drivetest.Options{})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
	opts := drive.PutOptions{IfRevision: drive.Absent, Resume: finish(t, folder, content)}
	if err := folder.Delete(t.Context(), "a.bin"); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Put(t.Context(), "a.bin", bytes.NewReader(content), opts); !errors.Is(err, drive.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
}

// A stream that is longer or shorter than what the session is for is to blame
// itself, and nothing of it becomes the document.
func TestResumeWithStreamOfAnotherLength(t *testing.T) {
	content := random(5 * chunk)
	for name, other := range map[string][]byte{
		"longer by a byte":       append(slices.Clone(content), 0),
		"longer by chunks":       append(slices.Clone(content), random(3*chunk)...),
		"shorter by a byte":      content[:5*chunk-1],
		"shorter by a chunk":     content[:4*chunk],
		"shorter than is stored": content[:chunk],
		"empty":                  nil,
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
			put(t, folder, "a.bin", "before")
			session := kept(t, interrupt(t, srv, content, drive.PutOptions{}))
			_, err := folder.Put(t.Context(), "a.bin", stream(other), drive.PutOptions{Resume: session})
			if err == nil || !strings.Contains(err.Error(), "not of the 1310720 bytes") {
				t.Errorf("%v, want that the content has another length", err)
			}
			checkStored(t, srv, "a.bin", []byte("before"))
			if _, err := folder.Put(t.Context(), "a.bin", stream(content), drive.PutOptions{Resume: session}); err != nil {
				t.Errorf("with the right content: %v", err)
			}
			checkStored(t, srv, "a.bin", content)
		})
	}
}

// Another process resumes the same session, and is ahead at every chunk: by a
// part, or with all of it.
func TestResumeBesideAnotherProcess(t *testing.T) {
	content := random(9*chunk + 1)
	for _, ahead := range []int{4 * chunk, 8 * chunk, len(content)} {
		for name, r := range map[string]io.Reader{"seekable": bytes.NewReader(content), "stream": stream(content)} {
			srv := newServer(t, drivetest.Options{})
			session := kept(t, interrupt(t, srv, content, drive.PutOptions{}))
			chunks := 0
			folder := open(t, drive.Config{Endpoint: srv.URL, ChunkSize: chunk, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPut && r.ContentLength > 0 {
					if chunks++; chunks == 1 {
						sendOther(t, srv, r.URL.String(), content, 2*chunk, ahead)
					}
				}
				return srv.Client().Transport.RoundTrip(r)
			})}})
			file, err := folder.Put(t.Context(), "a.bin", r, drive.PutOptions{Resume: session})
			if err != nil || file.Size != int64(len(content)) {
				t.Errorf("%s, other at %d: %+v, %v", name, ahead, file, err)
			}
			checkStored(t, srv, "a.bin", content)
		}
	}
}

// sendOther sends a part of content as another process would.
func sendOther(t *testing.T, srv *drivetest.Server, session string, content []byte, from, to int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, session, bytes.NewReader(content[from:to]))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(content)))
	res, err := srv.Client().Do(req)
	if err != nil || res.StatusCode != http.StatusPermanentRedirect && res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	res.Body.Close()
}

// The caller who gives a reader that cannot seek can see that the content is wanted
// anew.
func TestErrSessionEnded(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
	srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 2, Status: 404, Reason: "notFound"})
	_, err := folder.Put(t.Context(), "a.bin", stream(random(3*chunk)), drive.PutOptions{})
	status, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !errors.Is(err, drive.ErrSessionEnded) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrSessionEnded", err)
	}
	if !ok || status.HTTPStatus() != http.StatusServiceUnavailable {
		t.Errorf("%v, want a 503", err)
	}
}

// The form in which sessions are kept: later versions read it too.
func TestKeptUpload(t *testing.T) {
	const kept = `{"url":"https://www.googleapis.com/upload/drive/v3/files?uploadType=resumable&upload_id=ABPtcPo",` +
		`"name":"backup.tar","file_id":"1a2B3c","size":1048576,"started":"2026-11-24T12:00:00Z"}`
	var u drive.Upload
	if err := u.UnmarshalBinary([]byte(kept)); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC); u.Name() != "backup.tar" || !u.Expires().Equal(want) {
		t.Errorf("read %q, until %v", u.Name(), u.Expires())
	}
	written, err := u.MarshalBinary()
	var again map[string]any
	if err := errors.Join(err, json.Unmarshal(written, &again)); err != nil {
		t.Fatal(err)
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(kept), &first); err != nil || !maps.Equal(again, first) {
		t.Errorf("wrote %v, read %v", again, first)
	}
}
