package main

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A config holds the settings of the flags and the file.
type config struct {
	address string // to listen on
	url     string // where clients find it
	public  bool
	tls     bool
	dir     string // for client_secret.json and the certificate
	google  exchangetest.Options

	certificate *x509.Certificate // of TLS
}

const usage = `Usage: fakegoogle [flags]

Google's sign-in and the app-data folder of Drive, for tests. Users and clients come
from -config or from the flags; without either there are two users and one client.

`

func parse(args []string, messages io.Writer) (*config, error) {
	c := new(config)
	var file string
	var client exchangetest.Client
	flags := flag.NewFlagSet("fakegoogle", flag.ContinueOnError)
	flags.SetOutput(messages)
	flags.Usage = func() {
		io.WriteString(messages, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&c.address, "listen", "127.0.0.1:8989", "`address` to listen on")
	flags.StringVar(&c.url, "url", "", "`URL` under which clients and browsers find it (default: by -listen)")
	flags.BoolVar(&c.public, "public", false, "allow an address that other machines reach")
	flags.BoolVar(&c.tls, "tls", false, "serve https, with a certificate made at each start")
	flags.StringVar(&c.dir, "dir", "", "`folder` for client_secret.json and certificate.pem (default: a new one, removed at the end)")
	flags.StringVar(&file, "config", "", "JSON `file` with users and clients")
	flags.Func("user", "add a user: `address`, or \"Name <address>\"; may be repeated", func(s string) error {
		u, err := parseUser(s)
		c.google.Users = append(c.google.Users, u)
		return err
	})
	flags.StringVar(&client.ID, "client-id", "", "`ID` of the client")
	flags.StringVar(&client.Secret, "client-secret", "", "`secret` of the client")
	flags.StringVar(&client.Name, "client-name", "", "what the pages call the client")
	flags.BoolVar(&client.Installed, "client-installed", false, "the client is a desktop or mobile app")
	flags.Func("redirect-uri", "register a redirect `URI` of the client; may be repeated", func(s string) error {
		client.RedirectURIs = append(client.RedirectURIs, s)
		return nil
	})
	flags.Func("javascript-origin", "register the `origin` of a page that uses Google's page script; may be repeated", func(s string) error {
		client.JavaScriptOrigins = append(client.JavaScriptOrigins, s)
		return nil
	})
	flags.BoolVar(&c.google.OwnIssuer, "own-issuer", false, "be the issuer of the ID tokens, for OpenID Connect clients that discover it (default: https://accounts.google.com)")
	flags.BoolVar(&c.google.Testing, "testing", false, "be a Cloud project in Testing: refresh tokens end after 7 days")
	flags.BoolVar(&c.google.AuthClaims, "auth-claims", false, "be a verified app with the claims auth_time and amr, for requests that ask for them")
	flags.BoolVar(&c.google.RequireDPoP, "require-dpop", false, "refuse token requests without a DPoP proof")
	flags.BoolVar(&c.google.RotateRefreshTokens, "rotate-refresh-tokens", false, "replace a refresh token at each use")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if client.ID != "" || client.Secret != "" || client.Name != "" || client.Installed ||
		client.RedirectURIs != nil || client.JavaScriptOrigins != nil {
		c.google.Clients = []exchangetest.Client{client}
	}
	if file != "" {
		if err := c.readFile(file); err != nil {
			return nil, err
		}
	}
	if c.url != "" {
		u, err := url.Parse(c.url)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("-url %s is not of the form http://host:port", c.url)
		}
		c.url = u.Scheme + "://" + u.Host
	}
	if err := c.google.Validate(); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "exchangetest: "))
	}
	return c, nil
}

// parseUser reads "jane@example.com" or "Jane Doe <jane@example.com>".
func parseUser(s string) (exchangetest.User, error) {
	name, address, ok := strings.Cut(s, "<")
	if !ok {
		name, address = "", s
	}
	u := exchangetest.User{Email: strings.TrimSpace(strings.TrimSuffix(address, ">")), Name: strings.TrimSpace(name)}
	if !strings.Contains(u.Email, "@") {
		return u, errors.New("not an email address")
	}
	u.GivenName, u.FamilyName, _ = strings.Cut(u.Name, " ")
	return u, nil
}

// readFile adds the users and clients of a file. Names are those of Google: of its
// claims, and of its client_secret.json.
func (c *config) readFile(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Users []struct {
			Subject       string         `json:"sub"`
			Email         string         `json:"email"`
			EmailVerified *bool          `json:"email_verified"` // absent: true
			Name          string         `json:"name"`
			GivenName     string         `json:"given_name"`
			FamilyName    string         `json:"family_name"`
			Picture       string         `json:"picture"`
			HostedDomain  string         `json:"hd"`
			Claims        map[string]any `json:"claims"` // in place of the server's
		} `json:"users"`
		Clients []struct {
			ID           string   `json:"client_id"`
			Secret       string   `json:"client_secret"`
			Name         string   `json:"name"`
			RedirectURIs []string `json:"redirect_uris"`
			Origins      []string `json:"javascript_origins"`
			Installed    bool     `json:"installed"`
		} `json:"clients"`
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, u := range file.Users {
		c.google.Users = append(c.google.Users, exchangetest.User{
			Subject: u.Subject, Email: u.Email, EmailUnverified: u.EmailVerified != nil && !*u.EmailVerified,
			Name: u.Name, GivenName: u.GivenName, FamilyName: u.FamilyName, Picture: u.Picture,
			HostedDomain: u.HostedDomain, Claims: u.Claims,
		})
	}
	for _, one := range file.Clients {
		c.google.Clients = append(c.google.Clients, exchangetest.Client{
			ID: one.ID, Secret: one.Secret, Name: one.Name, Installed: one.Installed,
			RedirectURIs: one.RedirectURIs, JavaScriptOrigins: one.Origins,
		})
	}
	return nil
}

// complete sets the URL by the address of the listener, if -url has not.
func (c *config) complete(address net.Addr) {
	if c.url != "" {
		return
	}
	tcp := address.(*net.TCPAddr)
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if c.tls {
		scheme = "https"
	}
	c.url = scheme + "://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}

// directory returns the folder for files, and a function that removes it at the end if
// it was made for this run.
func (c *config) directory() (dir string, remove func(), err error) {
	if c.dir != "" {
		return c.dir, func() {}, os.MkdirAll(c.dir, 0o755)
	}
	dir, err = os.MkdirTemp("", "fakegoogle-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// certificateNames are the names under which clients may reach it: its own, and those
// of Google, for clients that are led here by a hosts file or a network alias.
func (c *config) certificateNames() []string {
	u, _ := url.Parse(c.url) // parse has checked it
	return []string{
		cmp.Or(u.Hostname(), "localhost"), "localhost", "127.0.0.1", "::1",
		"accounts.google.com", "oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com",
	}
}
