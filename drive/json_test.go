package drive_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

type settings struct {
	Theme string `json:"theme"`
}

func TestJSON(t *testing.T) {
	folder, _ := newFolder(t)
	ctx := t.Context()
	if _, _, err := drive.ReadJSON[settings](ctx, folder, "s.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadJSON of nothing: %v", err)
	}
	written, err := drive.WriteJSON(ctx, folder, "s", settings{"dark"}, drive.PutOptions{IfRevision: drive.Absent})
	if err != nil || written.ContentType != "application/json" {
		t.Fatalf("WriteJSON = %+v, %v", written, err)
	}
	got, file, err := drive.ReadJSON[settings](ctx, folder, "s")
	if err != nil || got.Theme != "dark" || file.Revision != written.Revision {
		t.Errorf("ReadJSON = %+v, %+v, %v", got, file, err)
	}
	if _, err := drive.WriteJSON(ctx, folder, "s", settings{"light"}, drive.PutOptions{IfRevision: "stale"}); !errors.Is(err, drive.ErrConflict) {
		t.Errorf("WriteJSON over another revision: %v", err)
	}
	if _, err := drive.WriteJSON(ctx, folder, "s", func() {}, drive.PutOptions{}); err == nil {
		t.Error("a function was written")
	}
}

func TestReadJSONRefuses(t *testing.T) {
	folder, srv := newFolder(t)
	for name, content := range map[string]string{
		"empty": "", "two values": "{}{}", "another type": `{"theme":["at-secret"]}`, "a number": `{"theme":815}`,
		"large": `"` + strings.Repeat("x", drive.MaxJSON) + `"`,
	} {
		add(srv, name, []byte(content))
		_, file, err := drive.ReadJSON[settings](t.Context(), folder, name)
		if err == nil || file != nil || strings.Contains(err.Error(), "at-secret") || strings.Contains(err.Error(), "815") {
			t.Errorf("%s: %+v, %v", name, file, err)
		}
	}
	if n := len(srv.Requests(drivetest.OpDownload)); n != 3 { // neither the empty nor the large one
		t.Errorf("%d downloads, want 3", n)
	}
}

// A document that is replaced between lookup and download is read again.
func TestReadJSONOfAMovingDocument(t *testing.T) {
	folder, srv := newFolder(t)
	put(t, folder, "s.json", `{"theme":"dark"}`)
	srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Status: 200, Body: `{"theme":"DARK"}`})
	got, _, err := drive.ReadJSON[settings](t.Context(), folder, "s.json")
	if err != nil || got.Theme != "dark" {
		t.Errorf("ReadJSON = %+v, %v", got, err)
	}
}
