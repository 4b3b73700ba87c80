// Fakegoogle is Google for tests in every language, on this machine: sign-in, tokens,
// keys and the app-data folder of Drive under one address. Its console page shows users,
// grants and requests, and can revoke, block, advance the clock and cause failures.
//
//	go run github.com/seed3a054f9c/googlesignin/exchange/exchangetest/fakegoogle@latest
//
// It prints the settings that a client needs as lines for a shell or an .env file, and
// writes a client_secret.json as Google's console does. -help lists the flags. The
// module's docs/fakegoogle.md has docker compose, Playwright and the addresses under
// /fake/ that tests call.
//
// Its state lives in memory. Users do not have to prove who they are, so it listens on
// loopback addresses only, unless -public says otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fakegoogle:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints the settings to out once it serves.
func run(ctx context.Context, args []string, out, messages io.Writer) error {
	cfg, err := parse(args, messages)
	if err != nil {
		return err
	}
	listener, err := cfg.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	cfg.complete(listener.Addr())
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	if cfg.tls {
		certificate, err := newCertificate(cfg.certificateNames())
		if err != nil {
			return err
		}
		cfg.certificate = certificate.Leaf
		srv.TLSConfig = tlsConfig(certificate)
	}
	app := newApp(cfg)
	defer func() { app.now().close() }()
	defer srv.Close()
	srv.Handler = app
	dir, remove, err := cfg.directory()
	if err != nil {
		return err
	}
	defer remove()
	if err := app.writeFiles(dir); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		if cfg.tls {
			failed <- srv.ServeTLS(listener, "", "")
		} else {
			failed <- srv.Serve(listener)
		}
	}()
	for _, s := range app.settings() {
		fmt.Fprintf(out, "%s=%s\n", s.Name, quote(s.Value))
	}
	fmt.Fprintf(messages, "fakegoogle: the console is at %s/fake/\n", cfg.url)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	app.now().google.Close() // ends the requests that hang
	stopping, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if srv.Shutdown(stopping) != nil {
		srv.Close()
	}
	return nil
}

// listen opens the port. It refuses one that other machines reach, unless told to.
func (c *config) listen() (net.Listener, error) {
	host, _, err := net.SplitHostPort(c.address)
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", c.address, err)
	}
	if !c.public && !endpoint.IsLoopback(host) {
		return nil, fmt.Errorf("-listen %s is not a loopback address: here nobody has to prove who they are, "+
			"so whoever reaches it signs in as any user and reads every request; "+
			"-public allows it, in a container or a network of your own", c.address)
	}
	return net.Listen("tcp", c.address)
}

// quote returns a value as a shell and an .env file read it.
func quote(value string) string {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:/@%+,", r)
	}
	if value != "" && !strings.ContainsFunc(value, special) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
