package risc_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
)

func Example() {
	google := idtokentest.NewIssuer()
	keys, err := idtoken.StaticKeys(google.JWKS()) // leave Keys out to have Google's
	if err != nil {
		log.Fatal(err)
	}
	const clientID = "1234567890-web.apps.googleusercontent.com"
	receiver, err := risc.New(risc.Config{
		Audiences: []string{clientID},
		Keys:      keys,
		Handle: func(ctx context.Context, event risc.Event) error {
			switch e := event.(type) {
			case risc.SessionsRevoked:
				fmt.Println("end the sessions of", e.Subject.ID)
			case risc.AccountDisabled:
				fmt.Println("lock", e.Subject.ID, "because of", e.Reason)
			}
			return nil
		},
		OnError: func(_ *http.Request, err error) { log.Print(err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	backend := httptest.NewServer(receiver)
	defer backend.Close()

	token := risctest.Token(google, clientID, risc.SessionsRevoked{Meta: risctest.About(google, "110169484474386276334")})
	for range 2 { // Google may deliver it twice
		response, err := http.Post(backend.URL, "application/secevent+jwt", strings.NewReader(token))
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.StatusCode)
	}
	// Output:
	// end the sessions of 110169484474386276334
	// 202
	// 202
}

// A backend registers its receiver, and sees that Google reaches it.
func ExampleStream() {
	var stream *risc.Stream
	google := idtokentest.NewSharedIssuer()
	const clientID = "1234567890-web.apps.googleusercontent.com"
	receiver, err := risc.New(risc.Config{
		Audiences: []string{clientID},
		Keys:      google, // leave Keys out to have Google's
		Handle: func(ctx context.Context, event risc.Event) error {
			if e, ok := event.(risc.Verification); ok {
				stream.Arrived(e)
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fake := risctest.NewServer(risctest.Options{Issuer: google, Audience: clientID, Receiver: receiver})
	defer fake.Close()

	cfg, err := risc.StreamConfigFromJSON(fake.ServiceAccountJSON()) // from Google's console
	if err != nil {
		log.Fatal(err)
	}
	cfg.Endpoint = fake.URL // leave it out for Google's
	if stream, err = risc.NewStream(cfg); err != nil {
		log.Fatal(err)
	}
	if err := stream.Register(context.Background(), "https://api.example.com/google/events"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(stream.Verify(context.Background()))
	// Output: <nil>
}
