// Risc is a backend that listens to Google's Cross-Account Protection: when
// Google says that an account was hijacked, that its sessions ended or that
// tokens were revoked, it ends its own sessions and stops using the tokens.
//
//	go run -C examples ./risc
//
// goes through it with a fake Google on this machine. With the
// client_secret_*.json of your web client it serves POST /auth/google for your
// app and POST /google/events for Google. With the key of a service account that has
// the role RISC Configuration Admin it registers the public https address of the
// latter at Google, and has Google verify it by an event:
//
//	go run -C examples ./risc -client-secret "$PWD/client_secret.json" -grants "$PWD/grants" \
//		-service-account "$PWD/key.json" -receiver https://api.example.com/google/events
//
// With -stream show, on or off, and the key, it shows what is registered, or has
// Google send events or not, and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

// options are the flags of the command.
type options struct {
	clientSecret, grants, listen     string
	serviceAccount, receiver, stream string
}

func main() {
	var o options
	flag.StringVar(&o.clientSecret, "client-secret", "", "client_secret_*.json of a web client; none: a tour with a fake Google")
	flag.StringVar(&o.grants, "grants", "grants", "directory in which to keep refresh tokens")
	flag.StringVar(&o.listen, "listen", "localhost:8080", "address to listen on")
	flag.StringVar(&o.serviceAccount, "service-account", "", "key file of a service account with the role RISC Configuration Admin")
	flag.StringVar(&o.receiver, "receiver", "", "public https address of /google/events, to be registered at Google")
	flag.StringVar(&o.stream, "stream", "", "show, on or off: what to do about Google's stream of events")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "risc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	var stream *risc.Stream
	var err error
	if o.serviceAccount != "" {
		if stream, err = openStream(o.serviceAccount); err != nil {
			return err
		}
	}
	switch {
	case o.stream != "" || o.receiver != "" && stream == nil:
		return manage(ctx, out, stream, o.stream)
	case o.clientSecret == "":
		return tour(ctx, out)
	}
	cfg, err := exchange.ConfigFromFile(o.clientSecret)
	if err != nil {
		return err
	}
	store, err := dirstore.Open(o.grants)
	if err != nil {
		return err
	}
	b, err := newBackend(cfg, store, nil)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	if o.receiver != "" {
		b.stream = stream
		go func() { // Google's event comes while we listen
			if err := register(ctx, out, stream, o.receiver); err != nil {
				log.Print(err)
			}
		}()
	}
	return errors.Join(serve(ctx, l, b.routes()), b.close())
}

// serve answers until ctx ends. Then it waits for requests: a sign-in that is cut off loses
// the refresh token that Google has issued.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	log.Printf("listening on %s", l.Addr())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), 90*time.Second) // a sign-in may take that long
	defer cancel()
	return srv.Shutdown(stopping)
}
