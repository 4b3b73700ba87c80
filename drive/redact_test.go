package drive_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
)

func TestRedaction(t *testing.T) {
	const secret = "at-secret"
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: secret})
	configs := []drive.Config{
		{TokenSource: tokens},
		{HTTPClient: &http.Client{Transport: &oauth2.Transport{Source: tokens}}},
	}
	for _, cfg := range configs {
		folder := open(t, cfg)
		values := []any{cfg, &cfg, folder, reflect.ValueOf(folder).Elem().Interface(), struct{ C drive.Config }{cfg}, []any{folder}}
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				if text := fmt.Sprintf(verb, v); strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
					t.Errorf("%s of %T is %s", verb, v, text)
				}
			}
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
			slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
			if encoded, _ := json.Marshal(v); strings.Contains(log.String()+string(encoded), secret) {
				t.Errorf("%T encodes as %s, logs as %s", v, encoded, &log)
			}
		}
	}
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
