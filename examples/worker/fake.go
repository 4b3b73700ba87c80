package main

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// runFake runs the worker for users of a fake Google who have signed in to the
// backend. One of them has taken back the access since.
func runFake(ctx context.Context, c config) (err error) {
	google := exchangetest.NewServer(exchangetest.Options{Users: []exchangetest.User{
		{Email: "jane.doe@gmail.com"}, {Email: "john.roe@gmail.com"}, {Email: "gone@gmail.com"},
	}})
	defer google.Close()
	files := drivetest.NewServer(drivetest.Options{Accounts: google})
	defer files.Close()
	key := make([]byte, 32)
	rand.Read(key)
	if c.keyring, err = tokenstore.NewKeyring(key); err != nil {
		return err
	}
	c.google, c.drive = google.Config(), files.Endpoint()
	c.hosts = []string{strings.TrimPrefix(files.URL, "http://")}
	c.before = func(client *exchange.Client, grants *tokenstore.Manager) error {
		for _, user := range google.Accounts() {
			code := google.AppCode(exchangetest.CodeRequest{User: user.Subject, Scopes: []string{"openid", drive.Scope}})
			tokens, err := client.Exchange(ctx, code, exchange.App)
			if err != nil {
				return err
			}
			if _, err := grants.SignIn(ctx, user.Subject, &tokens.Token); err != nil {
				return err
			}
		}
		google.RemoveAccess("gone@gmail.com")
		return nil
	}
	return run(ctx, c)
}
