package main

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/examples/internal/webdriver"
)

// pictures is for looking at the pages. The two of README.md are made by
//
//	go test -C examples ./server -run TestBrowser/pictures -pictures /tmp/pictures
//	cp /tmp/pictures/consent-light.png docs/images/consent.png
//	cp /tmp/pictures/account-light.png docs/images/account.png
var pictures = flag.String("pictures", "", "folder for pictures of the pages")

// A visitor is a person at a browser.
type visitor struct {
	*webdriver.Browser
	*world
}

func TestBrowser(t *testing.T) {
	b := webdriver.Start(t, webdriver.JavaScript|webdriver.Cookies)
	for name, test := range map[string]func(visitor){
		"button": useButton, "popup": usePopup, "blocked": useBlockedScript, "redirect": useRedirect, "tabs": useTabs,
		"upload": watchUpload, "leave": leave, "pictures": takePictures,
	} {
		t.Run(name, func(t *testing.T) { test(visitor{b.With(t), newWorld(t)}) })
	}
}

// open begins with no cookies.
func (v visitor) open() {
	v.Helper()
	v.GoTo(v.URL + "/static/app.css")
	v.DeleteCookies()
	v.GoTo(v.URL)
}

func (v visitor) chooseJane() { v.Helper(); v.Click("//button[contains(., '" + jane + "')]") }
func (v visitor) agree()      { v.Helper(); v.Click("//button[.='Continue']") }

func (v visitor) signInByRedirect() {
	v.Helper()
	v.open()
	v.Click("//a[.='Continue with Google']")
	v.chooseJane()
	v.agree()
	v.MustSee("p", "Connected")
}

func useButton(v visitor) {
	v.open()
	v.Click("//button[@aria-label='Sign in with Google']")
	back := v.Popup()
	v.chooseJane()
	v.agree()
	back()
	v.MustSee("p", "Not connected")
	v.Click("//a[.='Connect Google']")
	v.agree()
	v.MustSee("p", "Connected")
	v.Click("//button[.='Sign out']")
	v.MustSee("h1", "Sign in to Notes")
}

func usePopup(v visitor) {
	v.open()
	v.Click("//button[.='Continue in a popup']")
	back := v.Popup()
	v.chooseJane()
	v.Click("//button[.='Cancel']")
	back()
	v.MustSee("h1", "You are not signed in")
	v.Click("//a[.='Back']")
	v.Click("//button[.='Continue in a popup']")
	back = v.Popup()
	v.chooseJane()
	v.agree()
	back()
	v.MustSee("p", "Connected")
}

// Where Google's script does not load, the popup's button goes to Google all the same.
func useBlockedScript(v visitor) {
	v.app.google.script = v.google.URL + "/nothing"
	v.open()
	v.Click("//button[.='Continue in a popup']")
	v.chooseJane()
	v.agree()
	v.MustSee("p", "Connected")
}

// The user says no, then grants a part, and then what is missing.
func useRedirect(v visitor) {
	v.open()
	v.Click("//a[.='Continue with Google']")
	v.chooseJane()
	v.Click("//button[.='Cancel']")
	v.MustSee("h1", "You are not signed in")
	v.Click("//a[.='Back']")
	v.Click("//a[.='Continue with Google']")
	v.chooseJane()
	v.Click("//input[@value='" + drive.Scope + "']")
	v.agree()
	v.MustSee("p", "Connected")
	v.Click("//a[.='Settings and files']")
	v.Click("//a[.='Connect Google Drive']")
	v.agree()
	v.MustSee("span", "Granted")
	v.Click("//a[.='Connect Calendar']")
	v.agree()
	v.Element("//li[2]/span[.='Granted']")
}

// Two tabs sign in at once, and then change the same settings.
func useTabs(v visitor) {
	v.open()
	v.Click("//a[.='Continue with Google']")
	v.chooseJane()
	first := v.ThisTab()
	v.NewTab()
	defer func() { v.CloseTab(); v.ToTab(first) }()
	v.GoTo(v.URL)
	v.Click("//a[.='Continue with Google']")
	v.chooseJane()
	v.agree()
	v.MustSee("p", "Connected")
	v.Click("//a[.='Settings and files']")
	second := v.ThisTab()
	v.MustSee("p", "There are no files yet.")

	v.ToTab(first)
	v.agree()
	v.MustSee("p", "Connected")
	v.Click("//a[.='Settings and files']")
	v.save("Hi")
	v.Element("//input[@value='Hi']")

	v.ToTab(second)
	v.save("Moin")
	v.Element("//p[@role='alert'][contains(., 'changed in another tab')]")
	v.Click("//button[.='Save']")
	v.Element("//main[not(.//p[@role='alert'])]//input[@value='Moin']")
}

