// Risc is a backend that listens to Google's Cross-Account Protection: when
// Google says that an account was hijacked, that its sessions ended or that
// tokens were revoked, it ends its own sessions and stops using the tokens.
//
//	go run -C examples ./risc
//
// goes through it with a fake Google on this machine. With the
// client_secret_*.json of your web client it serves POST /auth/google for your
// app and POST /google/events for Google, whom you tell its public https address
// (https://developers.google.com/identity/protocols/risc):
//
//	go run -C examples ./risc -client-secret "$PWD/client_secret.json" -grants "$PWD/grants"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

func main() {
	clientSecret := flag.String("client-secret", "", "client_secret_*.json of a web client; none: a tour with a fake Google")
	grants := flag.String("grants", "grants", "directory in which to keep refresh tokens")
	listen := flag.String("listen", "localhost:8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *clientSecret, *grants, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "risc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, clientSecret, grants, listen string) error {
	if clientSecret == "" {
		return tour(ctx, out)
	}
	cfg, err := exchange.ConfigFromFile(clientSecret)
	if err != nil {
		return err
	}
	store, err := dirstore.Open(grants)
	if err != nil {
		return err
	}
	b, err := newBackend(cfg, store, nil)
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, listen, b.routes()), b.close())
}

func serve(ctx context.Context, listen string, h http.Handler) error {
	srv := &http.Server{Addr: listen, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { srv.Close() })
	log.Printf("listening on %s", listen)
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
