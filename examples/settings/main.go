// Settings keeps the settings of a mobile app in the app-data folder of its
// user's Google Drive, and lets several devices change them, also while they are
// offline.
//
//	go run -C examples ./settings
//
// shows two devices that change settings behind each other's back, against a
// fake Drive on this machine. With an access token of a user in a file, of the
// scope drive.appdata, it does the same in that user's Drive, in a document of
// its own that it deletes again:
//
//	go run -C examples ./settings -access-token "$PWD/access-token.txt"
//
// For an app of yours take merge.go, sync.go and handler.go.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func main() {
	tokenFile := flag.String("access-token", "", "file with an access token; empty: a fake Drive")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *tokenFile); err != nil {
		fmt.Fprintln(os.Stderr, "settings:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, tokenFile string) error {
	cfg, done, err := config(tokenFile)
	if err != nil {
		return err
	}
	defer done()
	folder, err := drive.New(cfg)
	if err != nil {
		return err
	}
	const name = "settings-example.json"
	// A real backend finds out whose request it is, and makes that user's folder.
	user := func(*http.Request) (*drive.AppFolder, error) { return folder, nil }
	backend := httptest.NewServer(Handler(name, user, nil))
	defer backend.Close()
	if err := tour(ctx, out, backend); err != nil {
		return err
	}
	return folder.Delete(ctx, name)
}

// config is for a fake Drive, or for the user whose token is in the file.
func config(tokenFile string) (cfg drive.Config, done func(), err error) {
	if tokenFile == "" {
		srv := drivetest.NewServer(drivetest.Options{})
		return drive.Config{HTTPClient: srv.Client(), Endpoint: srv.Endpoint()}, srv.Close, nil
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return drive.Config{}, nil, err
	}
	access := &oauth2.Token{AccessToken: string(bytes.TrimSpace(token))}
	return drive.Config{TokenSource: oauth2.StaticTokenSource(access)}, func() {}, nil
}

// tour plays a phone and a tablet.
func tour(ctx context.Context, out io.Writer, backend *httptest.Server) error {
	phone, tablet := &device{"phone", Document{}}, &device{"tablet", Document{}}
	start := time.Now().Add(-time.Hour)
	phone.set("theme", "dark", start)
	phone.set("units", "metric", start)
	steps := []struct {
		says   string
		device *device
		change func()
	}{
		{"the phone has its first settings", phone, func() {}},
		{"the tablet is new", tablet, func() {}},
		{"the phone changes the theme, the tablet, offline, has changed theme and units before", phone, func() {
			tablet.set("theme", "blue", start.Add(time.Minute))
			tablet.set("units", "imperial", start.Add(time.Minute))
			phone.set("theme", "light", start.Add(2*time.Minute))
		}},
		{"the tablet is online again", tablet, func() {}},
		{"the phone asks what is new", phone, func() {}},
	}
	for _, step := range steps {
		step.change()
		if err := step.device.sync(ctx, backend); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n\t%s has %s\n", step.says, step.device.name, step.device)
	}
	return nil
}

// A device has its own copy of the settings, which it works with at all times.
type device struct {
	name string
	has  Document
}

func (d *device) set(key, value string, at time.Time) {
	encoded, _ := json.Marshal(value)
	d.has[key] = Setting{Value: encoded, Changed: at.UTC().Truncate(time.Millisecond), Device: d.name}
}

// sync sends what the device has to the backend and takes what comes back.
func (d *device) sync(ctx context.Context, backend *httptest.Server) error {
	body, err := json.Marshal(d.has)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, backend.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := backend.Client().Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the backend answers %s", res.Status)
	}
	merged := Document{}
	if err := json.NewDecoder(res.Body).Decode(&merged); err != nil {
		return err
	}
	d.has = merged
	return nil
}

func (d *device) String() string {
	var parts []string
	for key, setting := range d.has {
		parts = append(parts, fmt.Sprintf("%s=%s", key, setting.Value))
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}
