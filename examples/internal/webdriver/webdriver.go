// Package webdriver drives headless Chromium in tests, through chromedriver and the W3C
// WebDriver protocol (https://www.w3.org/TR/webdriver2/), which is JSON over HTTP.
package webdriver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// A Browser is Chromium. Its methods end the test if something fails.
type Browser struct {
	tb      testing.TB
	session string // address of the session
}

// What a site may use.
const (
	JavaScript = 1 << iota
	Cookies
)

// patience is how long a test waits for the browser.
const patience = 30 * time.Second

// Start starts chromedriver and through it Chromium, where sites may use what is
// allowed. Both end with the test. It skips the test on a machine that does not have
// them.
func Start(tb testing.TB, allowed int) *Browser {
	tb.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		needs.Skip(tb, "chromedriver is not installed: apt-get install chromium chromium-driver")
	}
	b := &Browser{tb: tb}
	for try := 0; b.session == ""; try++ {
		if b.session = startDriver(tb, driver); b.session == "" && try == 20 {
			tb.Fatal("chromedriver did not start")
		}
	}
	b.open(allowed)
	return b
}

// startDriver starts chromedriver and returns the address of its sessions, or "" if it
// has ended at once: it takes a port that is free on [::1], and ends if that is in use
// on 127.0.0.1.
func startDriver(tb testing.TB, program string) (sessions string) {
	tb.Helper()
	cmd := exec.Command(program, "--port=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	started := regexp.MustCompile(`successfully on port (\d+)`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := started.FindStringSubmatch(lines.Text()); m != nil {
			return "http://127.0.0.1:" + m[1] + "/session"
		}
	}
	return ""
}

// open starts Chromium.
func (b *Browser) open(allowed int) {
	b.tb.Helper()
	setting := func(what int) int {
		if allowed&what != 0 {
			return 1
		}
		return 2
	}
	var opened struct {
		ID string `json:"sessionId"`
	}
	b.Call("POST", "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"browserName": "chrome", "acceptInsecureCerts": true,
		"timeouts": map[string]int64{"implicit": patience.Milliseconds()},
		"goog:chromeOptions": map[string]any{
			"args": []string{
				"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync",
				"--user-data-dir=" + b.tb.TempDir(),
			},
			"prefs": map[string]any{
				"profile.managed_default_content_settings.javascript": setting(JavaScript),
				"profile.managed_default_content_settings.cookies":    setting(Cookies),
			},
		},
	}}}, &opened)
	b.session += "/" + opened.ID
	b.tb.Cleanup(func() { b.Call("DELETE", "", nil, nil) })
}

// With returns the same browser for a subtest.
func (b *Browser) With(tb testing.TB) *Browser { return &Browser{tb, b.session} }

// Call sends one WebDriver command and decodes the value of its answer.
func (b *Browser) Call(method, command string, args, value any) {
	b.tb.Helper()
	var body bytes.Buffer
	if args != nil {
		if err := json.NewEncoder(&body).Encode(args); err != nil {
			b.tb.Fatal(err)
		}
	}
	r, err := http.NewRequest(method, b.session+command, &body)
	if err != nil {
		b.tb.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.tb.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		b.tb.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.tb.Fatalf("WebDriver %s %s: %s", method, command, answer.Value)
	}
	if value != nil {
		if err := json.Unmarshal(answer.Value, value); err != nil {
			b.tb.Fatal(err)
		}
	}
}

// GoTo opens a page.
func (b *Browser) GoTo(url string) {
	b.tb.Helper()
	b.Call("POST", "/url", map[string]string{"url": url}, nil)
}

// Element returns the path of the first element that matches an XPath. It waits for one.
func (b *Browser) Element(xpath string) string {
	b.tb.Helper()
	var found map[string]string
	b.Call("POST", "/element", map[string]string{"using": "xpath", "value": xpath}, &found)
	for _, id := range found {
		return "/element/" + id
	}
	b.tb.Fatalf("no element %s", xpath)
	return ""
}

