//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package tokenstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func openDir(t *testing.T, path string) *tokenstore.Dir {
	t.Helper()
	d, err := tokenstore.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDir(t *testing.T) {
	t.Parallel()
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		return openDir(t, filepath.Join(t.TempDir(), "grants"))
	})
}

func TestDirReopen(t *testing.T) {
	path := t.TempDir()
	tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return openDir(t, path) })
}

var dirUser = tokenstore.Key{ClientID: "client.apps.googleusercontent.com", Subject: "../../etc/passwd"}

// files lists the files in a folder and in those inside.
func files(t *testing.T, path string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(path, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDirModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "there", "yet")
	d := openDir(t, path)
	if _, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//jane"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Lease(t.Context(), dirUser, "work", time.Hour); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(path, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, want none for others", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDirModesOfBefore is a folder that others may use, and a file that was left
// there for them: what is kept there from now on is its owner's.
func TestDirModesOfBefore(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	version, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//former"})
	if err != nil {
		t.Fatal(err)
	}
	name := files(t, path)[0]
	if err := os.WriteFile(name+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{
		path: 0o777, filepath.Dir(name): 0o775, name: 0o644, name + ".new": 0o644,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}

	d = openDir(t, path)
	if _, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//jane", Version: version}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{
		path: 0o755, filepath.Dir(name): 0o700, name: 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
}

func TestDirSticky(t *testing.T) {
	path := t.TempDir()
	want := os.ModeDir | os.ModeSticky | 0o777
	if err := os.Chmod(path, want); err != nil {
		t.Fatal(err)
	}
	openDir(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != want {
		t.Errorf("the mode is %v, %v; want %v", info.Mode(), err, want)
	}
}

// TestDirTempLink checks that a Save does not follow a link in its way.
func TestDirTempLink(t *testing.T) {
	path, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	d := openDir(t, path)
	version, err := d.Save(t.Context(), dirUser, tokenstore.Grant{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, files(t, path)[0]+".new"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//jane", Version: version}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(elsewhere); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file that the link names: %v, want none", err)
	}
	if g, err := d.Load(t.Context(), dirUser); err != nil || g.RefreshToken != "1//jane" {
		t.Errorf("Load = %v, %v", g, err)
	}
}

func TestDirLeavesNothing(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	version, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//jane"})
	if err != nil {
		t.Fatal(err)
	}
	name := files(t, path)[0]
	// What a process that was killed in the middle of a Save leaves.
	if err := os.WriteFile(name+".new", []byte("1//jane"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), dirUser, version); err != nil {
		t.Fatal(err)
	}
	if left := files(t, path); len(left) > 0 {
		t.Errorf("after Delete there are %q", left)
	}
}

// TestDirTidies checks that OpenDir removes what processes have left that died,
// and nothing else.
func TestDirTidies(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	ctx := t.Context()
	for n := range 50 { // some in each folder
		key := tokenstore.Key{ClientID: "client", Subject: strconv.Itoa(n)}
		if _, err := d.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//token"}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.Lease(ctx, key, "work", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	want := files(t, path)
	for n := range 50 {
		key := tokenstore.Key{ClientID: "client", Subject: strconv.Itoa(n)}
		if _, _, err := d.Lease(ctx, key, "expired", time.Nanosecond); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range want {
		if strings.HasSuffix(name, ".grant") { // one that was killed in the middle of a Save, of a user who has no grant yet
			write(t, name[:len(name)-len("0.grant")]+"x.grant.new", []byte("1//token"))
		}
	}
	if left := len(files(t, path)); left != len(want)+100 {
		t.Fatalf("there are %d files, want %d", left, len(want)+100)
	}
	openDir(t, path)
	if got := files(t, path); !slices.Equal(got, want) {
		t.Errorf("after OpenDir there are %d files, want these %d: the grants and the leases that have not expired", len(got), len(want))
	}
}

// TestDirTidiesNoWriter checks that OpenDir takes no file from a writer who holds
// the lock.
func TestDirTidiesNoWriter(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	if _, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//jane"}); err != nil {
		t.Fatal(err)
	}
	name := files(t, path)[0]
	writer := lockFolder(t, filepath.Dir(name))
	write(t, name+".new", []byte("half"))
	opened := make(chan error)
	go func() {
		_, err := tokenstore.OpenDir(path)
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("OpenDir does not wait for the writer: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Errorf("the writer's file is gone: %v", err)
	}
	writer.Close()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if got := files(t, path); len(got) != 1 || got[0] != name {
		t.Errorf("there are %q, want what the writer wrote", got)
	}
}

// TestDirLink checks that OpenDir leaves alone what another user's link in a
// shared folder leads to.
func TestDirLink(t *testing.T) {
	shared, home := t.TempDir(), t.TempDir()
	for path, mode := range map[string]os.FileMode{shared: 0o777 | os.ModeSticky, home: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(home, filepath.Join(shared, "0")); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenstore.OpenDir(shared); err == nil {
		t.Error("OpenDir follows a link")
	}
	if info, err := os.Stat(home); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("where the link leads, the mode is %v, %v", info.Mode(), err)
	}
	if err := os.Remove(filepath.Join(shared, "0")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(home, "grants") // the folder itself may be one: the caller names it
	if err := os.Symlink(shared, link); err != nil {
		t.Fatal(err)
	}
	openDir(t, link)
}

// TestDirBrokenFile checks that a file that cannot be read is never taken for an
// absent grant, and is not written over unless it tells its version.
func TestDirBrokenFile(t *testing.T) {
	tests := map[string]struct {
		damage      func([]byte) []byte
		replaceable bool
	}{
		"empty":         {func([]byte) []byte { return nil }, false},
		"other format":  {func(b []byte) []byte { b[0] = 9; return b }, false},
		"cut in a key":  {func(b []byte) []byte { return b[:20] }, false},
		"cut at end":    {func(b []byte) []byte { return b[:len(b)-1] }, false},
		"more at end":   {func(b []byte) []byte { return append(b, 0) }, true},
		"record broken": {func(b []byte) []byte { b[len(b)-len("1//jane")-3] ^= 0x40; return b }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			d := openDir(t, path)
			version, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//jane"})
			if err != nil {
				t.Fatal(err)
			}
			file := files(t, path)[0]
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, test.damage(data), 0o600); err != nil {
				t.Fatal(err)
			}

			g, err := d.Load(t.Context(), dirUser)
			if !errors.Is(err, tokenstore.ErrSealed) || strings.Contains(err.Error(), "jane") {
				t.Errorf("Load = %v, want ErrSealed", err)
			}
			if (g.Version == version) != test.replaceable {
				t.Errorf("Load returns version %q of %q", g.Version, version)
			}
			if _, err := d.Save(t.Context(), dirUser, tokenstore.Grant{}); err == nil {
				t.Error("Save creates over a file that is there")
			}
			_, err = d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//new", Version: version})
			if (err == nil) != test.replaceable {
				t.Errorf("Save over the version before the damage = %v", err)
			}
			if err := d.Delete(t.Context(), dirUser, tokenstore.AnyVersion); err != nil {
				t.Errorf("Delete = %v", err)
			}
		})
	}
}

func TestDirNotOpened(t *testing.T) {
	var d tokenstore.Dir
	ctx := t.Context()
	_, loadErr := d.Load(ctx, dirUser)
	_, saveErr := d.Save(ctx, dirUser, tokenstore.Grant{})
	_, _, leaseErr := d.Lease(ctx, dirUser, "work", time.Hour)
	errs := []error{loadErr, saveErr, d.Delete(ctx, dirUser, tokenstore.AnyVersion), leaseErr}
	for _, err := range d.Keys(ctx, tokenstore.Key{}) {
		errs = append(errs, err)
	}
	if len(errs) != 5 {
		t.Errorf("Keys yields nothing, want an error")
	}
	for i, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "OpenDir") {
			t.Errorf("%d: error %v, want one that says how to make a Dir", i, err)
		}
	}
}

func TestOpenDirFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Join(path, "below")} {
		if _, err := tokenstore.OpenDir(path); err == nil {
			t.Errorf("OpenDir(%q), where there is a file, = nil", path)
		}
	}
}

// TestDirForeignFile checks that a grant does not become another user's by
// renaming its file.
func TestDirForeignFile(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	if _, err := d.Save(t.Context(), dirUser, tokenstore.Grant{RefreshToken: "1//jane"}); err != nil {
		t.Fatal(err)
	}
	janes := files(t, path)[0]
	other := tokenstore.Key{ClientID: dirUser.ClientID, Subject: "other"}
	version, err := d.Save(t.Context(), other, tokenstore.Grant{RefreshToken: "1//other"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, path) {
		if name != janes {
			if err := os.Rename(janes, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if g, err := d.Load(t.Context(), other); !errors.Is(err, tokenstore.ErrSealed) || g.RefreshToken != "" || g.Version == version {
		t.Errorf("Load of a file that is another user's = %v, %v", g, err)
	}
}

// TestDirLockWait checks that a lock that another process holds is waited for
// only as long as the caller's context allows. flock does not care whether it
// is another process or another handle.
func TestDirLockWait(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	unlock := lockFolders(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for range 2 { // the second waits behind nobody
		if _, err := d.Save(ctx, dirUser, tokenstore.Grant{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Save in a locked folder = %v, want DeadlineExceeded", err)
		}
	}
	unlock()
	if _, err := d.Save(t.Context(), dirUser, tokenstore.Grant{}); err != nil {
		t.Errorf("Save after the lock = %v", err)
	}
}

// lockFolders locks all folders as another process would.
func lockFolders(t *testing.T, path string) (unlock func()) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(path, "?"))
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	var open []*os.File
	for _, name := range folders {
		open = append(open, lockFolder(t, name))
	}
	return func() {
		for _, folder := range open {
			folder.Close()
		}
	}
}

// lockFolder locks one folder until it is closed.
func lockFolder(t *testing.T, name string) *os.File {
	t.Helper()
	folder, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	return folder
}
