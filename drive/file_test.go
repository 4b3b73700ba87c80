package drive_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// A 200 without a file in it is neither success nor a panic.
func TestAnswersWithoutAFile(t *testing.T) {
	calls := map[string]func(t *testing.T, f *drive.AppFolder) error{
		"Info":  func(t *testing.T, f *drive.AppFolder) error { return errOf(f.Info(t.Context())) },
		"Stat":  func(t *testing.T, f *drive.AppFolder) error { return errOf(f.Stat(t.Context(), "a")) },
		"Usage": func(t *testing.T, f *drive.AppFolder) error { return errOf(f.Usage(t.Context())) },
		"DeleteAll": func(t *testing.T, f *drive.AppFolder) error {
			return errOf(f.DeleteAll(t.Context()))
		},
		"Put": func(t *testing.T, f *drive.AppFolder) error {
			return errOf(f.Put(t.Context(), "a", strings.NewReader("x"), drive.PutOptions{}))
		},
		"Files": func(t *testing.T, f *drive.AppFolder) error {
			for _, err := range f.Files(t.Context(), drive.Query{}) {
				return err
			}
			return nil
		},
	}
	const none, one, ids = `{"files":[]}`, `{"files":[{"id":"1","name":"a"}]}`, `{"ids":["1","2"]}`
	tests := []struct {
		name            string
		list, ids, file string
		fails           []string
	}{
		{"null", "null", "null", "null", []string{"Info", "Stat", "Usage", "DeleteAll", "Put", "Files"}},
		{"list of null", `{"files":[null]}`, ids, `{"id":"1"}`, []string{"Stat", "Usage", "DeleteAll", "Put", "Files"}},
		{"list without IDs", `{"files":[{"name":"a"}]}`, ids, `{"id":"1"}`, []string{"Stat", "Usage", "DeleteAll", "Put", "Files"}},
		{"empty files", one, ids, "{}", []string{"Info", "Put"}},
		{"empty created file", none, ids, "{}", []string{"Info", "Put"}},
		{"no generated IDs", none, "{}", `{"id":"1"}`, []string{"Put"}},
		{"empty generated ID", none, `{"ids":["1",""]}`, `{"id":"1"}`, []string{"Put"}},
		{"null for generated IDs", none, "null", `{"id":"1"}`, []string{"Put"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "generateIds"):
					io.WriteString(w, tt.ids)
				case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/files"):
					io.WriteString(w, tt.list)
				default:
					io.WriteString(w, tt.file)
				}
			}))
			defer srv.Close()
			folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
			for _, call := range tt.fails {
				err := calls[call](t, folder)
				status, ok := errors.AsType[interface {
					error
					HTTPStatus() int
				}](err)
				if !ok || status.HTTPStatus() != http.StatusBadGateway {
					t.Errorf("%s: %v, want a 502", call, err)
				}
			}
		})
	}
}
