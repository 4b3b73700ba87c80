package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A google is where the backend finds Google and where the app gets its codes.
// The zero value of an address is Google's own.
type google struct {
	name             string
	clientSecretFile string
	endpoint         exchange.Endpoint
	keysURL          string
	driveEndpoint    string
	apiHosts         []string // that access tokens may be sent to
	httpClient       *http.Client

	// code is what the app gets when the user signs in. Only the fake has one
	// for every time; it shows its consent screen at the first.
	code  func() string
	fake  bool
	close func()
}

func realGoogle(clientSecretFile, code string) *google {
	return &google{
		name:             "Google itself",
		clientSecretFile: clientSecretFile,
		code:             func() string { return code },
		close:            func() {},
	}
}

// fakeGoogle is the two fakes that this module ships, and in dir the file that
// Google's console would offer for download.
func fakeGoogle(dir string, signIn *exchangetest.Server) (*google, error) {
	files := drivetest.NewServer(drivetest.Options{Accounts: signIn})
	app := exchangetest.CodeRequest{Scopes: []string{"openid", "email", "profile", drive.Scope}}
	g := &google{
		name:             "a fake Google at " + signIn.URL + ", with its Drive at " + files.URL,
		clientSecretFile: filepath.Join(dir, "client_secret_"+signIn.ClientID()+".json"),
		endpoint:         signIn.Endpoint(),
		keysURL:          signIn.CertsURL(),
		driveEndpoint:    files.Endpoint(),
		apiHosts:         []string{strings.TrimPrefix(files.URL, "http://")},
		httpClient:       signIn.Client(),
		code:             func() string { return signIn.AppCode(app) },
		fake:             true,
		close:            func() { signIn.Close(); files.Close() },
	}
	return g, os.WriteFile(g.clientSecretFile, signIn.ClientSecretJSON(), 0o600)
}
