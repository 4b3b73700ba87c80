package exchange_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

func TestNewNamesTheWrongField(t *testing.T) {
	tests := []struct {
		name   string
		change func(*exchange.Config)
		want   string
	}{
		{"no client ID", func(c *exchange.Config) { c.ClientID = "" }, "Config.ClientID "},
		{"line end in the ID", func(c *exchange.Config) { c.ClientID += "\n" }, "Config.ClientID "},
		{"line end in the secret", func(c *exchange.Config) { c.ClientSecret += "\r\n" }, "Config.ClientSecret "},
		{"space before the secret", func(c *exchange.Config) { c.ClientSecret = " " + c.ClientSecret }, "Config.ClientSecret "},
		{"negative pause", func(c *exchange.Config) { c.Retry.First = -1 }, "Config.Retry.First "},
		{"relative auth URL", func(c *exchange.Config) { c.Endpoint.AuthURL = "/auth" }, "Config.Endpoint.AuthURL:"},
		{"token URL in the clear", func(c *exchange.Config) { c.Endpoint.TokenURL = "http://example.com/token" }, "Config.Endpoint.TokenURL:"},
		{"token URL of another scheme", func(c *exchange.Config) { c.Endpoint.TokenURL = "ftp://localhost/token" }, "Config.Endpoint.TokenURL:"},
		{"user in the revoke URL", func(c *exchange.Config) { c.Endpoint.RevokeURL = "https://u:p@example.com/" }, "Config.Endpoint.RevokeURL:"},
		{"not a URL", func(c *exchange.Config) { c.Endpoint.RevokeURL = "https://[::1" }, "Config.Endpoint.RevokeURL:"},
		{"relative redirect URI", func(c *exchange.Config) { c.RedirectURIs = []string{"https://a.example/", "/cb"} }, "Config.RedirectURIs[1]:"},
		{"fragment", func(c *exchange.Config) { c.RedirectURIs = []string{"https://a.example/#"} }, "Config.RedirectURIs[0]:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := exchange.Config{ClientID: clientID, ClientSecret: clientSecret}
			tt.change(&cfg)
			_, err := exchange.New(cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "GOCSPX") {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	for _, e := range []exchange.Endpoint{
		{},
		{TokenURL: "http://127.0.0.1:8080/token"},
		{TokenURL: "http://[::1]:8080/token"},
		{AuthURL: "http://localhost/auth", RevokeURL: "https://google.example.com/revoke"},
	} {
		if _, err := exchange.New(exchange.Config{ClientID: clientID, Endpoint: e}); err != nil {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestNewCopiesItsConfig(t *testing.T) {
	g := scripted(says(200, tokenAnswer))
	shared := &http.Client{Transport: g}
	uris := []string{"https://example.com/cb"}
	c, err := exchange.New(exchange.Config{ClientID: clientID, HTTPClient: shared, RedirectURIs: uris})
	if err != nil {
		t.Fatal(err)
	}
	shared.Transport = nil
	uris[0] = "https://evil.example/cb"
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil || g.posts() != 1 {
		t.Errorf("%v after %d posts; want the transport it was made with", err, g.posts())
	}
	if _, err := c.NewAuthRequest("https://example.com/cb", exchange.AuthParams{Scopes: []string{"openid"}}); err != nil {
		t.Error(err)
	}
}
