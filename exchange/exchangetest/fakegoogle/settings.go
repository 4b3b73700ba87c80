package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A setting is an environment variable that a client needs.
type setting struct{ Name, Value string }

// settings returns those of the first client. A program that reads them knows that
// FAKEGOOGLE_URL is the last.
func (a *app) settings() []setting {
	w := a.now()
	e := w.google.Endpoint()
	settings := []setting{
		{"GOOGLE_CLIENT_ID", w.google.ClientID()},
		{"GOOGLE_CLIENT_SECRET", w.google.ClientSecret()},
		{"GOOGLE_CLIENT_SECRET_FILE", a.secretFile},
		{"GOOGLE_ISSUER", e.Issuer},
		{"GOOGLE_DISCOVERY_URL", a.cfg.url + "/.well-known/openid-configuration"},
		{"GOOGLE_AUTH_URL", e.AuthURL},
		{"GOOGLE_TOKEN_URL", e.TokenURL},
		{"GOOGLE_REVOKE_URL", e.RevokeURL},
		{"GOOGLE_USERINFO_URL", a.cfg.url + "/v1/userinfo"},
		{"GOOGLE_TOKENINFO_URL", a.cfg.url + "/tokeninfo"},
		{"GOOGLE_JWKS_URL", w.google.CertsURL()},
		{"GOOGLE_SCRIPT_URL", w.google.ScriptURL()},
		{"GOOGLE_DRIVE_URL", a.cfg.url + "/drive/v3/"},
	}
	if a.certificateFile != "" {
		settings = append(settings,
			setting{"FAKEGOOGLE_CERTIFICATE", a.certificateFile},
			setting{"NODE_EXTRA_CA_CERTS", a.certificateFile})
	}
	return append(settings, setting{"FAKEGOOGLE_URL", a.cfg.url})
}

// writeFiles writes client_secret.json, and the certificate to trust.
func (a *app) writeFiles(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	a.secretFile = filepath.Join(dir, "client_secret.json")
	if err := writeSecretFile(a.secretFile, a.now().google.ClientSecretJSON()); err != nil {
		return err
	}
	if a.cfg.certificate == nil {
		return nil
	}
	a.certificateFile = filepath.Join(dir, "certificate.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: a.cfg.certificate.Raw}
	return os.WriteFile(a.certificateFile, pem.EncodeToMemory(block), 0o644)
}

// writeSecretFile writes a client_secret.json. It replaces one that this program has
// written, and never one of a real client.
func writeSecretFile(path string, content []byte) error {
	kept, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case project(kept) == "" || project(kept) != project(content):
		return fmt.Errorf("%s is not of this program: it is left alone; choose another -dir", path)
	}
	return os.WriteFile(path, append(bytes.TrimSpace(content), '\n'), 0o644)
}

// project returns the project_id of a client_secret.json, or "".
func project(secretFile []byte) string {
	var file map[string]struct {
		ProjectID string `json:"project_id"`
	}
	if json.Unmarshal(secretFile, &file) != nil {
		return ""
	}
	for _, client := range file {
		return client.ProjectID
	}
	return ""
}
