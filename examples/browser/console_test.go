package browser

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsole uses the page of fakegoogle as a person does: it shows by itself what a
// client has done, and its buttons have their effect.
func TestConsole(t *testing.T) {
	b := startBrowser(t, javaScript|cookies)
	at := startFakegoogle(t)
	post := func(name string, form url.Values) string {
		resp, err := http.PostForm(at+"/fake/"+name, form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", name, resp.Status, body)
		}
		return string(body)
	}
	b.GoTo(at)
	b.MustSee("h1", "Fake Google")
	post("code", url.Values{"user": {john}, "scope": {"openid " + appdata}})
	b.MustSee("li", "drive.appdata") // the page is kept up to date
	b.Click("//button[.='Revoke']")
	b.Element("//p[@role='status'][contains(., 'is removed')]")
	b.Click("//button[.='+7 days']")
	b.MustSee("span", "7 d ahead")
	b.Click("//button[.='Arm']")
	b.Element("//p[@role='status'][contains(., 'The next 1 to token: 503')]")
	if resp, err := http.PostForm(at+"/token", nil); err != nil {
		t.Error(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("token endpoint: %s, want the failure armed", resp.Status)
	}
	b.Element("//summary[contains(., '/token') and contains(., '503')]")
	b.Click("//button[.='Reset']")
	b.Element("//p[@role='status'][contains(., 'Reset')]")
	b.Element("//p[contains(., 'None yet')]")
}

// startFakegoogle builds and runs the program, and returns its address.
func startFakegoogle(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "fakegoogle.exe") // the ending that Windows wants
	const path = "github.com/seed3a054f9c/googlesignin/exchange/exchangetest/fakegoogle"
	if out, err := exec.Command("go", "build", "-o", program, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-dir", t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at, ok := strings.CutPrefix(lines.Text(), "FAKEGOOGLE_URL="); ok {
			return at
		}
	}
	t.Fatal("fakegoogle does not start")
	return ""
}
