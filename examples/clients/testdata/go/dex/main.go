// Dex signs in with dex's connector for Google; see guest_test.go for what it is
// asked.
package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/google"

	"github.com/seed3a054f9c/googlesignin/examples/clients/testdata/go/guest"
)

func main() {
	callback := os.Getenv("CALLBACK")
	config := google.Config{ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"), RedirectURI: callback}
	opened, err := config.Open("google", slog.Default())
	guest.Check(err)
	conn := opened.(interface {
		connector.CallbackConnector
		connector.RefreshConnector
	})
	scopes := connector.Scopes{OfflineAccess: true}
	url, data, err := conn.LoginURL(scopes, callback, "state-1")
	guest.Check(err)
	user, err := conn.HandleCallback(scopes, data, httptest.NewRequest("GET", guest.Authorize(url), nil))
	guest.Check(err)
	// A refresh has an ID token too, from which the connector reads the user again.
	again, err := conn.Refresh(context.Background(), scopes, user)
	guest.Check(err)
	guest.Result(user.UserID, user.Email, again.UserID == user.UserID && len(user.ConnectorData) > 0)
}
