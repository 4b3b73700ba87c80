package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

const name = "settings.json"

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func setting(value, device string, minute int) Setting {
	return Setting{Value: json.RawMessage(value), Changed: noon.Add(time.Duration(minute) * time.Minute), Device: device}
}

func newFolder(t *testing.T, srv *drivetest.Server) *drive.AppFolder {
	t.Helper()
	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.Endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func newServer(t *testing.T) *drivetest.Server {
	srv := drivetest.NewServer(drivetest.Options{})
	t.Cleanup(srv.Close)
	return srv
}

func TestMerge(t *testing.T) {
	docs := []Document{
		nil,
		{"theme": setting(`"dark"`, "phone", 1)},
		{"theme": setting(`"light"`, "tablet", 2), "units": setting(`"metric"`, "tablet", 0)},
		{"theme": setting(`"blue"`, "tablet", 1), "units": setting(`null`, "phone", 3)},
		{"theme": setting(`"red"`, "tablet", 1)},
	}
	want := Document{"theme": setting(`"light"`, "tablet", 2), "units": setting(`null`, "phone", 3)}
	for range 100 { // in whatever order, and more than once
		merged := Document{}
		for _, i := range append(rand.Perm(len(docs)), rand.Perm(len(docs))...) {
			merged = Merge(merged, docs[i])
		}
		if !Equal(merged, want) {
			t.Fatalf("merged to %v, want %v", merged, want)
		}
	}
	if len(docs[1]) != 1 {
		t.Error("Merge has changed what it was given")
	}
}

// Another device writes between this one's read and its write.
func TestSyncGivesWay(t *testing.T) {
	srv := newServer(t)
	other := newFolder(t, srv)
	theirs := Document{"theme": setting(`"dark"`, "tablet", 1), "units": setting(`"metric"`, "tablet", 1)}
	lookups := 0
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Query().Get("q"), name) {
			if lookups++; lookups == 2 { // the first was for reading
				if _, err := Sync(t.Context(), other, name, theirs); err != nil {
					t.Error(err)
				}
			}
		}
		return srv.Client().Transport.RoundTrip(r)
	})}
	folder, err := drive.New(drive.Config{HTTPClient: client, Endpoint: srv.Endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	merged, err := Sync(t.Context(), folder, name, Document{"theme": setting(`"light"`, "phone", 2)})
	if err != nil {
		t.Fatal(err)
	}
	want := Document{"theme": setting(`"light"`, "phone", 2), "units": setting(`"metric"`, "tablet", 1)}
	kept, _, err := load(t.Context(), other, name)
	if err != nil || !Equal(merged, want) || !Equal(kept, want) {
		t.Errorf("merged %v, kept %v, %v; want %v", merged, kept, err, want)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Many devices at once agree after each has synced once more, and nothing that
// one of them has set is lost.
func TestDevicesAgree(t *testing.T) {
	srv := newServer(t)
	docs := make([]Document, 6)
	for i := range docs {
		docs[i] = Document{"theme": setting(fmt.Sprint(i), "d", i), fmt.Sprint("of ", i): setting("true", "d", i)}
	}
	for range 2 {
		var wg sync.WaitGroup
		for i := range docs {
			wg.Go(func() {
				merged, err := Sync(t.Context(), newFolder(t, srv), name, docs[i])
				if errors.Is(err, drive.ErrConflict) {
					return // it keeps what it has, and comes again
				}
				if err != nil {
					t.Error(err)
					return
				}
				docs[i] = merged
			})
		}
		wg.Wait()
	}
	for i := range docs {
		merged, err := Sync(t.Context(), newFolder(t, srv), name, docs[i])
		if err != nil {
			t.Fatal(err)
		}
		docs[i] = merged
	}
	last := docs[len(docs)-1]
	if len(last) != 7 || string(last["theme"].Value) != "5" {
		t.Errorf("the devices agree on %v", last)
	}
}

func TestSyncWritesOnlyWhatIsNew(t *testing.T) {
	srv := newServer(t)
	folder := newFolder(t, srv)
	doc := Document{"theme": setting(`"dark"`, "phone", 1)}
	for range 3 {
		if _, err := Sync(t.Context(), folder, name, doc); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(srv.Requests(drivetest.OpCreate, drivetest.OpUpdate)); n != 1 {
		t.Errorf("%d writes, want one", n)
	}
}

func TestSyncKeepsWhatItCannotRead(t *testing.T) {
	srv := newServer(t)
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: name, Content: []byte("not JSON")})
	if _, err := Sync(t.Context(), newFolder(t, srv), name, Document{}); err == nil {
		t.Error("no error")
	}
	if files := srv.Folder(drivetest.DefaultUser).Files(name); len(files) != 1 || string(files[0].Content) != "not JSON" {
		t.Errorf("the folder has %v", files)
	}
}

func TestHandler(t *testing.T) {
	srv := newServer(t)
	folder := newFolder(t, srv)
	var seen []error
	handler := Handler(name, func(*http.Request) (*drive.AppFolder, error) { return folder, nil },
		func(_ *http.Request, err error) { seen = append(seen, err) })
	scope := drivetest.Fault{Status: 403, Reason: "insufficientPermissions"}
	tests := []struct {
		name, method, contentType, body string
		fault                           *drivetest.Fault
		want                            int
		is                              error
	}{
		{"good", "POST", "application/json; charset=utf-8", `{"theme":{"value":"dark"}}`, nil, 200, nil},
		{"method", "GET", "application/json", `{}`, nil, 405, nil},
		{"form", "POST", "application/x-www-form-urlencoded", `{}`, nil, 415, nil},
		{"not JSON", "POST", "application/json", `theme`, nil, 400, nil},
		{"too large", "POST", "application/json", `{"theme":{"value":"` + strings.Repeat("x", maxDocument) + `"}}`, nil, 400, nil},
		{"scope", "POST", "application/json", `{}`, &scope, 403, drive.ErrScope},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault != nil {
				srv.Inject(*tt.fault)
			}
			seen = nil
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%d %q, want %d", w.Code, w.Body, tt.want)
			}
			if (tt.is != nil) != (len(seen) == 1) || tt.is != nil && !errors.Is(seen[0], tt.is) {
				t.Errorf("onError got %v, want %v", seen, tt.is)
			}
		})
	}
}

