package exchange_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
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
		{"fragment in the token URL", func(c *exchange.Config) { c.Endpoint.TokenURL = "https://example.com/token#x" }, "Config.Endpoint.TokenURL:"},
		{"userinfo URL in the clear", func(c *exchange.Config) { c.Endpoint.UserInfoURL = "http://example.com/" }, "Config.Endpoint.UserInfoURL:"},
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

const webFile = `{"web":{"client_id":"1234-web.apps.googleusercontent.com","project_id":"p",` +
	`"auth_uri":"https://evil.example/auth","token_uri":"https://evil.example/token",` +
	`"auth_provider_x509_cert_url":"https://www.googleapis.com/oauth2/v1/certs","client_secret":"GOCSPX-marked-client-secret"}}`

func TestConfigFromJSON(t *testing.T) {
	installed := strings.Replace(webFile, `"web"`, `"installed"`, 1)
	withURIs := strings.Replace(webFile, `"project_id"`, `"redirect_uris":["https://example.com/cb"],"project_id"`, 1)
	want := exchange.Config{ClientID: clientID, ClientSecret: clientSecret}
	tests := []struct {
		name, file string
		uris       []string
	}{
		{"web", webFile, nil},
		{"installed", installed, nil},
		{"byte order mark", "\ufeff" + webFile, nil},
		{"client ID is a project number", strings.Replace(webFile, "1234-web", "831549207147", 1), nil},
		{"redirect URIs", withURIs, []string{"https://example.com/cb"}},
		{"null members", `{"type":null,"installed": null ,` + webFile[1:], nil},
		{"members of other names", `{"Web":{"client_id":"y"},"TYPE":"x",` + withURIs[1:len(withURIs)-2] + `,"Client_ID":"y","REDIRECT_URIS":[]}}`,
			[]string{"https://example.com/cb"}},
		{"loopback of a web client", strings.Replace(withURIs, "https://example.com/cb", "http://localhost:8080/cb", 1), []string{"http://localhost:8080/cb"}},
		{"loopback of an installed client", strings.Replace(installed, `"project_id"`, `"redirect_uris":["http://localhost"],"project_id"`, 1), nil},
		{"installed, of the old kind", strings.Replace(installed, `"project_id"`,
			`"redirect_uris":["urn:ietf:wg:oauth:2.0:oob","oob","http://localhost"],"project_id"`, 1), nil},
		{"installed, with others", strings.Replace(installed, `"project_id"`,
			`"redirect_uris":["http://127.0.0.1:80/","com.example.app:/cb","http://[::1]/","https://example.com/cb","http://localhost"],"project_id"`, 1),
			[]string{"com.example.app:/cb", "https://example.com/cb"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := exchange.ConfigFromJSON([]byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			want := want
			if strings.Contains(tt.file, "831549207147") {
				want.ClientID = "831549207147.apps.googleusercontent.com"
			}
			want.RedirectURIs = tt.uris
			if !reflect.DeepEqual(got, want) { // the file's own addresses are not trusted
				t.Errorf("got %v %q, want %v %q", got, got.Endpoint, want, want.Endpoint)
			}
		})
	}
}

func TestConfigFromJSONRefuses(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"empty", "", "not the JSON"},
		{"not JSON", "GOCSPX-marked-client-secret", "not the JSON"},
		{"truncated", webFile[:len(webFile)-1], "not the JSON"},
		{"two documents", webFile + webFile, "not the JSON"},
		{"array", "[" + webFile + "]", "not the JSON"},
		{"number as secret", `{"web":{"client_id":"x","client_secret":4711}}`, "not the JSON"},
		{"null", "null", "not the JSON"},
		{"web is a list", `{"web":[]}`, "not the JSON"},
		{"web twice", `{"web":{"client_id":"x"},"web":{"client_id":"y"}}`, `"web" twice`},
		{"web twice, once null", `{"web":{"client_id":"x"},"web":null}`, `"web" twice`},
		{"installed twice", `{"installed":{"client_id":"x"},"installed":{"client_id":"y"}}`, `"installed" twice`},
		{"client ID twice", `{"web":{"client_id":"x","client_id":"y"}}`, `"client_id" twice`},
		{"secret twice", `{"web":{"client_id":"x","client_secret":"GOCSPX-1","client_secret":"GOCSPX-2"}}`, `"client_secret" twice`},
		{"redirect URIs twice", `{"web":{"client_id":"x","redirect_uris":[],"redirect_uris":[]}}`, `"redirect_uris" twice`},
		{"Web", strings.Replace(webFile, "web", "Web", 1), "neither"},
		{"Client_ID", strings.Replace(webFile, "client_id", "Client_ID", 1), "lacks client_id"},
		{"web null", `{"web":null}`, "neither"},
		{"no client", "{}", "neither"},
		{"two clients", webFile[:len(webFile)-1] + `,"installed":{"client_id":"y"}}`, "two clients"},
		{"no client ID", strings.Replace(webFile, "client_id", "id", 1), "lacks client_id"},
		{"service account", `{"type":"service_account","client_id":"1","private_key":"GOCSPX-marked"}`, "service account"},
		{"authorized user", `{"type":"authorized_user","client_id":"1","refresh_token":"GOCSPX-marked"}`, "another kind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := exchange.ConfigFromJSON([]byte(tt.file))
			if err == nil || !strings.HasPrefix(err.Error(), "exchange: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "GOCSPX") || strings.Contains(err.Error(), "4711")) {
				t.Errorf("the file is quoted: %v", err)
			}
		})
	}
}

// Google lets an installed client come back to any loopback port.
func TestInstalledClientOnAnyPort(t *testing.T) {
	cfg, err := exchange.ConfigFromJSON([]byte(`{"installed":{"client_id":"x","redirect_uris":["http://localhost"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewAuthRequest("http://127.0.0.1:4711/cb", exchange.AuthParams{Scopes: []string{"openid"}}); err != nil {
		t.Error(err)
	}
}

func TestConfigFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.json")
	if _, err := exchange.ConfigFromFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte(webFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := exchange.ConfigFromFile(path); err != nil || cfg.ClientID != clientID {
		t.Errorf("%v, %v", cfg, err)
	}
}

func FuzzConfigFromJSON(f *testing.F) {
	f.Add([]byte(webFile))
	f.Add([]byte(`{"installed":{"client_id":"x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg, err := exchange.ConfigFromJSON(b)
		if (err == nil) != (cfg.ClientID != "") {
			t.Errorf("%v, %v", cfg, err)
		}
	})
}
