package drive_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// A duplicate that changes after it was listed is not deleted: what it is now has
// not lost.
func TestFoldLeavesWhatHasChanged(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, srv *drivetest.Server, id string)
		want   string // the name it has then
	}{
		{"replaced", func(t *testing.T, srv *drivetest.Server, id string) {
			patch(t, srv, "/upload/drive/v3/files/"+id+"?uploadType=media", "text/plain", "theirs")
		}, "a.json"},
		{"renamed", func(t *testing.T, srv *drivetest.Server, id string) {
			patch(t, srv, "/drive/v3/files/"+id, "application/json", `{"name":"b.json"}`)
		}, "b.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			_, loser := twins(srv)
			folder := open(t, drive.Config{Endpoint: srv.URL, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch {
					tt.change(t, srv, loser.ID)
				}
				return srv.Client().Transport.RoundTrip(r)
			})}})
			put(t, folder, "a.json", "mine")
			left := srv.Folder(drivetest.DefaultUser).Files(tt.want)
			if !slices.ContainsFunc(left, func(f drivetest.File) bool { return f.ID == loser.ID }) {
				t.Errorf("%s is gone", loser.ID)
			}
		})
	}
}

func patch(t *testing.T, srv *drivetest.Server, path, contentType, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPatch, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(res.Body)
		t.Fatalf("%s: %s", res.Status, answer)
	}
}
