// Worker does something for each user once a day while they are away: it adds a line
// to a journal in the app-data folder of the user's Google Drive. Its jobs wait in a
// queue, River (https://riverqueue.com), in the PostgreSQL database in which the
// backend keeps its grants. Any number of these processes may run, and each may die
// at any time: the others do its jobs.
//
//	go run -C examples ./worker -fake -every 1m -database postgres://localhost/test
//
// runs it with a fake Google on this machine and a round every minute. For the
// grants that your backend keeps with sqlstore it takes the client_secret_*.json of
// its web client and the key with which it seals, as 32 bytes in base64:
//
//	go run -C examples ./worker -database "$DATABASE_URL" \
//		-client-secret "$PWD/client_secret.json" -key "$PWD/key"
//
// SIGINT and SIGTERM stop it. For a program of yours take work.go and run.go.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

func main() {
	c := config{
		stop:        20 * time.Second, // less than what your platform waits before it kills
		jobTimeout:  time.Minute,
		rescueAfter: 5 * time.Minute,
		log:         slog.New(slog.NewTextHandler(os.Stdout, nil)),
	}
	flag.StringVar(&c.database, "database", "", "address of the PostgreSQL database, postgres://…")
	flag.DurationVar(&c.every, "every", 24*time.Hour, "period of the rounds, counted from midnight UTC")
	flag.IntVar(&c.workers, "workers", 20, "how many jobs this process does at once")
	clientSecret := flag.String("client-secret", "", "client_secret_*.json of the OAuth client to which the grants belong")
	key := flag.String("key", "", "file with the key under which they are sealed: 32 bytes in base64")
	fake := flag.Bool("fake", false, "a fake Google, with three users who have signed in")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := errors.New("-database is missing")
	switch {
	case c.database == "":
	case *fake:
		err = runFake(ctx, c)
	default:
		if err = c.read(*clientSecret, *key); err == nil {
			err = run(ctx, c)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// read reads the files of the backend.
func (c *config) read(clientSecret, key string) (err error) {
	if c.google, err = exchange.ConfigFromFile(clientSecret); err != nil {
		return fmt.Errorf("-client-secret: %w", err)
	}
	text, err := os.ReadFile(key)
	if err != nil {
		return fmt.Errorf("-key: %w", err)
	}
	bytes, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return errors.New("-key: the file is not base64")
	}
	c.keyring, err = tokenstore.NewKeyring(bytes)
	return err
}
