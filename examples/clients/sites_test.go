//go:build unix

package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A site is a client that is a web server, at http://localhost:8080 for jane's browser.
type site struct {
	*testing.T
	srv     *exchangetest.Server
	server  *servers.Server
	browser *http.Client
}

func newSite(t *testing.T, srv *exchangetest.Server, server *servers.Server) *site {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{t, srv, server, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != "localhost:8080" {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// visit returns the page at an address of the site. If the site sends jane to Google,
// she signs in.
func (s *site) visit(url string) (header http.Header, body []byte) {
	s.Helper()
	for range 2 {
		r, err := http.NewRequestWithContext(s.Context(), "GET", url, nil)
		if err != nil {
			s.Fatal(err)
		}
		r.Header.Set("Accept", "text/html, */*") // mod_auth_openidc asks only browsers to sign in
		res, err := s.browser.Do(r)
		if err != nil {
			s.Fatalf("%v\n%s", err, s.server.Output())
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			s.Fatal(err)
		}
		if res.StatusCode == http.StatusFound {
			back, err := s.srv.Authorize(res.Header.Get("Location"), exchangetest.Choice{User: jane})
			if err != nil {
				s.Fatal(err)
			}
			url = back.String()
			continue
		}
		if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted {
			s.Fatalf("%d %s\n%s", res.StatusCode, body, s.server.Output())
		}
		return res.Header, body
	}
	s.Fatalf("sent to Google again\n%s", s.server.Output())
	return nil, nil
}

// oauth2-proxy, as a whole program, with its provider for Google. It asks Google
// whether the access token is good at each sign-in.
func TestOAuth2Proxy(t *testing.T) {
	program := guests.GoProgram(t, "oauth2-proxy", "github.com/oauth2-proxy/oauth2-proxy/v7")
	srv, env := startAsGoogle(t, withRedirectURI(origin+"/oauth2/callback", nil))
	server := servers.Program(t, "coreutils", "env", func(dir, port string) []string {
		// The server's user may not be the one who can read the cache.
		text, err := os.ReadFile(program)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "oauth2-proxy"), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		return append(env, filepath.Join(dir, "oauth2-proxy"), "--provider=google",
			"--client-id="+srv.ClientID(), "--client-secret="+srv.ClientSecret(),
			"--redirect-url="+origin+"/oauth2/callback", "--http-address=127.0.0.1:"+port,
			"--email-domain=*", "--upstream=static://202", "--skip-provider-button",
			"--cookie-secret=an invented secret of 32 letters", "--cookie-secure=false", "--cookie-refresh=1ms")
	})
	s := newSite(t, srv, server)
	s.visit(origin + "/")
	report := func() (got user) {
		_, body := s.visit(origin + "/oauth2/userinfo")
		var report struct{ User, Email string }
		if err := json.Unmarshal(body, &report); err != nil {
			t.Fatal(err)
		}
		return user{Subject: report.User, Email: report.Email}
	}
	// It counts the age of a session in seconds, and refreshes one that is older than 0.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := report()
	for again := time.NewTicker(100 * time.Millisecond); !got.Refreshed; {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("never refreshed")
		}
		got = report()
		for _, r := range srv.Requests(exchangetest.TokenEndpoint) {
			got.Refreshed = got.Refreshed || r.Form.Get("grant_type") == "refresh_token"
		}
	}
	wantSignedIn(t, srv, got, true, "POST /oauth2/v3/token", "GET /oauth2/v1/tokeninfo")
}

// mod_auth_openidc under Apache, in the versions that Debian has.
func TestModAuthOpenIDC(t *testing.T) {
	const modules = "/usr/lib/apache2/modules/"
	if _, err := os.Stat(modules + "mod_auth_openidc.so"); errors.Is(err, os.ErrNotExist) {
		needs.Skip(t, "mod_auth_openidc is not installed: apt-get install apache2 libapache2-mod-auth-openidc")
	}
	srv := start(t, withRedirectURI(origin+"/callback", nil))
	srv.URL = google
	led := guests.AsGoogle(t, srv)
	var config strings.Builder
	for _, module := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "headers", "auth_openidc"} {
		fmt.Fprintf(&config, "LoadModule %s_module %smod_%s.so\n", module, modules, module)
	}
	fmt.Fprintf(&config, `
ServerName localhost
PidFile apache.pid
ErrorLog "|/bin/cat"
OIDCProviderMetadataURL %s/.well-known/openid-configuration
OIDCOutgoingProxy %s
OIDCCABundlePath %q
OIDCClientID %s
OIDCClientSecret %s
OIDCRedirectURI %s/callback
OIDCScope "openid email profile"
OIDCAuthRequestParams access_type=offline
OIDCCryptoPassphrase invented
OIDCRefreshAccessTokenBeforeExpiry 86400
Header set X-Subject "%%{OIDC_CLAIM_sub}e"
Header set X-Email "%%{OIDC_CLAIM_email}e"
Header set X-Access-Token "%%{OIDC_access_token}e"
<Location />
	AuthType openid-connect
	Require valid-user
</Location>
`, google, led.Proxy, led.CertFile, srv.ClientID(), srv.ClientSecret(), origin)
	server := servers.Program(t, "apache2", "apache2", func(dir, port string) []string {
		config := fmt.Sprintf("ServerRoot %[1]q\nDefaultRuntimeDir %[1]q\nDocumentRoot %[1]q\nListen 127.0.0.1:%[2]s\n%[3]s", dir, port, config.String())
		for name, text := range map[string]string{"apache.conf": config, "index.html": "hello"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return []string{"-X", "-f", filepath.Join(dir, "apache.conf")}
	})
	s := newSite(t, srv, server)
	first, _ := s.visit(origin + "/index.html")
	second, _ := s.visit(origin + "/index.html") // refreshes, because of RefreshAccessTokenBeforeExpiry
	got := user{second.Get("X-Subject"), second.Get("X-Email"), first.Get("X-Access-Token") != second.Get("X-Access-Token")}
	wantSignedIn(t, srv, got, true,
		"GET /.well-known/openid-configuration", "POST /token", "GET /oauth2/v3/certs", "GET /v1/userinfo")
}
