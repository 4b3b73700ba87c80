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
	l, err := net.Listen("tcp", cmp.Or(listen, address(base)))
	if err != nil {
		return err
	}
	log.Printf("open %s/", base)
	return errors.Join(serve(ctx, l, site.routes()), site.close())
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

// serve answers until ctx ends. Then it waits for requests: a sign-in that is cut off loses
// the refresh token that Google has issued.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), 90*time.Second) // a sign-in may take that long
	defer cancel()
	return srv.Shutdown(stopping)
}
