package drive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		"large": `"` + strings.Repeat("x", 16*mib) + `"`,
	} {
		add(srv, name, []byte(content))
		_, file, err := drive.ReadJSON[settings](t.Context(), folder, name)
		if errors.Is(err, fs.ErrInvalid) != (name == "large") {
			t.Errorf("%s: %v is fs.ErrInvalid: %v", name, err, errors.Is(err, fs.ErrInvalid))
		}
		if err == nil || file != nil || strings.Contains(err.Error(), "at-secret") || strings.Contains(err.Error(), "815") {
			t.Errorf("%s: %+v, %v", name, file, err)
		}
	}
	if n := len(srv.Requests(drivetest.OpDownload)); n != 3 { // neither the empty nor the large one
		t.Errorf("%d downloads, want 3", n)
	}
}

// WriteJSON writes nothing that ReadJSON would refuse.
func TestWriteLargeJSON(t *testing.T) {
	folder, srv := newFolder(t)
	fits := strings.Repeat("x", 16*mib-len(`""`))
	_, err := drive.WriteJSON(t.Context(), folder, "s.json", fits+"x", drive.PutOptions{})
	checkInvalid(t, srv, err)
	if file, err := drive.WriteJSON(t.Context(), folder, "s.json", fits, drive.PutOptions{}); err != nil || file.Size != 16*mib {
		t.Errorf("WriteJSON = %+v, %v", file, err)
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
		replacing := beforeDownloads(srv, func() {
			if n < test.replaced {
				n++
				replace(srv, doc, fmt.Sprintf(`{"theme":"%d"}`, n))
			}
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

// beforeDownloads is srv, with something that happens before each download.
func beforeDownloads(srv *drivetest.Server, happens func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("alt") == "media" {
			happens()
		}
		srv.ServeHTTP(w, r)
	})
}

// replace gives doc another content and a revision of its own.
func replace(srv *drivetest.Server, doc drivetest.File, content string) {
	doc.Revision, doc.Content = "", []byte(content)
	srv.Folder(drivetest.DefaultUser).Add(doc)
}

// A ctx that ends between the reads, or would before the next, is the reason then:
// the document was not read as often as ErrConflict says.
func TestReadJSONEndsWithContext(t *testing.T) {
	tests := []struct {
		name  string
		limit func(context.Context) (context.Context, context.CancelFunc)
		want  error
	}{
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel) // in the first wait
			return ctx, cancel
		}, context.Canceled},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		}, drive.ErrChecksum},
	}
	for _, tt := range tests {
		srv := newServer(t, drivetest.Options{})
		doc := add(srv, "s.json", []byte(`{"theme":"0"}`))
		moving := beforeDownloads(srv, func() { replace(srv, doc, `{"theme":"1"}`) })
		inBubble(t, moving, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			ctx, cancel := tt.limit(t.Context())
			defer cancel()
			_, _, err := drive.ReadJSON[settings](ctx, folder, "s.json")
			if !errors.Is(err, tt.want) || errors.Is(err, drive.ErrConflict) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
			if text := fmt.Sprint(err); !strings.HasPrefix(text, `drive: read "s.json": `) || strings.Count(text, "drive: ") != 1 {
				t.Errorf("%s: text %q, want one prefix", tt.name, text)
			}
		})
	}
}

// The ctx may also end with the last read.
func TestReadJSONEndsWithContextAtLast(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	doc := add(srv, "s.json", []byte(`{"theme":"0"}`))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		reads := 0
		folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			r.Header.Set("Authorization", "Bearer at-secret")
			r.Body = http.NoBody // as a server has it
			answer := httptest.NewRecorder()
			beforeDownloads(srv, func() {
				reads++
				replace(srv, doc, fmt.Sprintf(`{"theme":"%d"}`, reads))
			}).ServeHTTP(answer, r)
			res := answer.Result()
			if reads == 8 {
				res.Body = closing{res.Body, cancel}
			}
			return res, nil
		})}})
		if _, _, err := drive.ReadJSON[settings](ctx, folder, "s.json"); err == nil || errors.Is(err, drive.ErrConflict) || reads != 8 {
			t.Errorf("%v after %d reads, want another error than ErrConflict after 8", err, reads)
		}
	})
}

// closing tells when it is closed.
type closing struct {
	io.ReadCloser
	closed func()
}

func (c closing) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

// Damaged on its way once, then really replaced between look and download, and damaged
// once more.
func TestReadJSONOfADamagedThenMovingDocument(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	doc := add(srv, "s.json", []byte(`{"theme":"0"}`))
	for _, nth := range []int{1, 3} {
		srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Nth: nth, Status: 200, Body: `{"theme":"X"}`})
	}
	n := 0
	moving := beforeDownloads(srv, func() {
		if n++; n == 2 {
			replace(srv, doc, `{"theme":"1"}`)
		}
	})
	inBubble(t, moving, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		if got, _, err := drive.ReadJSON[settings](t.Context(), folder, "s.json"); err != nil || got.Theme != "1" {
			t.Errorf("ReadJSON = %+v, %v; want the new content", got, err)
		}
	})
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
