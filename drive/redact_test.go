package drive_test

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redacttest"
)

func TestForms(t *testing.T) {
	const secret = "at-secret"
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: secret})
	configs := map[string]drive.Config{
		"TokenSource": {TokenSource: tokens},
		"HTTPClient":  {HTTPClient: &http.Client{Transport: &oauth2.Transport{Source: tokens}}},
	}
	for field, cfg := range configs {
		form := "drive.Config{" + field + `: [redacted], Endpoint: "", ChunkSize: 0}`
		redacttest.Check(t, cfg, form, secret)
		redacttest.Check(t, &cfg, form, secret)
		folder := open(t, cfg)
		form = "drive.AppFolder{www.googleapis.com}"
		redacttest.Check(t, folder, form, secret)
		redacttest.Check(t, reflect.ValueOf(folder).Elem().Interface(), form, secret)
	}

	kept := `{"url":"https://www.googleapis.com/upload/drive/v3/files?upload_id=at-secret","name":"a.json","file_id":"1","size":-1}`
	var session drive.Upload
	if err := session.UnmarshalBinary([]byte(kept)); err != nil {
		t.Fatal(err)
	}
	redacttest.Check(t, session, `drive.Upload{"a.json": [redacted]}`, secret)
	redacttest.Check(t, &session, `drive.Upload{"a.json": [redacted]}`, secret)
	redacttest.Check(t, drive.Upload{}, "[redacted]")
}

// The generated client logs whole requests and answers where an environment
// variable says so. Not here.
func TestNothingIsLogged(t *testing.T) {
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stderr := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = stderr }()
	folder, _ := newFolder(t)
	put(t, folder, "a.json", "{}")
	if logged, err := os.ReadFile(file.Name()); err != nil || len(logged) > 0 {
		t.Errorf("logged %s, %v", logged, err)
	}
}
