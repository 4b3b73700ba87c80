//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package dirstore_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

// lock locks a subdirectory until the returned file is closed. To flock another
// handle of this process is the same as another process.
func lock(t *testing.T, shard string) *os.File {
	t.Helper()
	dir, err := os.Open(shard)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLockedElsewhere checks that Save waits for the lock of another process
// only as long as the caller's context allows.
func TestLockedElsewhere(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	save(t, s, jane, tokenstore.Grant{})
	held := lock(t, filepath.Dir(files(t, path)[0]))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for range 2 { // the first must not keep the second out
		if _, err := s.Save(ctx, jane, tokenstore.Grant{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Save in a locked directory = %v, want DeadlineExceeded", err)
		}
	}
	held.Close()
	if _, err := s.Save(t.Context(), jane, tokenstore.Grant{}); !errors.Is(err, tokenstore.ErrConflict) {
		t.Errorf("Save after the lock = %v, want ErrConflict", err)
	}
}

// TestOpenCleans checks that Open removes half-written files and expired leases,
// and nothing else.
func TestOpenCleans(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	var left []string
	for n := range 50 { // some in each subdirectory
		key := tokenstore.Key{ClientID: "client", Subject: strconv.Itoa(n)}
		save(t, s, key, tokenstore.Grant{RefreshToken: "1//token"})
		if _, _, err := s.Lease(t.Context(), key, "work", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	want := files(t, path)
	for _, name := range want {
		base := name[:len(name)-len("0.grant")] // also the length of "0.lease"
		switch filepath.Ext(name) {
		case ".grant": // of a user who has no grant yet
			left = append(left, base+"x.grant.new")
			write(t, base+"x.grant.new", []byte("1//token"))
		case ".lease": // expired in 1970
			left = append(left, base+"x.lease")
			write(t, base+"x.lease", []byte("\x00\x00\x00\x00\x00\x00\x00\x01owner"))
		}
	}
	foreign := filepath.Join(filepath.Dir(want[0]), "x.grant.new") // not a name that this package uses
	write(t, foreign, nil)
	want = append(want, foreign)
	slices.Sort(want)
	if got := files(t, path); len(left) != 100 || len(got) != len(want)+len(left) {
		t.Fatalf("there are %d files, want %d", len(got), len(want)+len(left))
	}
	open(t, path)
	if got := files(t, path); !slices.Equal(got, want) {
		t.Errorf("after Open there are %d files, want these %d: the grants, the leases that have not expired and the foreign file", len(got), len(want))
	}
}

// TestOpenWaitsForWriter checks that Open does not remove the half-written file
// of a living writer, who holds the lock.
func TestOpenWaitsForWriter(t *testing.T) {
	path := t.TempDir()
	save(t, open(t, path), jane, tokenstore.Grant{RefreshToken: "1//jane"})
	name := files(t, path)[0]
	writer := lock(t, filepath.Dir(name))
	write(t, name+".new", []byte("half"))
	opened := make(chan error)
	go func() {
		_, err := dirstore.Open(path)
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("Open does not wait for the writer: %v", err)
	case <-time.After(20 * time.Millisecond): // too short only lets a wrong Open pass
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Errorf("the writer's file is gone: %v", err)
	}
	writer.Close()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if got := files(t, path); !slices.Equal(got, []string{name}) {
		t.Errorf("there are %q, want what the writer wrote", got)
	}
}

// TestFailedWrite checks that Save reports a write that fails, as on a full
// disk, and that the old grant stays. The limit on the size of a file is the
// whole process's, so a child process has it.
func TestFailedWrite(t *testing.T) {
	if path := os.Getenv("DIRSTORE_TEST_FULL"); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 20, Max: 20}
		s := open(t, path)
		old, err := s.Load(t.Context(), jane)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		_, err = s.Save(t.Context(), jane, tokenstore.Grant{RefreshToken: "1//new", Version: old.Version})
		if !errors.Is(err, syscall.EFBIG) {
			t.Errorf("Save on a full disk = %v, want EFBIG", err)
		}
		return
	}
	path := t.TempDir()
	s := open(t, path)
	version := save(t, s, jane, tokenstore.Grant{RefreshToken: "1//old"})
	child := exec.Command(os.Args[0], "-test.run=^TestFailedWrite$")
	child.Env = append(os.Environ(), "DIRSTORE_TEST_FULL="+path)
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	g, err := s.Load(t.Context(), jane)
	if err != nil || g.RefreshToken != "1//old" || g.Version != version {
		t.Errorf("after the failed Save, Load = %v, %v", g, err)
	}
	if got := files(t, path); len(got) != 1 {
		t.Errorf("the failed Save leaves %q", got)
	}
}

// TestFailedRename checks that Save reports a rename that fails. To make one
// fail, a directory comes and goes in place of the file: where it comes between
// Save's look at the old version and the rename, the rename fails.
func TestFailedRename(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	save(t, s, jane, tokenstore.Grant{})
	name := files(t, path)[0]
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				os.Mkdir(name, 0o700)
				syscall.Rmdir(name) // unlike os.Remove it leaves a file alone
			}
		}
	}()
	defer func() { close(done); <-stopped }()
	for range 100_000 {
		_, err := s.Save(t.Context(), jane, tokenstore.Grant{})
		if err == nil {
			if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
				t.Fatalf("Save returned no error and there is no file: %v, %v", info, err)
			}
			if err := s.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, ok := errors.AsType[*os.LinkError](err); ok && strings.HasPrefix(err.Error(), "dirstore: saving a grant: rename ") {
			return
		}
		os.Remove(name) // the first grant
	}
	t.Error("no rename failed")
}
