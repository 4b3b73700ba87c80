#!/usr/bin/env bash
# River: after a restart of the database some jobs are "running" for an hour, although no worker runs them.
#
# A client takes jobs by one UPDATE that makes them "running" and returns them. If the connection breaks
# after the database has done that, as in a restart or a failover, the client gets an error, logs
# "Error fetching jobs", and takes other jobs. The ones of the lost response stay "running", attempted by
# a client that is alive and has no work, until they are older than RescueStuckJobsAfter: by default an
# hour, or JobTimeout and an hour.
# A backend whose jobs take seconds should set RescueStuckJobsAfter to minutes, above the longest
# JobTimeout, and not look for such jobs among those of dead workers only.
#
# Seen with github.com/riverqueue/river v0.51.2 and PostgreSQL 15; needs Go and Debian's postgresql.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
cd "$dir"

bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
as=()
if [[ $EUID == 0 ]]; then # PostgreSQL does not run as root
	as=(setpriv --reuid nobody --regid nogroup --clear-groups)
	chown nobody .
	chmod 755 .
fi
"${as[@]}" "$bin/initdb" -D data -U postgres -A trust >initdb.log
"${as[@]}" "$bin/postgres" -D data -h '' -k "$dir" >postgres.log 2>&1 &
until "$bin/pg_isready" -q -h "$dir"; do sleep 0.1; done

mkdir program
cd program
cat >go.mod <<'END'
module finding

go 1.26.0

require (
	github.com/jackc/pgx/v5 v5.12.0
	github.com/riverqueue/river v0.51.2
	github.com/riverqueue/river/riverdriver/riverpgxv5 v0.51.2
)
END
cat >main.go <<'END'
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

type args struct{}

func (args) Kind() string { return "greeting" }

type worker struct {
	river.WorkerDefaults[args]
	worked chan int64
}

func (w *worker) Work(_ context.Context, job *river.Job[args]) error {
	w.worked <- job.ID
	return nil
}

// A conn breaks once: after the database has answered the statement that takes jobs.
type conn struct {
	net.Conn
	lose   *atomic.Bool
	asking bool
}

func (c *conn) Write(b []byte) (int, error) {
	c.asking = bytes.Contains(b, []byte("SKIP LOCKED")) && c.lose.CompareAndSwap(true, false)
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.asking {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func main() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig("postgres:///postgres?user=postgres&host=" + os.Args[1])
	check(err)
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // a statement is one message
	var lose atomic.Bool
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &conn{Conn: c, lose: &lose}, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	check(err)
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)

	workers := river.NewWorkers()
	w := &worker{worked: make(chan int64, 10)}
	river.AddWorker(workers, w)
	client, err := river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 10}},
		Workers: workers,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	check(err)
	first, err := client.Insert(ctx, args{}, nil)
	check(err)
	lose.Store(true) // the first fetch is the one of the first job
	check(client.Start(ctx))
	for lose.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	second, err := client.Insert(ctx, args{}, nil)
	check(err)
	id := <-w.worked
	time.Sleep(5 * time.Second) // five polls
	fmt.Printf("worked: the second job only: %v\n", id == second.Job.ID && len(w.worked) == 0)
	job, err := client.JobGet(ctx, first.Job.ID)
	check(err)
	fmt.Printf("the first job: %s, attempted by this client: %v\n", job.State, job.AttemptedBy[0] == client.ID())
	fmt.Printf("rescued after: %v\n", new(river.Config).WithDefaults().RescueStuckJobsAfter)
	check(client.Stop(ctx))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
END
GOFLAGS=-mod=mod go mod tidy >../tidy.log 2>&1 || { cat ../tidy.log; exit 1; }
go run . "$dir" >../seen 2>../river.log || { cat ../river.log; exit 1; }
cd ..

cat >expected <<'END'
worked: the second job only: true
the first job: running, attempted by this client: true
rescued after: 1h0m0s
END
cat seen
if diff expected seen >differences; then
	echo "as described"
else
	cat differences
	exit 1
fi
