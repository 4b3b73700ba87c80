// Goth signs in with goth's handlers and its provider for Google; see guest_test.go
// for what it is asked.
package main

import (
	"net/http/httptest"
	"os"

	"github.com/gorilla/sessions"
	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
	"github.com/markbates/goth/providers/google"

	"github.com/seed3a054f9c/googlesignin/examples/clients/testdata/go/guest"
)

func main() {
	provider := google.New(os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET"), os.Getenv("CALLBACK"), "email", "profile")
	goth.UseProviders(provider)
	gothic.Store = sessions.NewCookieStore([]byte("an invented secret of 32 letters"))

	begun := httptest.NewRecorder()
	gothic.BeginAuthHandler(begun, httptest.NewRequest("GET", "/?provider=google", nil))
	r := httptest.NewRequest("GET", guest.Authorize(begun.Result().Header.Get("Location"))+"&provider=google", nil)
	for _, cookie := range begun.Result().Cookies() {
		r.AddCookie(cookie)
	}
	user, err := gothic.CompleteUserAuth(httptest.NewRecorder(), r)
	guest.Check(err)
	renewed, err := provider.RefreshToken(user.RefreshToken)
	guest.Check(err)
	guest.Result(user.UserID, user.Email, renewed.AccessToken != user.AccessToken)
}
