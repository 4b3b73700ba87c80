package exchange

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
)

// ConfigFromJSON reads the client_secret_*.json that Google's console offers
// for download, of a web or an installed client. redirect_uris may be absent, as
// for a client that serves apps alone. The auth_uri and token_uri in the file are
// not used: codes and the secret go to Google's own addresses, or to those of the
// Endpoint that you set.
//
// An installed client's redirect_uris that stand for its own machine, such as
// http://localhost, are left out of RedirectURIs: Google lets it come back to any
// loopback port (https://developers.google.com/identity/protocols/oauth2/native-app).
//
// Names in the file are compared exactly. A client, or a member of it, that is
// there twice is an error. Unknown members are ignored.
//
// No error quotes the file.
func ConfigFromJSON(clientSecretJSON []byte) (Config, error) {
	cfg, err := parseClientFile(clientSecretJSON)
	if err != nil {
		return Config{}, fmt.Errorf("exchange: client secret file: %w", err)
	}
	return cfg, nil
}

// ConfigFromFile is [ConfigFromJSON] for a file.
func ConfigFromFile(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("exchange: client secret file: %w", err)
	}
	return ConfigFromJSON(b)
}

func parseClientFile(b []byte) (Config, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // some editors and shells write a byte order mark
	var web, installed *json.RawMessage
	var account string
	err := exactjson.Members(b, map[string]any{"web": &web, "installed": &installed, "type": &account})
	switch {
	case err != nil:
		return Config{}, fmt.Errorf("not the JSON that Google's console offers: %w", err)
	case web != nil && installed != nil:
		return Config{}, errors.New("it holds two clients, web and installed")
	case account != "":
		return Config{}, errors.New("it is the key of another kind of account, such as a service account: an OAuth client has web or installed at the top")
	case web == nil && installed == nil:
		return Config{}, errors.New("it holds neither a web nor an installed client")
	}
	cfg, err := parseFileClient(*cmp.Or(web, installed))
	if err == nil && installed != nil {
		cfg.RedirectURIs = fixedRedirects(cfg.RedirectURIs)
	}
	return cfg, err
}

func parseFileClient(b []byte) (Config, error) {
	var cfg Config
	err := exactjson.Members(b, map[string]any{
		"client_id": &cfg.ClientID, "client_secret": &cfg.ClientSecret, "redirect_uris": &cfg.RedirectURIs,
	})
	if err != nil {
		return Config{}, fmt.Errorf("not the JSON that Google's console offers: web or installed: %w", err)
	}
	if cfg.ClientID == "" {
		return Config{}, errors.New("it lacks client_id")
	}
	return cfg, nil
}

// fixedRedirects returns the redirect URIs of an installed client that are meant
// literally, or nil.
func fixedRedirects(uris []string) []string {
	var fixed []string
	for _, raw := range uris {
		u, err := url.Parse(raw)
		// Older files have a urn and "oob" beside the loopback address, for copying
		// the code by hand. Google has ended that.
		if raw == "oob" || err == nil && (endpoint.IsLoopback(u.Hostname()) || u.Scheme == "urn") {
			continue
		}
		fixed = append(fixed, raw)
	}
	return fixed
}
