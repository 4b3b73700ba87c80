//go:build unix

package driveclients

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// rclone signs a user in by its own page on a fixed port, keeps the grant, and writes
// to that user's folder. It thinks that its access tokens are about to expire, and
// refreshes before each use.
func TestRcloneSignIn(t *testing.T) {
	const jane = "jane.doe@gmail.com"
	program, err := exec.LookPath("rclone")
	if err != nil {
		needs.Skip(t, "rclone is not installed: apt-get install rclone")
	}
	began := time.Now()
	accounts := exchangetest.NewServer(exchangetest.Options{
		Clients:             []exchangetest.Client{{Installed: true, Secret: "invented"}},
		AccessTokenLifetime: 5 * time.Second,
		Now:                 func() time.Time { return began },
	})
	t.Cleanup(accounts.Close)
	folders := start(t, drivetest.Options{Accounts: accounts})
	google := guests.AsGoogle(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/drive/") || strings.HasPrefix(r.URL.Path, "/upload/drive/") {
			folders.ServeHTTP(w, r)
		} else {
			accounts.ServeHTTP(w, r)
		}
	}))
	dir := t.TempDir()
	rclone := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--config", filepath.Join(dir, "rclone.conf"), "--retries", "1"}, args...)...)
		cmd.Env = append(google.Env(), "HOME="+dir, "PATH=") // no PATH: it opens no browser of its own
		return cmd
	}

	defer guests.Lock(t, "rclone")()
	// rclone's port is among those that connections get: one of another program may
	// have it for a while.
	create := func() (log []byte, err error) {
		cmd := rclone("config", "create", "jane", "drive", "client_id="+accounts.ClientID(), "client_secret="+accounts.ClientSecret(),
			"scope=drive.appfolder", "root_folder_id=appDataFolder", "use_trash=false")
		output, err := cmd.StderrPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(output); lines.Scan(); {
			log = append(log, lines.Text()+"\n"...)
			if _, page, ok := strings.Cut(lines.Text(), "go to the following link: "); ok {
				if err := signIn(accounts, page, jane); err != nil {
					t.Error(err)
					cmd.Process.Kill()
				}
			}
		}
		return log, cmd.Wait()
	}
	log, err := create()
	for begun := time.Now(); err != nil && bytes.Contains(log, []byte("address already in use")) && time.Since(begun) < 2*time.Minute; {
		time.Sleep(time.Second)
		log, err = create()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}

	write := rclone("rcat", "jane:notes.txt")
	write.Stdin = strings.NewReader("hello")
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := rclone("cat", "jane:notes.txt").CombinedOutput(); err != nil || string(out) != "hello" {
		t.Errorf("%v: %s", err, out)
	}
	subject := accounts.Accounts()[0].Subject
	if files := folders.Folder(subject).Files("notes.txt"); len(files) != 1 || string(files[0].Content) != "hello" {
		t.Errorf("%d files in jane's folder", len(files))
	}
	refreshed := 0
	for _, r := range accounts.Requests(exchangetest.TokenEndpoint) {
		if r.Status != http.StatusOK {
			t.Errorf("%s was refused with %d", r.Form.Get("grant_type"), r.Status)
		}
		if r.Form.Get("grant_type") == "refresh_token" {
			refreshed++
		}
	}
	if refreshed < 2 {
		t.Errorf("%d refreshes by two programs", refreshed)
	}
	for _, r := range folders.Requests() {
		if r.Status >= 400 {
			t.Errorf("%s %s %v was refused with %d", r.Method, r.Path, r.Query, r.Status)
		}
	}
}

// signIn goes from a page that redirects to Google, through Google's pages, and back.
func signIn(google *exchangetest.Server, page, user string) error {
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer browser.CloseIdleConnections()
	res, err := browser.Get(page)
	if err != nil {
		return err
	}
	res.Body.Close()
	back, err := google.Authorize(res.Header.Get("Location"), exchangetest.Choice{User: user})
	if err != nil {
		return err
	}
	res, err = browser.Get(back.String())
	if err == nil {
		res.Body.Close()
	}
	// rclone takes the code, and may end its server before its own page is sent.
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		return err
	}
	return nil
}
