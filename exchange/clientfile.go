package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// ConfigFromJSON reads the client_secret_*.json that Google's console offers
// for download, of a web or an installed client. redirect_uris may be absent,
// as they are where a client serves apps alone. The auth_uri and token_uri in
// the file are not used: the code and the secret go to Google's own addresses,
// or to those of the Endpoint that you set.
//
// No error quotes the file.
func ConfigFromJSON(clientSecretJSON []byte) (Config, error) {
	client, err := parseClientFile(clientSecretJSON)
	if err != nil {
		return Config{}, fmt.Errorf("exchange: client secret file: %w", err)
	}
	return Config{
		ClientID:     client.ClientID,
		ClientSecret: client.ClientSecret,
		RedirectURIs: client.RedirectURIs,
	}, nil
}

// ConfigFromFile is [ConfigFromJSON] for a file.
func ConfigFromFile(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("exchange: client secret file: %w", err)
	}
	return ConfigFromJSON(b)
}

type fileClient struct {
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	RedirectURIs []string `json:"redirect_uris"`
}

func parseClientFile(b []byte) (*fileClient, error) {
	var file struct {
		Web, Installed *fileClient
		Type           string
	}
	switch err := json.Unmarshal(b, &file); {
	case err != nil: // its text may quote what it stumbled over
		return nil, errors.New("not the JSON that Google's console offers")
	case file.Web != nil && file.Installed != nil:
		return nil, errors.New("it holds two clients, web and installed")
	case file.Type != "":
		return nil, errors.New("it is the key of another kind of account, such as a service account: an OAuth client has web or installed at the top")
	case file.Web == nil && file.Installed == nil:
		return nil, errors.New("it holds neither a web nor an installed client")
	}
	client := file.Web
	if client == nil {
		client = file.Installed
	}
	if client.ClientID == "" {
		return nil, errors.New("it lacks client_id")
	}
	return client, nil
}
