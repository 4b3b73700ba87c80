package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// A config is what one process needs.
type config struct {
	database string
	google   exchange.Config
	drive    string   // endpoint; empty: Google's
	hosts    []string // for access tokens; nil: Google's
	keyring  *tokenstore.Keyring

	every   time.Duration
	workers int
	stop    time.Duration // how long jobs may go on after a signal

	// The job of a process that died is "running" in the queue until rescueAfter has
	// passed. That is longer than jobTimeout: no job is started again while it runs.
	jobTimeout, rescueAfter time.Duration

	before func(*exchange.Client, *tokenstore.Manager) error // if not nil, called before the work begins
	log    *slog.Logger
}

// run works until ctx ends, and then stops in good order.
func run(ctx context.Context, c config) (err error) {
	if c.every < time.Second { // a round begins up to 0.1 s before its period
		return errors.New("-every is less than a second")
	}
	// A job that waits keeps others from running, so it does not wait for long: the
	// queue tries it again.
	c.google.Retry = exchange.Retry{Total: 10 * time.Second}
	client, err := exchange.New(c.google)
	if err != nil {
		return err
	}
	pool, err := connect(ctx, c)
	if err != nil {
		return err
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	rows, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	if err != nil {
		return err
	}
	if err := createTables(ctx, pool, rows); err != nil {
		return err
	}
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID:  c.google.ClientID,
		Store:     &tokenstore.Sealed{Store: rows, Sealer: c.keyring},
		Refresher: client,
		// The processes make one refresh a user and hour between them.
		ShareAccessTokens: true,
		Hosts:             c.hosts,
		Logger:            c.log,
		Now:               c.google.Now,
	})
	if err != nil {
		return err
	}
	if c.before != nil {
		if err := c.before(client, grants); err != nil {
			return err
		}
	}
	queue, err := newQueue(pool, rows, grants, c)
	if err != nil {
		return err
	}
	if err := queue.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	<-ctx.Done()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*c.stop)
	defer cancel()
	// When no job asks for tokens any more, Close saves a refresh token that the
	// database has not taken yet.
	return errors.Join(queue.Stop(ctx), grants.Close(ctx))
}

// connect opens connections for all jobs and for River itself. The pool replaces
// those that a restart of the database has broken.
func connect(ctx context.Context, c config) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(c.database)
	if err != nil {
		return nil, err
	}
	pc.MaxConns = int32(c.workers) + 5
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	return pgxpool.NewWithConfig(ctx, pc)
}

// createTables creates what is missing. The lock makes processes that start at the
// same time take turns: River's migrations are not made for that.
func createTables(ctx context.Context, pool *pgxpool.Pool, rows *sqlstore.Store) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('worker: tables'))"); err != nil {
			return err
		}
		if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
		if err := rows.Create(ctx); err != nil {
			return err
		}
		_, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS notices (subject text PRIMARY KEY, notice text NOT NULL)")
		return err
	})
}

func newQueue(pool *pgxpool.Pool, leases tokenstore.Leaser, grants *tokenstore.Manager, c config) (*river.Client[pgx.Tx], error) {
	now := c.google.Now
	if now == nil {
		now = time.Now
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &roundWorker{grants: grants})
	river.AddWorker(workers, &visitWorker{
		grants:    grants,
		leases:    leases,
		leaseTime: c.rescueAfter,
		clientID:  c.google.ClientID,
		db:        pool,
		drive:     drive.Config{Endpoint: c.drive, Retry: drive.Retry{Total: 10 * time.Second}},
		log:       c.log,
	})
	// River's leader, one of the processes, inserts the round when it becomes the leader
	// and when a period begins, or up to 0.1 s before that.
	round := river.NewPeriodicJob(begin(c.every), func() (river.JobArgs, *river.InsertOpts) {
		return Round{Period: now().Add(time.Second).UTC().Truncate(c.every)}, nil
	}, &river.PeriodicJobOpts{RunOnStart: true})
	// By default River is told of new jobs by the database (LISTEN), and looks for them
	// every second as well, so it works again soon after a restart of the database.
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.workers}},
		Workers:              workers,
		PeriodicJobs:         []*river.PeriodicJob{round},
		JobTimeout:           c.jobTimeout,
		RescueStuckJobsAfter: c.rescueAfter,
		SoftStopTimeout:      c.stop,
		Logger:               c.log,
	})
}

// begin is a schedule: the beginning of each period.
type begin time.Duration

func (b begin) Next(t time.Time) time.Time {
	return t.UTC().Truncate(time.Duration(b)).Add(time.Duration(b))
}
