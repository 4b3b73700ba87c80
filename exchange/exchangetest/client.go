package exchangetest

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
)

// A Client is an OAuth client as registered in a Cloud project.
type Client struct {
	// ID is of the form <project number>-<name>.apps.googleusercontent.com;
	// clients with the same project number share the user's consent. Default:
	// one of project 123456789012.
	ID string

	// Name is the name of the app on the pages; default "Example App".
	Name string

	// Secret has a default, except for an Installed client.
	Secret string

	// RedirectURIs are those registered, compared character for character. Google's
	// console does not register every URI, and neither does the server; see
	// [Options.Validate].
	RedirectURIs []string

	// JavaScriptOrigins are those registered, of the form https://example.com: pages
	// of no other origin can use Google's page script.
	JavaScriptOrigins []string

	// Installed is a client of type desktop or mobile app: it need not send its
	// secret, gets a refresh token with every code, and may be redirected to
	// any port and path of a loopback address.
	Installed bool
}

const projectNumber = "123456789012"

func clientID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return projectNumber + "-" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:20])) + ".apps.googleusercontent.com"
}

func (c Client) withDefaults(n int) Client {
	if c.ID == "" {
		c.ID = clientID(fmt.Sprint("client ", n))
	}
	if c.Name == "" {
		c.Name = "Example App"
	}
	if c.Secret == "" && !c.Installed {
		sum := sha256.Sum256([]byte("secret of " + c.ID))
		c.Secret = "GOCSPX-" + base32.HexEncoding.EncodeToString(sum[:])[:28]
	}
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	c.JavaScriptOrigins = slices.Clone(c.JavaScriptOrigins)
	return c
}

// A client is a Client and its state.
type client struct {
	Client
	deleted bool
}

func (c *client) project() string {
	name, _, _ := strings.Cut(c.ID, ".")
	number, _, _ := strings.Cut(name, "-") // the ID of an old client is the number alone
	return number
}

func (c *client) mayRedirectTo(uri string) bool {
	return slices.Contains(c.RedirectURIs, uri) || c.Installed && isLoopback(uri)
}

func isLoopback(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "http" && endpoint.IsLoopback(u.Hostname())
}

// mayRegister returns why Google's console would not register a redirect URI, or nil
// (https://developers.google.com/identity/protocols/oauth2/web-server#uri-validation).
// The rule against open redirects is left out. For the public suffix list there is
// privateTLDs.
func (c *Client) mayRegister(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" {
		return errors.New("is not an absolute URL")
	}
	query, err := url.QueryUnescape(u.RawQuery)
	host := strings.ToLower(u.Hostname())
	top := host[strings.LastIndex(host, ".")+1:]
	path := strings.ReplaceAll(u.Path, `\`, "/")
	switch {
	case err != nil:
		return errors.New("has an invalid percent encoding")
	case strings.ContainsFunc(uri, func(r rune) bool { return r < '!' || r > '~' || r == '*' }):
		return errors.New("has a wildcard, or characters other than printable ASCII")
	case strings.ContainsAny(u.Path+query, "\x00") || strings.Contains(u.Path+query, "\xc0\x80"):
		return errors.New("has a null character")
	case strings.Contains(uri, "#"):
		return errors.New("has a fragment")
	case u.User != nil:
		return errors.New("has userinfo")
	case strings.Contains(path, "/.."):
		return errors.New("has a path traversal")
	case c.Installed && strings.Contains(u.Scheme, "."): // RFC 8252 section 7.1
		return nil
	case (u.Scheme == "http" || u.Scheme == "https") && endpoint.IsLoopback(host):
		return nil
	case u.Scheme != "https":
		return errors.New("must use https; only localhost may use http")
	case net.ParseIP(host) != nil, strings.Contains(host, ":"): // an IPv6 address, perhaps with a zone
		return errors.New("has a raw IP address")
	case top == host || slices.Contains(privateTLDs, top):
		return errors.New("has a top-level domain that is not on the public suffix list")
	case slices.ContainsFunc([]string{"googleusercontent.com", "goo.gl"}, func(domain string) bool {
		return host == domain || strings.HasSuffix(host, "."+domain)
	}):
		return errors.New("has a domain of Google's own")
	}
	return nil
}

// mayRegisterOrigin is mayRegister for a JavaScript origin, which has nothing after
// the port (https://developers.google.com/identity/protocols/oauth2/javascript-implicit-flow#origin-validation).
func (c *Client) mayRegisterOrigin(origin string) error {
	if err := c.mayRegister(origin); err != nil {
		return err
	}
	if u, err := url.Parse(origin); err != nil || u.Scheme+"://"+u.Host != origin {
		return errors.New("has something after the host and port")
	}
	return nil
}

// privateTLDs are top-level domains in use that no public DNS has: those reserved for
// special use (RFC 6761, RFC 6762), and those that organizations use within.
var privateTLDs = []string{
	"corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost",
	"onion", "private", "test",
}

// ClientID returns the ID of the first client.
func (s *Server) ClientID() string { return s.ledger.clients[0].ID }

// ClientSecret returns the secret of the first client.
func (s *Server) ClientSecret() string { return s.ledger.clients[0].Secret }

// ClientSecretJSON returns the first client as the file client_secret_*.json
// that Google's console lets one download, with the server's addresses in it.
// As there, redirect_uris and javascript_origins are absent if none is registered.
func (s *Server) ClientSecretJSON() []byte {
	type file struct {
		ClientID     string   `json:"client_id"`
		ProjectID    string   `json:"project_id"`
		AuthURI      string   `json:"auth_uri"`
		TokenURI     string   `json:"token_uri"`
		CertURL      string   `json:"auth_provider_x509_cert_url"`
		ClientSecret string   `json:"client_secret,omitempty"`
		RedirectURIs []string `json:"redirect_uris,omitempty"`
		Origins      []string `json:"javascript_origins,omitempty"`
	}
	c := s.ledger.clients[0]
	kind := "web"
	if c.Installed {
		kind = "installed"
	}
	b, err := json.Marshal(map[string]file{kind: {
		ClientID: c.ID, ProjectID: "example-project",
		AuthURI: s.URL + oldAuthPath, TokenURI: s.URL + tokenPath, CertURL: s.URL + oldCertsPath,
		ClientSecret: c.Secret, RedirectURIs: c.RedirectURIs,
		Origins: c.JavaScriptOrigins,
	}})
	if err != nil {
		panic(err) // strings marshal
	}
	return b
}
