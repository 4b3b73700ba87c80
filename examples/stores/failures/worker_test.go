//go:build unix

package failures_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

// taskVariable has the task, as JSON, of a process that a test has started.
const taskVariable = "FAILURES_TEST_TASK"

// A task is what a worker process is to do.
type task struct {
	Do     string // a name in tasks
	Store  storeAddress
	Leaser storeAddress // none: the Store
	Google google       // where tokens come from
	Share  bool         // Config.ShareAccessTokens
	Users  []string
	Number int // of the worker
}

var tasks = map[string]func(task, *bufio.Reader) error{
	"refresh": refreshAsTold,
	"write":   writeUntilKilled,
}

// A storeAddress says where a store is, for another process to open.
type storeAddress struct{ Kind, Address string }

func (a storeAddress) open(ctx context.Context) (store tokenstore.Store, err error) {
	switch a.Kind {
	case "sqlite":
		store, _, err = stores.SQLite(ctx, a.Address)
	case "postgresql":
		store, _, err = stores.PostgreSQL(ctx, a.Address)
	case "mysql":
		store, _, err = stores.MySQL(ctx, a.Address)
	case "redis":
		store, err = stores.GoRedis(redis.NewClient(&redis.Options{Addr: a.Address}))
	case "dir":
		store, err = dirstore.Open(a.Address)
	default:
		err = fmt.Errorf("no store of kind %q", a.Kind)
	}
	return store, err
}

func (a storeAddress) mustOpen(t *testing.T) tokenstore.Store {
	t.Helper()
	store, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// work is the main function of a worker; it returns the exit status.
func work(text string) int {
	var t task
	err := json.Unmarshal([]byte(text), &t)
	if err == nil {
		err = tasks[t.Do](t, bufio.NewReader(os.Stdin))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A worker is a process that a test has started. It reads lines from in and
// writes lines to out; it ends when in does.
type worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startWorker(t *testing.T, what task) *worker {
	t.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), taskVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &worker{cmd, in, bufio.NewScanner(out)}
	t.Cleanup(w.kill)
	return w
}

// kill ends the worker with SIGKILL; what it has written before can still be
// read.
func (w *worker) kill() { w.cmd.Process.Kill() }

// tell writes a line to the worker.
func (w *worker) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(w.in, line); err != nil {
		t.Fatal(err)
	}
}

// line returns the next line that the worker writes, "" at the end.
func (w *worker) line() string {
	if !w.out.Scan() {
		return ""
	}
	return w.out.Text()
}
