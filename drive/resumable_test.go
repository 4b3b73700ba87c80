package drive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

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
		{name: "replaced since", r: bytes.NewReader(content), then: "theirs"},
		{name: "replaced since, conditional", r: bytes.NewReader(content), stale: true, then: "theirs", want: drive.ErrConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, ChunkSize: chunk})
			opts := drive.PutOptions{}
			if before := put(t, folder, "a.bin", "before").Revision; tt.stale {
				opts.IfRevision = before
			}
			opts.Resume = finish(t, folder, content)
			want := content
			if tt.then != "" {
				put(t, folder, "a.bin", tt.then)
				want = []byte(tt.then)
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
	add(srv, "a.bin", []byte("duplicate"))
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

// Whoever gives a reader that cannot seek can tell that the content is wanted
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
