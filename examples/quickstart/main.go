// Quickstart takes one user through everything that a backend does with a
// Google sign-in: code, tokens, identity, the kept refresh token, a restart, the
// app-data folder of the user's Drive, a second sign-in, and the goodbye.
//
//	go run -C examples ./quickstart
//
// runs it against a fake Google on this machine. The grants are in a directory of
// files; with -tags sqlite, and on Windows, they are in an SQLite database, which
// takes some minutes to compile for the first time. Against Google itself it takes
// the client_secret_*.json of your web client and a code that your app has
// just obtained for it (serverAuthCode) with the scopes openid, email, profile and
// drive.appdata:
//
//	go run -C examples ./quickstart -client-secret "$PWD/client_secret.json" -code "$CODE"
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func main() {
	clientSecret := flag.String("client-secret", "", "client_secret_*.json of a web client; with -code")
	code := flag.String("code", "", "one-time code (serverAuthCode) of an app; with -client-secret")
	flag.Parse()
	if (*clientSecret == "") != (*code == "") || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "quickstart: -client-secret and -code go together, and nothing else")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *clientSecret, *code); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run goes through the tour with a folder of its own, which it removes.
func run(ctx context.Context, out io.Writer, clientSecret, code string) error {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	google := realGoogle(clientSecret, code)
	if clientSecret == "" {
		if google, err = fakeGoogle(dir, exchangetest.NewServer(exchangetest.Options{})); err != nil {
			return err
		}
	}
	defer google.close()
	return newTour(out, dir, google).run(ctx)
}
