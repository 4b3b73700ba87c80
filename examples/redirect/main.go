// Redirect is a web site whose users sign in with Google by a browser redirect,
// and which asks for their consent only when it has to.
//
//	go run -C examples ./redirect
//
// runs it with a fake Google on this machine: open http://localhost:8080/. With
// Google itself, register http://localhost:8080/oauth2/callback as a redirect
// URI of your web client, and download its file:
//
//	go run -C examples ./redirect -client-secret "$PWD/client_secret.json"
//
// With -base-url https://example.com/notes -listen localhost:8080 it runs behind a
// proxy that speaks https and forwards /notes, with or without that prefix.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

func main() {
	clientSecret := flag.String("client-secret", "", "client_secret_*.json of a web client; none: a fake Google")
	base := flag.String("base-url", "http://localhost:8080", "where browsers find this site")
	listen := flag.String("listen", "", "address to listen on; none: the base URL's")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *clientSecret, *base, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "redirect:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, clientSecret, baseURL, listen string) error {
	base, err := url.Parse(strings.TrimSuffix(baseURL, "/"))
	if err != nil || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return errors.New("-base-url is not the absolute URL of a site")
	}
	var cfg exchange.Config
	var keys idtoken.KeySource // nil: Google's
	if clientSecret != "" {
		cfg, err = exchange.ConfigFromFile(clientSecret)
	} else {
		google, failure := fakeGoogle(base)
		if failure != nil {
			return failure
		}
		defer google.Close()
		cfg, keys = google.Config(), google.KeySource()
	}
	if err != nil {
		return err
	}
	site, err := newSite(base, cfg, keys, newKey(), newSessions(base.Scheme == "https"))
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, cmp.Or(listen, address(base)), site.routes(), base), site.close())
}

// address is what a base URL says to listen on; the port may be "http" or "https".
func address(base *url.URL) string {
	return net.JoinHostPort(base.Hostname(), cmp.Or(base.Port(), base.Scheme))
}

// newKey is for a site that may forget the sign-ins under way when it restarts.
// Several instances need the same key.
func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// fakeGoogle returns an error for a base URL that Google would not register either.
func fakeGoogle(base *url.URL) (*exchangetest.Server, error) {
	o := exchangetest.Options{
		Clients: []exchangetest.Client{{Name: "Notes", RedirectURIs: []string{base.String() + callbackPath}}},
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return exchangetest.NewServer(o), nil
}

func serve(ctx context.Context, listen string, h http.Handler, base *url.URL) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { srv.Close() })
	log.Printf("open %s/", base)
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