func (v visitor) save(greeting string) {
	v.Helper()
	v.Run("document.querySelector('[name=greeting]').value = ''", nil)
	v.Type("//input[@name='greeting']", greeting)
	v.Click("//button[.='Save']")
}

// watchUpload holds the later chunks of an upload back, until the bar has shown the
// earlier ones.
func watchUpload(v visitor) {
	chunks := make(chan struct{})
	rows, db := openSQLite(v.T)
	v.world = newWorldOn(v.T, worldOptions{rows: rows, db: db, before: func(r *http.Request) {
		if part := r.Header.Get("Content-Range"); part != "" && !strings.HasPrefix(part, "bytes 0-") {
			<-chunks
		}
	}})
	v.Cleanup(func() { close(chunks) }) // or a test that has failed would wait for ever
	v.signInByRedirect()
	path := filepath.Join(v.TempDir(), "holiday.mp4")
	if err := os.WriteFile(path, make([]byte, 3<<20), 0o600); err != nil {
		v.Fatal(err)
	}
	v.GoTo(v.URL + "/files")
	v.Type("//input[@type='file']", path)
	v.Click("//button[.='Upload']")
	for _, done := range []float64{1 << 20, 2 << 20} {
		v.waitForBar(done)
		chunks <- struct{}{}
	}
	v.MustSee("a", "holiday.mp4")
	if files := v.drive.Folder(v.subject).Files("files/holiday.mp4"); len(files) != 1 || len(files[0].Content) != 3<<20 {
		v.Errorf("Drive has %d files of that name", len(files))
	}
	v.Click("//button[.='Delete holiday.mp4']")
	v.MustSee("p", "There are no files yet.")
}

func (v visitor) waitForBar(want float64) {
	v.Helper()
	var value float64
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if v.Run("return document.querySelector('progress').value", &value); value == want {
			return
		}
	}
	v.Fatalf("the bar shows %v, want %v", value, want)
}

func leave(v visitor) {
	v.signInByRedirect()
	v.Click("//button[.='Disconnect']")
	v.MustSee("p", "Not connected")
	v.Click("//a[.='Connect Google']")
	v.agree()
	v.MustSee("p", "Connected")
	v.Click("//a[.='Delete…']")
	v.Click("//button[.='Delete for good']")
	v.MustSee("h1", "Your data is deleted")
	v.mustBeGone()
}

// takePictures goes through the pages as -pictures wants to show them.
func takePictures(v visitor) {
	if *pictures == "" {
		return
	}
	shoot := func(page string) {
		for name, c := range map[string]struct {
			width int
			dark  bool
		}{"light": {880, false}, "dark": {880, true}, "narrow": {380, false}, "narrow-dark": {380, true}} {
			small, err := reduced(v.Screenshot(c.width, 0, c.dark))
			if err == nil {
				err = os.WriteFile(filepath.Join(*pictures, page+"-"+name+".png"), small, 0o666)
			}
			if err != nil {
				v.Fatal(err)
			}
		}
	}
	v.open()
	v.Element("//button[@aria-label='Sign in with Google']")
	shoot("home")
	v.Click("//a[.='Continue with Google']")
	v.chooseJane()
	v.MustSee("h1", "Notes wants access to your Google Account")
	shoot("consent")
	v.agree()
	v.MustSee("p", "Connected")
	shoot("account")
	for _, name := range []string{"holiday.mp4", "a letter to the editor.pdf"} {
		folder, err := v.app.folders.ofSubject(v.subject)
		if err != nil {
			v.Fatal(err)
		}
		if _, err := folder.Put(v.Context(), filesPrefix+name, strings.NewReader(strings.Repeat("x", 123456)), drive.PutOptions{}); err != nil {
			v.Fatal(err)
		}
	}
	v.GoTo(v.URL + "/files")
	v.MustSee("a", "holiday.mp4")
	v.Run("document.getElementById('bar').hidden = false; document.querySelector('progress').value = .4", nil)
	shoot("files")
	v.GoTo(v.URL + "/delete")
	shoot("delete")
	v.GoTo(v.URL + "/message?about=retry_later")
	shoot("message")
	v.google.RemoveAccess(jane)
	v.app.grants.Invalidate(v.subject, "")
	v.GoTo(v.URL + "/files")
	v.GoTo(v.URL + "/account")
	shoot("ended")
}

// reduced returns a picture with the 128 colours that it has most of: text has many
// shades, and takes most of the bytes.
func reduced(picture []byte) ([]byte, error) {
	pixels, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	counts := make(map[color.Color]int)
	for y := range pixels.Bounds().Dy() {
		for x := range pixels.Bounds().Dx() {
			counts[pixels.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	few := image.NewPaletted(pixels.Bounds(), colours[:min(128, len(colours))])
	draw.Draw(few, few.Bounds(), pixels, image.Point{}, draw.Src)
	var small bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, few)
	return small.Bytes(), err
}
