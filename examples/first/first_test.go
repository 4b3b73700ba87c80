// Package main is the program of the README's quick start. The test runs it
// unchanged except for the port: the addresses that it calls are Google's.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program is ended by a signal, which Windows has not")
	}
	site := freeAddress(t)
	google := exchangetest.NewServer(exchangetest.Options{
		Clients: []exchangetest.Client{{RedirectURIs: []string{"http://" + site + "/callback"}}},
	})
	defer google.Close()
	proxy, certificate := proxyTo(t, google)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := make([]byte, 32)
	rand.Read(key)
	write("key", key)
	write("client_secret.json", google.ClientSecretJSON())
	program := build(t, site)
	environment := append(os.Environ(), "HTTPS_PROXY="+proxy, "https_proxy=", "NO_PROXY=", "no_proxy=",
		"SSL_CERT_DIR=", "SSL_CERT_FILE="+write("certificate.pem", certificate))

	for run, visits := range []int{1, 1, 2} {
		var log bytes.Buffer
		cmd := exec.Command(program)
		cmd.Dir, cmd.Env, cmd.Stderr = dir, environment, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, site)
		for visit := range visits {
			address := b.location
			if visit == 0 {
				address = b.get("http://" + site + "/login")
			}
			callback, err := google.Authorize(address, exchangetest.Choice{User: "jane.doe@gmail.com"})
			if err != nil {
				t.Fatal(err)
			}
			b.get(callback.String())
		}
		home := b.page("http://" + site + b.location)
		if !strings.Contains(home, `href="/login"`) {
			t.Errorf("the page is %s", home)
		}
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if b.location != "/" || strings.Count(log.String(), " has signed in\n") != 1 {
			t.Errorf("run %d ends at %q; its log:\n%s", run, b.location, &log)
		}
		kept, err := os.ReadDir(filepath.Join(dir, "grants"))
		if err != nil || len(kept) == 0 {
			t.Errorf("run %d: %d files are kept, %v", run, len(kept), err)
		}
		if run == 1 { // the third has to ask for consent
			os.RemoveAll(filepath.Join(dir, "grants"))
		}
	}
}

// build builds the program with another address to listen on.
func build(t *testing.T, site string) string {
	t.Helper()
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, "main.go")
	if err := os.WriteFile(changed, bytes.ReplaceAll(source, []byte("localhost:8080"), []byte(site)), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{here: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "first")
	// -buildvcs=false: git fails in a checkout that belongs to another user.
	cmd := exec.Command("go", "build", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "localhost:" + port
}

// A browser follows no redirect.
type browser struct {
	*testing.T
	http     http.Client
	location string // of the last answer
}

// newBrowser waits until the site answers.
func newBrowser(t *testing.T, site string) *browser {
	t.Helper()
	b := &browser{T: t}
	b.http.Jar, _ = cookiejar.New(nil)
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", site)
		if err == nil {
			conn.Close()
			return b
		}
		if time.Since(begun) > time.Minute {
			t.Fatal(err)
		}
	}
}

func (b *browser) get(address string) string {
	b.Helper()
	resp, err := b.http.Get(address)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	b.location = resp.Header.Get("Location")
	if b.location == "" {
		body, _ := io.ReadAll(resp.Body)
		b.Fatalf("%s\n%s", resp.Status, body)
	}
	return b.location
}

func (b *browser) page(address string) string {
	b.Helper()
	resp, err := b.http.Get(address)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.Status + "\n" + string(body)
}

// proxyTo serves google over https under the names of Google's servers. It returns
// the address of a proxy through which all of them are reached, and the certificate.
func proxyTo(t *testing.T, google http.Handler) (address string, certificate []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewUnstartedServer(google)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server, err := net.Dial("tcp", secure.Listener.Addr().String())
		if err != nil || r.Method != http.MethodConnect {
			t.Error(r.Method, err)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer server.Close()
		client, sent, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(server, sent)
		io.Copy(client, server)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
