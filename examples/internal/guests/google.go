package guests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// hosts are Google's for sign-in and Drive.
var hosts = []string{"accounts.google.com", "oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com"}

// Google is a server under the names of Google's hosts. Clients whose endpoints
// cannot be set are tested with it as they are.
type Google struct {
	Proxy    string // host:port of a proxy that leads to the server, and nowhere else
	CertFile string // PEM file with the certificate to trust
}

// AsGoogle serves handler until the end of the test.
func AsGoogle(tb testing.TB, handler http.Handler) *Google {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake Google, for tests"}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	google := httptest.NewUnstartedServer(handler)
	google.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
	google.StartTLS()
	tb.Cleanup(google.Close)

	dir, err := os.MkdirTemp("", "google-") // TempDir has no folder that servers, run as another user, can read
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	certFile := filepath.Join(dir, "google.pem")
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(certFile, 0o644); err != nil { // whatever the umask
		tb.Fatal(err)
	}
	return LeadToGoogle(tb, google.Listener.Addr().String(), certFile)
}

// LeadToGoogle leads to a server at addr that has Google's host names in its
// certificate, until the end of the test.
func LeadToGoogle(tb testing.TB, addr, certFile string) *Google {
	proxy := httptest.NewServer(tunnelTo(addr))
	tb.Cleanup(proxy.Close)
	return &Google{Proxy: proxy.Listener.Addr().String(), CertFile: certFile}
}

// Env are the environment variables in which programs in Go, Python, Ruby and
// Node.js look for a proxy and for certificates to trust.
func (g *Google) Env() []string {
	return []string{
		"HTTPS_PROXY=http://" + g.Proxy, "https_proxy=http://" + g.Proxy,
		"http_proxy=http://" + g.Proxy, // Ruby's net/http looks there for https too
		"NO_PROXY=", "no_proxy=", "HTTP_PROXY=",
		"SSL_CERT_FILE=" + g.CertFile, "REQUESTS_CA_BUNDLE=" + g.CertFile, "NODE_EXTRA_CA_CERTS=" + g.CertFile,
	}
}

// tunnelTo is a proxy that connects to addr for Google's hosts, and refuses all
// other hosts.
func tunnelTo(addr string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, port, err := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || err != nil || port != "443" || !slices.Contains(hosts, host) {
			http.Error(w, "not a host of this test", http.StatusForbidden)
			return
		}
		server, err := net.Dial("tcp", addr)
		if err != nil {
			http.Error(w, "no connection", http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			server.Close()
			return
		}
		go func() {
			io.Copy(server, buffered)
			server.Close()
		}()
		io.Copy(client, server)
		client.Close()
	})
}
