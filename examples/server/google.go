package main

import (
	"net/url"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

const callbackPath = "/oauth2/callback"

// A google is where to find Google.
type google struct {
	client exchange.Config
	keys   *idtoken.RemoteKeySet
	script string   // address of the script for the button and the popup
	drive  string   // endpoint of the Drive API; if empty, Google's
	hosts  []string // that access tokens are sent to; if nil, Google's
	now    func() time.Time
	close  func()
}

func realGoogle(base *url.URL, clientSecretFile string) (google, error) {
	g := google{script: "https://accounts.google.com/gsi/client", now: time.Now, close: func() {}}
	var err error
	if g.client, err = exchange.ConfigFromFile(clientSecretFile); err != nil {
		return g, err
	}
	g.keys, err = idtoken.RemoteKeys(idtoken.RemoteConfig{})
	return g, err
}

// fakeGoogle starts the fakes of this module. It refuses a base URL that Google would
// not register either. Its project is in testing, so each grant ends after a week, as
// the page about the account announces.
func fakeGoogle(base *url.URL, _ string) (google, error) {
	o := exchangetest.Options{Testing: true, Clients: []exchangetest.Client{{
		Name: "Notes", RedirectURIs: []string{base.String() + callbackPath}, JavaScriptOrigins: []string{base.String()},
	}}}
	if err := o.Validate(); err != nil {
		return google{}, err
	}
	signIn := exchangetest.NewServer(o)
	files := drivetest.NewServer(drivetest.Options{Accounts: signIn})
	g := fakeAt(signIn, files.URL, files.Endpoint())
	g.close = func() { signIn.Close(); files.Close() }
	return g, nil
}

// fakeAt describes a fake with a Drive at another address.
func fakeAt(signIn *exchangetest.Server, driveURL, driveEndpoint string) google {
	keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: signIn.CertsURL(), HTTPClient: signIn.Client(), Now: signIn.Now})
	if err != nil {
		panic(err) // a loopback address is allowed
	}
	at, err := url.Parse(driveURL)
	if err != nil {
		panic(err)
	}
	return google{
		client: signIn.Config(), keys: keys, script: signIn.ScriptURL(),
		drive: driveEndpoint, hosts: []string{at.Host}, now: signIn.Now, close: func() {},
	}
}
