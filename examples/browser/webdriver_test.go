package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// browser is headless Chromium, driven through chromedriver by the W3C WebDriver
// protocol (https://www.w3.org/TR/webdriver2/), which is JSON over HTTP.
type browser struct {
	t       *testing.T
	session string // address of the session
}

// What a site may use.
const (
	javaScript = 1 << iota
	cookies
)

func TestMain(m *testing.M) { needs.Main(m) }

// startBrowser starts chromedriver and through it Chromium, where sites may use
// what is allowed. Both end with the test. It skips the test on a machine that
// does not have them.
func startBrowser(t *testing.T, allowed int) *browser {
	t.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		needs.Skip(t, "chromedriver is not installed: apt-get install chromium chromium-driver")
	}
	cmd := exec.Command(driver, "--port=0")
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
	b := &browser{t: t}
	started := regexp.MustCompile(`successfully on port (\d+)`)
	for lines := bufio.NewScanner(out); b.session == "" && lines.Scan(); {
		if m := started.FindStringSubmatch(lines.Text()); m != nil {
			b.session = "http://127.0.0.1:" + m[1] + "/session"
		}
	}
	if b.session == "" {
		t.Fatal("chromedriver did not start")
	}
	b.open(allowed)
	return b
}

// open starts Chromium.
func (b *browser) open(allowed int) {
	b.t.Helper()
	setting := func(what int) int {
		if allowed&what != 0 {
			return 1
		}
		return 2
	}
	var opened struct {
		ID string `json:"sessionId"`
	}
	b.call("POST", "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"browserName": "chrome", "acceptInsecureCerts": true,
		"timeouts": map[string]int{"implicit": 30_000}, // milliseconds
		"goog:chromeOptions": map[string]any{
			"args": []string{
				"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync",
				"--user-data-dir=" + b.t.TempDir(),
			},
			"prefs": map[string]any{
				"profile.managed_default_content_settings.javascript": setting(javaScript),
				"profile.managed_default_content_settings.cookies":    setting(cookies),
			},
		},
	}}}, &opened)
	b.session += "/" + opened.ID
	b.t.Cleanup(func() { b.call("DELETE", "", nil, nil) })
}

// call sends one WebDriver command and decodes the value of its answer.
func (b *browser) call(method, command string, args, value any) {
	b.t.Helper()
	var body bytes.Buffer
	if args != nil {
		if err := json.NewEncoder(&body).Encode(args); err != nil {
			b.t.Fatal(err)
		}
	}
	r, err := http.NewRequest(method, b.session+command, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("WebDriver %s %s: %s", method, command, answer.Value)
	}
	if value != nil {
		if err := json.Unmarshal(answer.Value, value); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *browser) goTo(url string) {
	b.t.Helper()
	b.call("POST", "/url", map[string]string{"url": url}, nil)
}

// element returns the path of the first element that matches an XPath; it waits
// for one as long as the session's implicit timeout says.
func (b *browser) element(xpath string) string {
	b.t.Helper()
	var found map[string]string
	b.call("POST", "/element", map[string]string{"using": "xpath", "value": xpath}, &found)
	for _, id := range found {
		return "/element/" + id
	}
	b.t.Fatalf("no element %s", xpath)
	return ""
}

func (b *browser) click(xpath string) {
	b.t.Helper()
	b.call("POST", b.element(xpath)+"/click", struct{}{}, nil)
}

// mustSee waits for an element of this name with exactly this text.
func (b *browser) mustSee(name, text string) {
	b.t.Helper()
	b.element(fmt.Sprintf("//%s[normalize-space()='%s']", name, text))
}

// address returns the address of the page.
func (b *browser) address() string {
	b.t.Helper()
	var at string
	b.call("GET", "/url", nil, &at)
	return at
}

// tab is a tab of the browser; newTab opens one and goes there.
type tab string

func (b *browser) newTab() tab {
	b.t.Helper()
	var opened struct{ Handle tab }
	b.call("POST", "/window/new", map[string]string{"type": "tab"}, &opened)
	b.toTab(opened.Handle)
	return opened.Handle
}

func (b *browser) toTab(t tab) {
	b.t.Helper()
	b.call("POST", "/window", map[string]tab{"handle": t}, nil)
}

func (b *browser) thisTab() (t tab) {
	b.t.Helper()
	b.call("GET", "/window", nil, &t)
	return t
}

func (b *browser) back() {
	b.t.Helper()
	b.call("POST", "/back", struct{}{}, nil)
}
