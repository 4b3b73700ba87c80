package drive_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
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
