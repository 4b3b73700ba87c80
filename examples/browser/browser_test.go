package browser

import (
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/examples/internal/webdriver"
)

func TestMain(m *testing.M) { needs.Main(m) }

// What a site may use.
const (
	javaScript = webdriver.JavaScript
	cookies    = webdriver.Cookies
)

// A browser knows the fake's pages, too.
type browser struct {
	*webdriver.Browser
	t *testing.T
}

func startBrowser(t *testing.T, allowed int) *browser {
	t.Helper()
	return &browser{webdriver.Start(t, allowed), t}
}

// with is for subtests.
func (b *browser) with(t *testing.T) *browser { return &browser{b.Browser.With(t), t} }

func (b *browser) chooseJohn() { b.t.Helper(); b.Click("//button[contains(., '" + john + "')]") }
func (b *browser) agree()      { b.t.Helper(); b.Click("//button[.='Continue']") }

// toFrame goes to the first frame of the page; the frame ends with the page's script.
func (b *browser) toFrame() {
	b.t.Helper()
	b.Element("//iframe")
	b.Call("POST", "/frame", map[string]int{"id": 0}, nil)
}

func (b *browser) toPage() {
	b.t.Helper()
	b.Call("POST", "/frame", map[string]any{"id": nil}, nil)
}
