package drive_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
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

// A document that is replaced between lookup and download is read again, for as
// long as there is hope.
func TestReadJSONOfAMovingDocument(t *testing.T) {
	for _, test := range []struct {
		replaced int
		want     error
	}{{1, nil}, {7, nil}, {8, drive.ErrConflict}} {
		srv := newServer(t, drivetest.Options{})
		doc := add(srv, "s.json", []byte(`{"theme":"0"}`))
		n := 0
		replacing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("alt") == "media" && n < test.replaced {
				n++
				doc.Revision = "" // a new one
				doc.Content = fmt.Appendf(nil, `{"theme":"%d"}`, n)
				srv.Folder(drivetest.DefaultUser).Add(doc)
			}
			srv.ServeHTTP(w, r)
		})
		inBubble(t, replacing, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			got, file, err := drive.ReadJSON[settings](t.Context(), folder, "s.json")
			switch {
			case test.want != nil:
				if !errors.Is(err, test.want) || errors.Is(err, drive.ErrChecksum) || file != nil {
					t.Errorf("replaced %d times: %+v, %v; want %v", test.replaced, file, err, test.want)
				}
			case err != nil || got.Theme != fmt.Sprint(test.replaced):
				t.Errorf("replaced %d times: %+v, %v", test.replaced, got, err)
			}
		})
	}
}

// Content that is wrong once was damaged on its way; wrong again, it is damaged
// where it lies.
func TestReadJSONOfADamagedDocument(t *testing.T) {
	for times, want := range []error{nil, nil, drive.ErrChecksum} {
		srv := newServer(t, drivetest.Options{})
		add(srv, "s.json", []byte(`{"theme":"dark"}`))
		if times > 0 {
			srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Times: times, Status: 200, Body: `{"theme":"DARK"}`})
		}
		inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			got, _, err := drive.ReadJSON[settings](t.Context(), folder, "s.json")
			if !errors.Is(err, want) || err == nil && got.Theme != "dark" {
				t.Errorf("damaged %d times: %+v, %v; want %v", times, got, err, want)
			}
		})
	}
}
