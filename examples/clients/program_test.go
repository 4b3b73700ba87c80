//go:build unix

package clients

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
)

// The fake as a program, under Google's names: dex's connector signs in, and a browser
// without scripts goes through the pages.
func TestFakegoogle(t *testing.T) {
	dex := guests.GoProgram(t, "dex", "./dex")
	var certFile string
	server := servers.Program(t, "coreutils", "env", func(dir, port string) []string {
		program := filepath.Join(dir, "fakegoogle")
		build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/seed3a054f9c/googlesignin/exchange/exchangetest/fakegoogle")
		build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		certFile = filepath.Join(dir, "certificate.pem")
		return []string{program, "-tls", "-listen", "127.0.0.1:" + port, "-url", google, "-dir", dir,
			"-client-id", "1-web.apps.googleusercontent.com", "-client-secret", "invented", "-redirect-uri", callback, "-user", jane}
	})
	ready, err := tls.Dial("tcp", server.Addr, &tls.Config{InsecureSkipVerify: true}) // answered once the certificate's file is there
	if err != nil {
		t.Fatalf("%v\n%s", err, server.Output())
	}
	ready.Close()
	led := guests.LeadToGoogle(t, server.Addr, certFile)
	cmd := exec.CommandContext(t.Context(), dex)
	cmd.Env = append(guests.Environ(), led.Env()...)
	cmd.Env = append(cmd.Env, "CLIENT_ID=1-web.apps.googleusercontent.com", "CLIENT_SECRET=invented", "CALLBACK="+callback)
	browser := newBrowser(t, led)
	var got user
	if err := json.Unmarshal(converse(t, cmd, func(authURL string) string { return browser.consent(t, authURL) }), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Subject) != 21 || got.Email != jane || !got.Refreshed {
		t.Errorf("the client reports %+v", got)
	}
}

type browser struct{ http.Client }

func newBrowser(t *testing.T, led *guests.Google) *browser {
	t.Helper()
	pem, err := os.ReadFile(led.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: led.Proxy}),
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{http.Client{Jar: jar, Transport: transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

var (
	action = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	hidden = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)"`)
)

// consent presses Continue on the pages that begin at authURL, and returns the address
// of the callback.
func (b *browser) consent(t *testing.T, authURL string) (callback string) {
	t.Helper()
	res, err := b.Get(authURL)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		page, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if to := res.Header.Get("Location"); to != "" {
			return to
		}
		form := url.Values{"action": {"allow"}}
		for _, field := range hidden.FindAllStringSubmatch(string(page), -1) {
			form.Set(field[1], html.UnescapeString(field[2]))
		}
		to := action.FindStringSubmatch(string(page))
		if to == nil {
			t.Fatalf("no form in %s", page)
		}
		at, err := res.Request.URL.Parse(html.UnescapeString(to[1]))
		if err != nil {
			t.Fatal(err)
		}
		if res, err = b.PostForm(at.String(), form); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the pages have no end")
	return ""
}
