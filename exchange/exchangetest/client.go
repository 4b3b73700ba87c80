package exchangetest

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// A Client is an OAuth client as registered in a Cloud project.
type Client struct {
	// ID is of the form <project number>-<name>.apps.googleusercontent.com;
	// clients with the same project number share the user's consent. Default:
	// one of project 123456789012.
	ID string

	// Name is what the pages call the app; default "Example App".
	Name string

	// Secret has a default, except for an Installed client.
	Secret string

	// RedirectURIs are those registered, compared character for character.
	RedirectURIs []string

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
	return c
}

// A client is a Client and its state.
type client struct {
	Client
	deleted, disabled bool
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
	if err != nil || u.Scheme != "http" {
		return false
	}
	return u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
}

// ClientID returns the ID of the first client.
func (s *Server) ClientID() string { return s.ledger.clients[0].ID }

// ClientSecret returns the secret of the first client.
func (s *Server) ClientSecret() string { return s.ledger.clients[0].Secret }

// ClientSecretJSON returns the first client as the file client_secret_*.json
// that Google's console lets one download, with the server's addresses in it.
// As there, redirect_uris is absent if none is registered.
func (s *Server) ClientSecretJSON() []byte {
	type file struct {
		ClientID     string   `json:"client_id"`
		ProjectID    string   `json:"project_id"`
		AuthURI      string   `json:"auth_uri"`
		TokenURI     string   `json:"token_uri"`
		CertURL      string   `json:"auth_provider_x509_cert_url"`
		ClientSecret string   `json:"client_secret,omitempty"`
		RedirectURIs []string `json:"redirect_uris,omitempty"`
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
	}})
	if err != nil {
		panic(err) // strings marshal
	}
	return b
}
