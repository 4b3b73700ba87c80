//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// taskVariable has the task, as JSON, of a worker process that a test has started.
const taskVariable = "WORKER_TEST_TASK"

// TestMain makes a worker of this program where a test has started it as one.
func TestMain(m *testing.M) {
	if text := os.Getenv(taskVariable); text != "" {
		if err := work(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	needs.Main(m)
}

// A task is the part of a config that is for another process.
type task struct {
	Database, ClientID, ClientSecret string
	Endpoint                         exchange.Endpoint
	Drive                            string
	Every                            time.Duration
	Ahead                            time.Duration // of the clock
}

// work is main for a task. It ends with the test process, too.
func work(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(2)
	}()
	c, err := t.config()
	if err != nil {
		return err
	}
	return run(ctx, c)
}

const (
	concurrency = 5 // jobs of a process
	rescueAfter = 10 * time.Second
)

func (t task) config() (config, error) {
	keyring, err := tokenstore.NewKeyring(bytes.Repeat([]byte{7}, 32))
	return config{
		database: t.Database,
		google: exchange.Config{
			ClientID:     t.ClientID,
			ClientSecret: t.ClientSecret,
			Endpoint:     t.Endpoint,
			Now:          func() time.Time { return time.Now().Add(t.Ahead) },
		},
		drive:       t.Drive,
		hosts:       []string{strings.TrimPrefix(t.Drive, "http://")},
		keyring:     keyring,
		every:       t.Every,
		workers:     concurrency,
		stop:        10 * time.Second,
		jobTimeout:  8 * time.Second,
		rescueAfter: rescueAfter,
		log:         slog.New(slog.NewTextHandler(os.Stdout, nil)),
	}, err
}

// A world is a fake Google and a database with users who have signed in.
type world struct {
	*testing.T
	task     task
	config   config
	google   *exchangetest.Server
	files    *drivetest.Server
	database *servers.Server
	pool     *pgxpool.Pool
	store    tokenstore.Store
	client   *exchange.Client
	users    []string

	uploads atomic.Int64 // to Drive
	limited string       // a user whom Drive asks to come back in an hour; set before the start
	broken  atomic.Value // a refresh token for which the token endpoint refuses the client
}

func newWorld(t *testing.T, n int, scopes func(i int) []string) *world {
	w := &world{T: t, database: servers.PostgreSQL(t)}
	w.broken.Store("")
	var o exchangetest.Options
	for i := range n {
		o.Users = append(o.Users, exchangetest.User{Subject: fmt.Sprintf("1101694844743%08d", i), Email: fmt.Sprintf("jane.doe.%d@gmail.com", i)})
		w.users = append(w.users, o.Users[i].Subject)
	}
	w.google = exchangetest.NewServer(o)
	t.Cleanup(w.google.Close)
	w.files = drivetest.NewServer(drivetest.Options{Accounts: w.google})
	t.Cleanup(w.files.Close)
	w.task = task{
		Database:     w.database.DSN,
		ClientID:     w.google.ClientID(),
		ClientSecret: w.google.ClientSecret(),
		Endpoint:     w.google.Endpoint(),
		Drive:        w.serve(w.serveDrive),
		Every:        24 * time.Hour,
	}
	w.task.Endpoint.TokenURL = w.serve(w.serveTokens) + "/token"

	var err error
	if w.config, err = w.task.config(); err != nil {
		t.Fatal(err)
	}
	if w.client, err = exchange.New(w.google.Config()); err != nil {
		t.Fatal(err)
	}
	if w.pool, err = connect(t.Context(), w.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.pool.Close)
	db := stdlib.OpenDBFromPool(w.pool)
	t.Cleanup(func() { db.Close() })
	rows, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	if err != nil {
		t.Fatal(err)
	}
	var starting sync.WaitGroup
	for range 3 { // processes start at the same time
		starting.Go(func() {
			if err := createTables(t.Context(), w.pool, rows); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	w.store = &tokenstore.Sealed{Store: rows, Sealer: w.config.keyring}
	w.signIn(scopes)
	return w
}

func (w *world) serve(h http.HandlerFunc) string {
	server := httptest.NewServer(h)
	w.Cleanup(server.Close)
	return server.URL
}

func (w *world) serveDrive(rw http.ResponseWriter, r *http.Request) {
	user, _, _ := w.google.CheckAccessToken(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if user != "" && user == w.limited {
		rw.Header().Set("Retry-After", "3600")
		rw.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/upload/") {
		w.uploads.Add(1)
	}
	w.files.ServeHTTP(rw, r)
}

func (w *world) serveTokens(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if token := w.broken.Load().(string); token != "" && bytes.Contains(body, []byte(url.QueryEscape(token))) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusUnauthorized)
		io.WriteString(rw, `{"error": "invalid_client"}`)
		return
	}
	w.google.ServeHTTP(rw, r)
}

// signIn keeps a refresh token of each user, as the backend has done long ago.
func (w *world) signIn(scopes func(i int) []string) {
	grants, err := tokenstore.New(tokenstore.Config{ClientID: w.google.ClientID(), Store: w.store, Refresher: w.client})
	if err != nil {
		w.Fatal(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(w.users)); i = next.Add(1) - 1 {
				code := w.google.AppCode(exchangetest.CodeRequest{User: w.users[i], Scopes: scopes(int(i))})
				tokens, err := w.client.Exchange(w.Context(), code, exchange.App)
				if err == nil {
					_, err = grants.Import(w.Context(), w.users[i], tokenstore.Grant{RefreshToken: tokens.RefreshToken, Scopes: tokens.Scopes})
				}
				if err != nil {
					w.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func (w *world) grant(user string) tokenstore.Grant {
	w.Helper()
	g, err := w.store.Load(w.Context(), tokenstore.Key{ClientID: w.google.ClientID(), Subject: user})
	if err != nil {
		w.Fatal(err)
	}
	return g
}

// start starts worker processes, and returns when they work.
func (w *world) start(n int) (processes []*exec.Cmd) {
	w.Helper()
	text, err := json.Marshal(w.task)
	if err != nil {
		w.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	var started []<-chan bool
	for range n {
		p := exec.Command(program)
		p.Env = append(os.Environ(), taskVariable+"="+string(text))
		p.Stderr = os.Stderr
		if _, err := p.StdinPipe(); err != nil {
			w.Fatal(err)
		}
		out, err := p.StdoutPipe()
		if err != nil {
			w.Fatal(err)
		}
		if err := p.Start(); err != nil {
			w.Fatal(err)
		}
		w.Cleanup(func() { p.Process.Kill() })
		processes = append(processes, p)
		started = append(started, w.read(out))
	}
	for _, c := range started {
		if !<-c {
			w.Fatal("a worker has ended before it began to work")
		}
	}
	return processes
}

// read reads the log of a process to its end, and shows it if the test fails. The
// channel gets whether River has started.
func (w *world) read(out io.Reader) <-chan bool {
	started := make(chan bool, 2)
	var lines []string
	read := make(chan struct{})
	go func() {
		defer close(read)
		for in := bufio.NewScanner(out); in.Scan(); {
			if lines = append(lines, in.Text()); strings.Contains(in.Text(), "River client started") {
				started <- true
			}
		}
		started <- false
	}()
	w.Cleanup(func() {
		if <-read; w.Failed() {
			w.Log("a worker:\n" + strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
	return started
}

// stop stops processes as a platform does at a deployment.
func (w *world) stop(processes ...*exec.Cmd) {
	w.Helper()
	for _, p := range processes {
		p.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range processes {
		if err := p.Wait(); err != nil {
			w.Errorf("a worker that was stopped: %v", err)
		}
	}
}

// await polls, because neither the processes nor the queue say when they are done.
func (w *world) await(what string, done func() bool) {
	w.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for timeout := time.After(5 * time.Minute); !done(); {
		select {
		case <-ticker.C:
		case <-timeout:
			w.Fatalf("there is no end to waiting for %s", what)
		}
	}
}

// count returns the result of a query.
func (w *world) count(query string, args ...any) (n int) {
	w.Helper()
	if err := w.pool.QueryRow(w.Context(), query, args...).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// refreshes returns how often Google has given an access token for a refresh token.
func (w *world) refreshes() (n int) {
	for _, r := range w.google.Requests(exchangetest.TokenEndpoint) {
		if r.Form.Get("grant_type") == "refresh_token" && r.Status == http.StatusOK {
			n++
		}
	}
	return n
}

// journal returns the entries of all journals that the user has.
func (w *world) journal(user string) (entries []entry) {
	w.Helper()
	for _, file := range w.files.Folder(user).Files() {
		var page []entry
		if err := json.Unmarshal(file.Content, &page); err != nil {
			w.Fatal(err)
		}
		entries = append(entries, page...)
	}
	return entries
}

func appData(int) []string { return []string{"openid", drive.Scope} }

// TestWorkers is a round of four processes. Two of them are killed, then the database
// crashes, and at the end a new version is deployed.
func TestWorkers(t *testing.T) {
	t.Parallel()
	users := 1000
	if testing.Short() {
		users = 100
	}
	const gone, narrow, limited, broken, firstOther = 0, 1, 2, 3, 4
	w := newWorld(t, users, func(i int) []string {
		if i == narrow {
			return []string{"openid", "email"}
		}
		return appData(i)
	})
	w.google.RemoveAccess(w.users[gone])
	w.limited = w.users[limited]
	w.broken.Store(w.grant(w.users[broken]).RefreshToken)
	const job = "SELECT count(*) FROM river_job WHERE kind = 'visit' AND args->>'subject' = $1 AND "

	processes := w.start(4)
	w.await("some visits", func() bool { return w.uploads.Load() >= int64(users/4) })
	w.await("a job that waits for the end of a pause", func() bool {
		return w.count(job+"(metadata->>'snoozes')::int > 0 AND attempt <= 1", w.users[broken]) == 1
	})
	w.broken.Store("")
	for _, p := range processes[:2] {
		p.Process.Kill()
		p.Wait()
	}
	w.await("more visits", func() bool { return w.uploads.Load() >= int64(users/2) })
	w.database.Crash(t)
	w.database.Start(t)
	w.await("what two processes can do", func() bool {
		return w.count("SELECT count(*) FROM river_job WHERE kind = 'visit'"+
			" AND (state IN ('available', 'retryable') OR state = 'running' AND attempted_at > now() - $1::interval"+
			" OR state = 'scheduled' AND args->>'subject' <> $2)", rescueAfter, w.limited) == 0
	})
	t.Logf("%d jobs are of processes that died, or the database forgot to whom it gave them",
		w.count("SELECT count(*) FROM river_job WHERE kind = 'visit' AND state = 'running'"))
	deployed := w.start(4)
	w.stop(processes[2:]...)
	w.await("all jobs", func() bool {
		return w.count("SELECT count(*) FROM river_job WHERE kind = 'visit' AND state IN ('completed', 'cancelled')") == users-1
	})
	w.stop(deployed...)

	n := w.refreshes()
	t.Logf("%d refreshes, %d uploads for %d users", n, w.uploads.Load(), users)
	if n > users+users/50 {
		t.Errorf("%d refreshes for %d users, want at most 1.02 a user", n, users)
	}
	for _, user := range w.users[firstOther-1:] {
		if entries := w.journal(user); len(entries) != 1 {
			t.Errorf("user %s: %d entries %v, want 1", user, len(entries), entries)
		}
	}
	for i, want := range []string{gone: "cancelled", narrow: "cancelled", limited: "scheduled", broken: "completed"} {
		if w.count(job+"state::text = $2", w.users[i], want) != 1 {
			t.Errorf("the job of user %d is not %s", i, want)
		}
		if got, want := w.count("SELECT count(*) FROM notices WHERE subject = $1", w.users[i]), 1-i/limited; got != max(want, 0) {
			t.Errorf("user %d: %d notices, want %d", i, got, want)
		}
	}
	if w.count(job+"scheduled_at - attempted_at BETWEEN '59 min' AND '61 min' AND attempt = 0", w.limited) != 1 {
		t.Error("the job of a user who has made too many requests does not wait for the hour that Drive asks for")
	}
	if n := w.count("SELECT count(*) FROM river_job WHERE strpos(river_job::text, $1) + strpos(river_job::text, $2) > 0",
		w.grant(w.users[firstOther]).RefreshToken[:8], w.grant(w.users[firstOther]).AccessToken[:5]); n != 0 {
		t.Errorf("%d jobs have a token in them", n)
	}
	for i, user := range w.users {
		if _, err := w.client.Refresh(t.Context(), w.grant(user).RefreshToken); (err != nil) != (i == gone) {
			t.Errorf("refreshing for user %d afterwards: %v", i, err)
		}
	}
	if i := slices.IndexFunc(w.users, func(user string) bool { return w.grant(user).State != tokenstore.Active }); i != gone {
		t.Errorf("user %d needs consent, want only user %d to", i, gone)
	}
}

// TestHours is three rounds by processes that know nothing of each other's: the second
// one in the hour of the first one's access tokens, the third one after it.
func TestHours(t *testing.T) {
	t.Parallel()
	const users = 30
	w := newWorld(t, users, appData)
	w.task.Every = 20 * time.Minute
	if _, err := w.pool.Exec(t.Context(), "INSERT INTO notices SELECT $1, 'Please connect again.'", w.users[0]); err != nil {
		t.Fatal(err)
	}
	for round, hours := range []int{1, 1, 2} {
		processes := w.start(2)
		w.await("all jobs", func() bool {
			return w.count("SELECT count(*) FROM river_job WHERE kind = 'visit' AND state = 'completed'") == users*(round+1)
		})
		if round == 0 {
			w.disconnected("110169484474399999999")
		}
		w.stop(processes...)
		if n := w.refreshes(); n != users*hours {
			t.Errorf("%d refreshes after round %d, want %d", n, round+1, users*hours)
		}
		pass := []time.Duration{20 * time.Minute, time.Hour, 0}[round]
		w.google.Advance(pass)
		w.task.Ahead += pass
	}
	for _, user := range w.users {
		if n := len(w.journal(user)); n != 3 {
			t.Errorf("user %s: %d entries, want 3", user, n)
		}
	}
	if n := w.count("SELECT count(*) FROM notices"); n != 0 {
		t.Errorf("%d notices when all is well again, want none", n)
	}
}

// disconnected inserts a visit to a user of whom no grant is kept any more.
func (w *world) disconnected(user string) {
	w.Helper()
	queue, err := river.NewClient(riverpgxv5.New(w.pool), &river.Config{})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.pool.Exec(w.Context(), "INSERT INTO notices SELECT $1, 'Please connect again.'", user); err != nil {
		w.Fatal(err)
	}
	if _, err := queue.Insert(w.Context(), Visit{Subject: user}, nil); err != nil {
		w.Fatal(err)
	}
	w.await("the visit to a user who has disconnected", func() bool {
		return w.count("SELECT count(*) FROM river_job WHERE args->>'subject' = $1 AND state = 'cancelled'", user) == 1
	})
}

// TestFake runs the command of the package comment, until all jobs are done.
func TestFake(t *testing.T) {
	t.Parallel()
	c, err := task{Database: servers.PostgreSQL(t).DSN, Every: time.Hour}.config()
	if err != nil {
		t.Fatal(err)
	}
	c.log = slog.New(slog.DiscardHandler)
	w := &world{T: t}
	if w.pool, err = pgxpool.New(t.Context(), c.database); err != nil {
		t.Fatal(err)
	}
	defer w.pool.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error)
	go func() { ended <- runFake(ctx, c) }()
	w.await("the tables", func() bool { return w.count("SELECT count(*) FROM pg_tables WHERE tablename = 'notices'") == 1 })
	w.await("all jobs", func() bool {
		return w.count("SELECT count(*) FROM river_job WHERE kind = 'visit' AND state = 'completed'") == 2 &&
			w.count("SELECT count(*) FROM river_job WHERE kind = 'visit' AND state = 'cancelled'") == 1
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		want time.Duration
	}{
		{"TokenEndpoint", &exchange.Error{Status: 429, RetryAfter: 90 * time.Second}, 90 * time.Second},
		{"Drive", &drive.Error{Status: 503, RetryAfter: 5 * time.Second}, 5 * time.Second},
		{"DriveDoesNotSay", drive.ErrRateLimited, time.Minute},
		{"Pause", &tokenstore.PausedError{Err: errors.New("invalid_client")}, time.Second},
		{"PauseAndTokenEndpoint", &tokenstore.PausedError{Err: &exchange.Error{Status: 429, RetryAfter: time.Minute}}, time.Minute},
		{"Unknown", io.ErrUnexpectedEOF, 0},
		{"Forever", &drive.Error{Status: 503, RetryAfter: 1 << 60}, 24 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := retryAfter(fmt.Errorf("visiting: %w", test.err)); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// Rounds without a pause would fill the queue.
func TestEvery(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{0, -time.Hour, time.Millisecond} {
		if err := run(t.Context(), config{every: every}); err == nil || !strings.Contains(err.Error(), "-every") {
			t.Errorf("%v: %v", every, err)
		}
	}
}

// The next round begins at the next multiple of the period, in UTC.
func TestBegin(t *testing.T) {
	for at, want := range map[string]string{
		"2026-03-01T00:00:00Z":      "2026-03-02T00:00:00Z",
		"2026-03-01T23:59:59Z":      "2026-03-02T00:00:00Z",
		"2026-03-01T23:30:00-05:00": "2026-03-03T00:00:00Z",
	} {
		from, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := begin(24 * time.Hour).Next(from).Format(time.RFC3339); got != want {
			t.Errorf("after %s: %s, want %s", at, got, want)
		}
	}
}
