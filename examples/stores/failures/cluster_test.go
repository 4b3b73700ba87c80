//go:build unix

package failures_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const callers = 250 // in each process, for each user

// A refreshed is what a worker has got, for each user.
type refreshed struct {
	Tokens []string // each once
	Errors []string
}

// refreshAsTold is a process of a cluster: whenever it is told to, it asks for
// the access tokens of all users, callers at once for each.
func refreshAsTold(what task, in *bufio.Reader) error {
	ctx := context.Background()
	store, err := what.Store.open(ctx)
	if err != nil {
		return err
	}
	cfg := tokenstore.Config{Store: store, ShareAccessTokens: what.Share}
	if what.Leaser.Kind != "" {
		leases, err := what.Leaser.open(ctx)
		if err != nil {
			return err
		}
		cfg.Leaser = leases.(tokenstore.Leaser)
	}
	m, err := what.Google.manager(cfg)
	if err != nil {
		return err
	}
	for fmt.Println("ready"); ; {
		if _, err := in.ReadString('\n'); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		text, err := json.Marshal(refreshAll(ctx, m, what.Users))
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	}
}

func refreshAll(ctx context.Context, m *tokenstore.Manager, users []string) map[string]*refreshed {
	results := make(map[string]*refreshed)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, user := range users {
		r := new(refreshed)
		results[user] = r
		for range callers {
			wg.Go(func() {
				token, err := m.Token(ctx, user)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					r.Errors = append(r.Errors, err.Error())
				} else if !slices.Contains(r.Tokens, token.AccessToken) {
					r.Tokens = append(r.Tokens, token.AccessToken)
				}
			})
		}
	}
	wg.Wait()
	return results
}

// startCluster starts processes that are ready to be told.
func startCluster(t *testing.T, what task, n int) (workers []*worker) {
	t.Helper()
	for range n {
		workers = append(workers, startWorker(t, what))
	}
	for _, w := range workers {
		if line := w.line(); line != "ready" {
			t.Fatalf("a worker says %q, want that it is ready", line)
		}
	}
	return workers
}

// result reads what a worker has got.
func (w *worker) result(t *testing.T) (r map[string]*refreshed) {
	t.Helper()
	line := w.line()
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("a worker says %q: %v", line, err)
	}
	return r
}

// TestCluster lets 4 processes of 250 goroutines ask for one user's token at the
// same time.
func TestCluster(t *testing.T) {
	t.Parallel()
	const processes = 4
	postgres := storeAddress{"postgresql", servers.PostgreSQL(t).DSN}
	redis := storeAddress{"redis", servers.Redis(t).Addr}
	mariadb := storeAddress{"mysql", servers.MariaDB(t).DSN}
	tests := []struct {
		name          string
		store, leaser storeAddress
		share         bool
		least, most   int // refreshes
	}{
		{"PostgreSQL", postgres, storeAddress{}, true, 1, 1},
		{"PostgreSQLAndRedis", postgres, redis, true, 1, 1},
		{"Redis", redis, storeAddress{}, true, 1, 1},
		{"MariaDB", mariadb, storeAddress{}, true, 1, 1},
		{"SQLite", storeAddress{"sqlite", filepath.Join(t.TempDir(), "grants.db")}, storeAddress{}, true, 1, 1},
		{"Dir", storeAddress{"dir", t.TempDir()}, storeAddress{}, true, 1, 1},
		{"PostgreSQLNotShared", postgres, storeAddress{}, false, 1, processes},
		{"RedisNotShared", redis, storeAddress{}, false, 1, processes},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, google, users := startGoogle(t, 1, exchangetest.Options{})
			store := test.store.mustOpen(t)
			google.signIn(t, server, store, users...)
			server.Script(exchangetest.TokenEndpoint, exchangetest.Fault{Delay: 200 * time.Millisecond, Times: -1})

			workers := startCluster(t, task{Do: "refresh", Store: test.store, Leaser: test.leaser, Google: google, Share: test.share, Users: users}, processes)
			for _, w := range workers {
				w.tell(t, "go")
			}
			distinct := make(map[string]bool)
			for _, w := range workers {
				got := w.result(t)[users[0]]
				if len(got.Errors) > 0 {
					t.Errorf("%d of %d callers fail, with %s", len(got.Errors), callers, got.Errors[0])
				}
				for _, token := range got.Tokens {
					distinct[token] = true
					if _, _, ok := server.CheckAccessToken(token); !ok {
						t.Error("a caller has got a token that is no good")
					}
				}
			}
			n := refreshes(server)
			if n < test.least || n > test.most || len(distinct) != n {
				t.Errorf("%d refreshes and %d different tokens, want %d to %d and as many", n, len(distinct), test.least, test.most)
			}
			if err := store.Delete(t.Context(), google.key(users[0]), tokenstore.AnyVersion); err != nil {
				t.Error(err) // the fakes of all tests have one client ID
			}
		})
	}
}

// TestLeaseHolderDies kills the process that refreshes while the others wait for
// it: they wait until its lease has expired, and no user is lost.
func TestLeaseHolderDies(t *testing.T) {
	t.Parallel()
	server, google, users := startGoogle(t, 1, exchangetest.Options{})
	address := storeAddress{"sqlite", filepath.Join(t.TempDir(), "grants.db")}
	google.signIn(t, server, address.mustOpen(t), users...)

	asked := make(chan struct{})
	server.Script(exchangetest.TokenEndpoint, exchangetest.Fault{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})})
	workers := startCluster(t, task{Do: "refresh", Store: address, Google: google, Share: true, Users: users}, 3)
	workers[0].tell(t, "go")
	<-asked
	for _, w := range workers[1:] {
		w.tell(t, "go")
	}
	workers[0].kill()
	for _, w := range workers[1:] {
		if got := w.result(t)[users[0]]; len(got.Errors) > 0 || len(got.Tokens) != 1 {
			t.Errorf("after the lease holder died: %d tokens, %d errors: %q", len(got.Tokens), len(got.Errors), got.Errors)
		}
	}
	if n := refreshes(server); n != 2 {
		t.Errorf("%d refreshes, want 2: the one that died, and that of one who waited for it", n)
	}
}
