package drive_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// An observer hears of every request: its kind, its outcome, its attempt and its units.
func TestObserve(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	var mu sync.Mutex
	var seen []drive.Request
	cfg := drive.Config{ChunkSize: chunk, Observe: func(r drive.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Duration < 0 {
			t.Errorf("%+v", r)
		}
		r.Duration = 0
		seen = append(seen, r)
	}}
	inBubble(t, srv, cfg, func(t *testing.T, folder *drive.AppFolder) {
		srv.Inject(drivetest.Fault{Op: drivetest.OpCreate, Status: 503}, drivetest.Fault{Op: drivetest.OpDownload, Cut: true, Performed: true, CutAt: 20})
		put(t, folder, "a", "1")
		if _, err := io.ReadAll(openReader(t, folder, "a")); err != nil {
			t.Fatal(err)
		}
		put(t, folder, "a", "2")
		srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Status: 503})
		if _, err := folder.Put(t.Context(), "a", bytes.NewReader(random(chunk+1)), drive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := folder.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	})
	want := []drive.Request{
		{Op: "files.list", Status: 200, Attempt: 1, Units: 100},
		{Op: "files.list", Status: 200, Attempt: 1, Units: 100},
		{Op: "files.generateIds", Status: 200, Attempt: 1},
		{Op: "files.create", Status: 503, Attempt: 1, Units: 50},
		{Op: "files.create", Status: 200, Attempt: 2, Units: 50},
		{Op: "files.list", Status: 200, Attempt: 1, Units: 100},
		{Op: "files.media", Status: 0, Attempt: 1, Units: 200},
		{Op: "files.media", Status: 200, Attempt: 2, Units: 200},
		{Op: "files.list", Status: 200, Attempt: 1, Units: 100},
		{Op: "files.get", Status: 200, Attempt: 1, Units: 5},
		{Op: "files.update", Status: 200, Attempt: 1, Units: 50},
		{Op: "files.list", Status: 200, Attempt: 1, Units: 100},
		{Op: "files.get", Status: 200, Attempt: 1, Units: 5},
		{Op: "upload.start", Status: 200, Attempt: 1, Units: 50},
		{Op: "upload.chunk", Status: 503, Attempt: 1},
		{Op: "upload.status", Status: 308, Attempt: 2},
		{Op: "upload.chunk", Status: 308, Attempt: 2},
		{Op: "upload.chunk", Status: 200, Attempt: 1},
		{Op: "files.list", Status: 200, Attempt: 1, Units: 100},
		{Op: "files.get", Status: 200, Attempt: 1, Units: 5},
		{Op: "files.delete", Status: 204, Attempt: 1},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("observed:\n%+v\nwant:\n%+v", seen, want)
	}
}

func TestRetryConfig(t *testing.T) {
	tests := []struct {
		name     string
		retry    drive.Retry
		tries    int
		min, max time.Duration
	}{
		{"default", drive.Retry{}, 5, 7 * time.Second, 23 * time.Second},
		{"none", drive.Retry{Total: -1}, 1, 0, 0},
		{"soon", drive.Retry{First: 10 * time.Millisecond}, 5, 70 * time.Millisecond, 230 * time.Millisecond},
		{"long", drive.Retry{Total: 10 * time.Minute}, 0, 5 * time.Minute, 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			srv.Inject(drivetest.Fault{Status: 503, Times: -1})
			inBubble(t, srv, drive.Config{Retry: tt.retry}, func(t *testing.T, folder *drive.AppFolder) {
				start := time.Now()
				if _, err := folder.Info(t.Context()); err == nil {
					t.Error("no error")
				}
				if took := time.Since(start); took < tt.min || took > tt.max {
					t.Errorf("gave up after %v, want %v to %v", took, tt.min, tt.max)
				}
				if n := len(srv.Requests()); tt.tries > 0 && n != tt.tries || n == 0 {
					t.Errorf("%d tries, want %d", n, tt.tries)
				}
			})
		})
	}
	for name, cfg := range map[string]drive.Config{
		"Retry.First": {HTTPClient: http.DefaultClient, Retry: drive.Retry{First: -1}},
		"Parallel":    {HTTPClient: http.DefaultClient, Parallel: -1},
	} {
		if _, err := drive.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New: %v, want it to name %s", err, name)
		}
	}
}