// Click clicks the first element that matches an XPath.
func (b *Browser) Click(xpath string) {
	b.tb.Helper()
	b.Call("POST", b.Element(xpath)+"/click", struct{}{}, nil)
}

// Type types into a field, or chooses the file that has this path.
func (b *Browser) Type(xpath, text string) {
	b.tb.Helper()
	b.Call("POST", b.Element(xpath)+"/value", map[string]string{"text": text}, nil)
}

// MustSee waits for an element of this name with exactly this text.
func (b *Browser) MustSee(name, text string) {
	b.tb.Helper()
	b.Element(fmt.Sprintf("//%s[normalize-space()='%s']", name, text))
}

// Run runs a script in the page, the body of a function, and decodes what it returns.
func (b *Browser) Run(script string, value any) {
	b.tb.Helper()
	b.Call("POST", "/execute/sync", map[string]any{"script": script, "args": []any{}}, value)
}

// Address returns the address of the page.
func (b *Browser) Address() string {
	b.tb.Helper()
	var at string
	b.Call("GET", "/url", nil, &at)
	return at
}

// DeleteCookies deletes the cookies of the site that the page is of.
func (b *Browser) DeleteCookies() {
	b.tb.Helper()
	b.Call("DELETE", "/cookie", nil, nil)
}

// Back goes back to the page before.
func (b *Browser) Back() {
	b.tb.Helper()
	b.Call("POST", "/back", struct{}{}, nil)
}

// A Tab is a tab, or a window, of the browser.
type Tab string

// NewTab opens a tab and goes there.
func (b *Browser) NewTab() Tab {
	b.tb.Helper()
	var opened struct{ Handle Tab }
	b.Call("POST", "/window/new", map[string]string{"type": "tab"}, &opened)
	b.ToTab(opened.Handle)
	return opened.Handle
}

// ToTab goes to a tab.
func (b *Browser) ToTab(t Tab) {
	b.tb.Helper()
	b.Call("POST", "/window", map[string]Tab{"handle": t}, nil)
}

// ThisTab returns the tab that commands go to.
func (b *Browser) ThisTab() (t Tab) {
	b.tb.Helper()
	b.Call("GET", "/window", nil, &t)
	return t
}

// CloseTab closes the tab that commands go to, as a person does.
func (b *Browser) CloseTab() {
	b.tb.Helper()
	b.Call("DELETE", "/window", nil, nil)
}

// Popup waits for a second window and goes there. The function that it returns waits
// for its end, and goes back to the first.
func (b *Browser) Popup() (back func()) {
	b.tb.Helper()
	page := b.ThisTab()
	for _, one := range b.tabs(2) {
		if one != page {
			b.ToTab(one)
		}
	}
	return func() {
		b.tb.Helper()
		b.tabs(1)
		b.ToTab(page)
	}
}

// tabs waits until there are n, and returns them.
func (b *Browser) tabs(n int) (all []Tab) {
	b.tb.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if b.Call("GET", "/window/handles", nil, &all); len(all) == n {
			return all
		}
	}
	b.tb.Fatalf("%d windows, want %d", len(all), n)
	return nil
}

// Screenshot returns what the page looks like, as a PNG, in a window of that size whose
// user prefers a dark or a light scheme. A height of zero is that of the page.
func (b *Browser) Screenshot(width, height int, dark bool) []byte {
	b.tb.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.devTools("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	if height == 0 {
		b.devTools("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 100, "deviceScaleFactor": 1, "mobile": false})
		b.Run("return Math.ceil(document.documentElement.scrollHeight)", &height)
	}
	b.devTools("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
	var picture []byte
	b.Call("GET", "/screenshot", nil, &picture)
	b.devTools("Emulation.clearDeviceMetricsOverride", map[string]any{})
	return picture
}

// devTools sends a command of the Chrome DevTools Protocol.
func (b *Browser) devTools(command string, params any) {
	b.tb.Helper()
	b.Call("POST", "/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, nil)
}
