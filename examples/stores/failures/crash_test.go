//go:build unix

package failures_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const (
	kills        = 80 // processes killed in each store
	writersAlive = 4  // at the same time
	usersWritten = 3  // by each process
)

// isDeletion tells what the n-th write of a user is.
func isDeletion(n int) bool { return n%7 == 0 }

func writtenToken(n int) string { return fmt.Sprintf("1//write-%d-%s", n, strings.Repeat("x", 400)) }

// writeUntilKilled writes its users' grants over and over, and says so after
// each write that the store has acknowledged: the user and the write's number.
func writeUntilKilled(what task, in *bufio.Reader) error {
	go func() {
		io.Copy(io.Discard, in) // until the test has ended
		os.Exit(1)
	}()
	ctx := context.Background()
	var store tokenstore.Store
	err := inTurn(func() (err error) {
		store, err = what.Store.open(ctx)
		return err
	})
	if err != nil {
		return err
	}
	versions := make(map[string]string)
	for n := 1; ; n++ {
		for _, user := range what.Users {
			key := tokenstore.Key{ClientID: "client", Subject: user}
			version := versions[user]
			err := inTurn(func() (err error) {
				if isDeletion(n) {
					versions[user], err = "", store.Delete(ctx, key, version)
				} else {
					versions[user], err = store.Save(ctx, key, tokenstore.Grant{RefreshToken: writtenToken(n), Version: version})
				}
				return err
			})
			if err != nil {
				return err
			}
			fmt.Println(user, n)
		}
	}
}

// inTurn calls f again where SQLite's busy_timeout has ended, on a very busy machine,
// before the others' writes did: nothing is written then.
func inTurn(f func() error) error {
	for {
		if err := f(); err == nil || !strings.Contains(err.Error(), "SQLITE_BUSY") {
			return err
		}
	}
}

// TestKill9 kills processes in the middle of their writes: the store opens, every
// acknowledged write is there, and of the one under way all or nothing.
func TestKill9(t *testing.T) {
	for kind, path := range map[string]string{
		"sqlite": filepath.Join(t.TempDir(), "grants.db"),
		"dir":    filepath.Join(t.TempDir(), "grants"),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			address := storeAddress{kind, path}
			address.mustOpen(t)
			for round := range kills / writersAlive {
				killRound(t, address, round)
			}
		})
	}
}

// killRound starts writers, kills each after it has acknowledged some writes,
// and compares what they said with what is kept.
func killRound(t *testing.T, address storeAddress, round int) {
	t.Helper()
	var workers []*worker
	for n := range writersAlive {
		var users []string
		for u := range usersWritten {
			users = append(users, fmt.Sprintf("user-%d-%d-%d", round, n, u))
		}
		workers = append(workers, startWorker(t, task{Do: "write", Store: address, Users: users}))
	}
	acknowledged := make(map[string]int)
	note := func(line string) {
		user, number, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("a writer says %q", line)
		}
		acknowledged[user] = n
	}
	for _, w := range workers {
		for range 1 + rand.IntN(15) {
			line := w.line()
			if line == "" {
				t.Fatal("a writer has ended by itself")
			}
			note(line)
		}
		w.kill()
	}
	for _, w := range workers {
		for line := w.line(); line != ""; line = w.line() { // said before it was killed
			note(line)
		}
		w.cmd.Wait()
	}

	store, err := address.open(t.Context())
	if err != nil {
		t.Fatalf("after %d processes were killed the store does not open: %v", (round+1)*writersAlive, err)
	}
	for user, n := range acknowledged {
		g, err := store.Load(t.Context(), tokenstore.Key{ClientID: "client", Subject: user})
		if err != nil && !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("Load of %s = %v", user, err)
		} else if !isAfter(g.RefreshToken, n) && !isAfter(g.RefreshToken, n+1) {
			t.Errorf("%s has acknowledged write %d, but %.20q is kept (%v)", user, n, g.RefreshToken, err)
		}
	}
}

// isAfter tells whether token is what is kept after the n-th write.
func isAfter(token string, n int) bool {
	if isDeletion(n) {
		return token == ""
	}
	return token == writtenToken(n)
}