// A device whose clock is years ahead does not have the last word until then.
func TestClockAhead(t *testing.T) {
	folder := newFolder(t, newServer(t))
	handler := Handler(name, func(*http.Request) (*drive.AppFolder, error) { return folder, nil }, nil)
	for _, change := range []Setting{
		{Value: json.RawMessage(`"dark"`), Changed: time.Now().AddDate(10, 0, 0), Device: "phone"},
		{Value: json.RawMessage(`"light"`), Changed: time.Now().AddDate(9, 0, 0), Device: "tablet"},
	} {
		body, err := json.Marshal(Document{"theme": change})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); !strings.Contains(w.Body.String(), string(change.Value)) {
			t.Errorf("%d %s, want %s", w.Code, w.Body, change.Value)
		}
	}
}

func TestTour(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, ""); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if want := "\tphone has [theme=\"light\" units=\"imperial\"]"; !slices.Contains(lines, want) {
		t.Errorf("it says\n%s\nand nowhere %q", &out, want)
	}
}

func TestTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if _, _, err := config(file); err == nil {
		t.Error("no error for a missing file")
	}
	if err := os.WriteFile(file, []byte("at-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config(file)
	if err != nil {
		t.Fatal(err)
	}
	if token, err := cfg.TokenSource.Token(); err != nil || token.AccessToken != "at-secret" {
		t.Errorf("%v", err)
	}
	if strings.Contains(fmt.Sprintf("%+v", cfg), "at-secret") {
		t.Error("the token shows")
	}
}
