package idtoken_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

const clientID = "1234567890-web.apps.googleusercontent.com"

// A test of a backend takes an Issuer for Google.
func Example() {
	google := idtokentest.NewIssuer()
	keys, err := idtoken.StaticKeys(google.JWKS()) // leave Keys out to have Google's
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}

	raw := google.Token(idtoken.Profile{Subject: "110169484474386276334", Name: "Jane Doe", Audience: clientID})
	user, err := verifier.Verify(context.Background(), raw)
	fmt.Println(user.Subject, user.Name, err)

	raw = google.Token(idtoken.Profile{Subject: "110169484474386276334", Audience: "another-client"})
	_, err = verifier.Verify(context.Background(), raw)
	fmt.Println(err)
	fmt.Println(errors.Is(err, idtoken.ErrAudience))
	// Output:
	// 110169484474386276334 Jane Doe <nil>
	// idtoken: issued for another client: aud is "another-client", want 1234567890-web.apps.googleusercontent.com
	// true
}

// A token that came with an access token and answers a request with a nonce.
func ExampleVerifier_Verify() {
	google := idtokentest.NewIssuer()
	keys, _ := idtoken.StaticKeys(google.JWKS())
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	claims := google.Claims(idtoken.Profile{Subject: "110169484474386276334", Audience: clientID, Nonce: "n-0S6_WzA2Mj"})
	claims["at_hash"] = idtokentest.AccessTokenHash("the access token")
	raw := google.Sign(claims)

	_, err = verifier.Verify(context.Background(), raw, idtoken.Nonce("n-0S6_WzA2Mj"), idtoken.AccessToken("the access token"))
	fmt.Println(err)
	_, err = verifier.Verify(context.Background(), raw, idtoken.Nonce("another"))
	fmt.Println(err)
	// Output:
	// <nil>
	// idtoken: nonce is not the one expected: want nonce the one of the authorization request
}

// What went wrong with a claim, as data.
func ExampleClaimError() {
	google := idtokentest.NewIssuer()
	keys, _ := idtoken.StaticKeys(google.JWKS())
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}, HostedDomains: []string{"example.com"}, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	raw := google.Token(idtoken.Profile{Subject: "1", Audience: clientID, HostedDomain: "example.org"})
	_, err = verifier.Verify(context.Background(), raw)
	if wrong, ok := errors.AsType[*idtoken.ClaimError](err); ok {
		fmt.Printf("%s: got %s, want %s\n", wrong.Claim, wrong.Got, wrong.Want)
	}
	// Output:
	// hd: got "example.org", want example.com
}

// The page that Google's sign-in button posts to, its login_uri.
func ExampleCredentialFromRequest() {
	google := idtokentest.NewIssuer()
	keys, _ := idtoken.StaticKeys(google.JWKS())
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		raw, err := idtoken.CredentialFromRequest(w, r)
		var user *idtoken.Profile
		if err == nil {
			user, err = verifier.Verify(r.Context(), raw)
		}
		if err != nil {
			type statusError interface {
				error
				HTTPStatus() int
			}
			status := http.StatusInternalServerError
			if e, ok := errors.AsType[statusError](err); ok {
				status = e.HTTPStatus()
			}
			http.Error(w, "could not sign you in", status)
			return
		}
		fmt.Fprintf(w, "welcome, %s", user.Name) // and start a session
	})
}

// Keys that are there before the first user, and that several verifiers share.
func ExampleRemoteKeySet() {
	google := httptest.NewServer(idtokentest.NewIssuer())
	defer google.Close()

	keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: google.URL})
	if err != nil {
		log.Fatal(err)
	}
	if err := keys.Prefetch(context.Background()); err != nil {
		log.Print(err) // not ready
	}
	_, err = idtoken.New(idtoken.Config{Audiences: []string{clientID}, Keys: keys})
	fmt.Println(err)
	// Output: <nil>
}
