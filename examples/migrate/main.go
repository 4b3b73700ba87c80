// Migrate takes over the Google grants that other software has kept, so that its
// users need not sign in again: rows of a table of your own, or the files and
// tables of another library, such as Auth.js, django-allauth or google-auth.
//
//	go run -C examples ./migrate -client-secret "$PWD/client_secret.json" -key "$PWD/key" \
//		-from authjs -db postgres://localhost/old -to postgres://localhost/new \
//		-report "$PWD/migrate.jsonl" -dry-run
//
// shows what it would do: it asks Google nothing, opens no store and writes
// nothing. Without -dry-run it does it, one grant after the other, and prints how
// many were taken, skipped and why, dead, and waiting. formats.go has the values
// of -from.
//
// Each grant is refreshed once, before it is kept. Google's answer says whether the
// refresh token still works, which scopes it has, and, in an ID token, whose it is.
// A refresh token is not kept under another user than Google names; where Google
// names none, the old row's word counts. A grant that is in the store already is
// newer, and stays.
//
// The program can be interrupted, and started again with the same -report: Google is
// not asked again about a grant that was taken, is dead or waits. Nothing that it
// prints or writes there is a secret.
package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

// options are the flags.
type options struct {
	clientSecret, key, to string // the backend's
	from, in, db, query   string // the other software's
	secret                string
	report                string
	dryRun, refresh       bool

	endpoint exchange.Endpoint // zero: Google's
	keysURL  string
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err == nil {
		err = run(ctx, os.Stdout, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "migrate:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.StringVar(&o.clientSecret, "client-secret", "", "client_secret_*.json of the OAuth client to which the grants belong")
	flags.StringVar(&o.from, "from", "", "format of the old grants: "+strings.Join(formatNames(), ", "))
	flags.StringVar(&o.in, "in", "", "file of the old grants, or a folder of such files")
	flags.StringVar(&o.db, "db", "", "or their database: postgres://…, mysql:user@tcp(host)/database, sqlite:path")
	flags.StringVar(&o.query, "query", "", "with -db: SELECT of the old grants, instead of the format's own")
	flags.StringVar(&o.secret, "secret", "", ".env file with BETTER_AUTH_SECRET, BETTER_AUTH_SECRETS or both, where better-auth encrypts")
	flags.StringVar(&o.to, "to", "", "the backend's store: as -db, in the table that sqlstore uses by default, or dir:path")
	flags.StringVar(&o.key, "key", "", "file with the key of that store: 32 bytes in base64; several lines: the first seals")
	flags.StringVar(&o.report, "report", "", "file that gets a line for each grant; the next run goes on from it")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only read the old grants and say what would be done")
	flags.BoolVar(&o.refresh, "refresh", true, "refresh each grant once; false: only those whose user is not known")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, out io.Writer, o options) error {
	cfg, err := exchange.ConfigFromFile(o.clientSecret)
	if err != nil {
		return fmt.Errorf("-client-secret: %w", err)
	}
	cfg.Endpoint = o.endpoint
	old, err := readGrants(ctx, o)
	if err != nil {
		return err
	}
	m := migration{clientID: cfg.ClientID, refresh: o.refresh}
	report, err := openReport(o.report, o.dryRun)
	if err != nil {
		return err
	}
	if !o.dryRun {
		end, err := m.connect(ctx, cfg, o)
		if err != nil {
			return errors.Join(err, report.close())
		}
		defer end()
	}
	err = m.all(ctx, old, report)
	report.print(out)
	if err == nil && report.failed > 0 {
		err = fmt.Errorf("%d grants failed for now: run it again", report.failed)
	}
	return errors.Join(err, report.close())
}

// connect makes what a migration needs beside the old grants.
func (m *migration) connect(ctx context.Context, cfg exchange.Config, o options) (end func() error, err error) {
	if m.google, err = exchange.New(cfg); err != nil {
		return nil, err
	}
	keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: o.keysURL})
	if err != nil {
		return nil, err
	}
	if m.verifier, err = idtoken.New(idtoken.Config{Audiences: []string{cfg.ClientID}, Keys: keys}); err != nil {
		return nil, err
	}
	keyring, err := readKeyring(o.key)
	if err != nil {
		return nil, err
	}
	store, closeStore, err := openStore(ctx, o.to)
	if err != nil {
		return nil, err
	}
	m.kept, err = tokenstore.New(tokenstore.Config{
		ClientID:  cfg.ClientID,
		Store:     &tokenstore.Sealed{Store: store, Sealer: keyring},
		Refresher: m.google,
	})
	if err == nil {
		err = m.checkKey(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, closeStore())
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return errors.Join(m.kept.Close(ctx), closeStore())
	}, nil
}

// checkKey fails if the store's first grant is under another key: the backend could
// open none of what is kept here.
func (m *migration) checkKey(ctx context.Context) error {
	for subject, err := range m.kept.Subjects(ctx, "") {
		if err == nil {
			_, err = m.kept.Health(ctx, subject)
		}
		if errors.Is(err, tokenstore.ErrSealed) {
			return fmt.Errorf("-key is not the store's: %w", err)
		}
		return err
	}
	return nil
}

func readKeyring(path string) (*tokenstore.Keyring, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-key: %w", err)
	}
	var keys [][]byte
	for line := range strings.Lines(string(text)) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return nil, errors.New("-key: a line is not base64")
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("-key: the file is empty")
	}
	keyring, err := tokenstore.NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		return nil, fmt.Errorf("-key: %w", err)
	}
	return keyring, nil
}

// openStore opens the backend's store, and creates its tables if need be.
func openStore(ctx context.Context, name string) (tokenstore.Store, func() error, error) {
	kind, rest, _ := strings.Cut(name, ":")
	var open func(context.Context, string) (tokenstore.Store, *sql.DB, error)
	switch kind {
	case "dir":
		store, err := dirstore.Open(rest)
		return store, func() error { return nil }, err
	case "sqlite":
		open = func(ctx context.Context, path string) (tokenstore.Store, *sql.DB, error) {
			return stores.SQLite(ctx, path)
		}
	case "mysql":
		open = func(ctx context.Context, dsn string) (tokenstore.Store, *sql.DB, error) {
			return stores.MySQL(ctx, dsn)
		}
	case "postgres", "postgresql":
		rest = name
		open = func(ctx context.Context, dsn string) (tokenstore.Store, *sql.DB, error) {
			return stores.PostgreSQL(ctx, dsn)
		}
	default:
		return nil, nil, errors.New("-to: postgres:, mysql:, sqlite: or dir: is missing")
	}
	store, db, err := open(ctx, rest)
	if err != nil {
		return nil, nil, err
	}
	return store, db.Close, nil
}
