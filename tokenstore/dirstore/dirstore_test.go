//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package dirstore_test

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func open(t *testing.T, path string) *dirstore.Store {
	t.Helper()
	s, err := dirstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		return open(t, filepath.Join(t.TempDir(), "grants"))
	})
}

func TestReopen(t *testing.T) {
	path := t.TempDir()
	tokenstoretest.Reopen(t, func(t *testing.T) tokenstore.Store { return open(t, path) })
}

// jane has a subject that must not become a path.
var jane = tokenstore.Key{ClientID: "client.apps.googleusercontent.com", Subject: "../../etc/passwd"}

func save(t *testing.T, s *dirstore.Store, key tokenstore.Key, g tokenstore.Grant) (version string) {
	t.Helper()
	version, err := s.Save(t.Context(), key, g)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// files returns the paths of all files below path.
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

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The file of a grant, byte for byte: ClientID, Subject, Version and the record,
// each after its length. Its name is
//
//	printf '\x27407408718192.apps.googleusercontent.com\x15108365719284610937465' | sha256sum
const (
	pinnedName    = "a/a854c3b9f4929e4c8a8141bda0d99337230261eee4acfe690b169c3627d9d469.grant"
	pinnedVersion = "XB7R65U43UAGHCNFBO37F3AYJU"
	pinnedFile    = "01" +
		"27" + "3430373430383731383139322e617070732e676f6f676c6575736572636f6e74656e742e636f6d" +
		"15" + "313038333635373139323834363130393337343635" +
		"1a" + "58423752363555343355414748434e46424f3337463341594a55"
)

var (
	pinnedKey   = tokenstore.Key{ClientID: "407408718192.apps.googleusercontent.com", Subject: "108365719284610937465"}
	pinnedGrant = tokenstore.Grant{RefreshToken: "1//refresh-of-jane", Scopes: []string{"openid"}}
)

func TestFileIsPinned(t *testing.T) {
	record, err := pinnedGrant.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if len(record) > 0x7f {
		t.Fatal("the length of the record is more than one byte")
	}
	content, err := hex.DecodeString(pinnedFile)
	if err != nil {
		t.Fatal(err)
	}
	content = append(append(content, byte(len(record))), record...)
	path := t.TempDir()
	file := filepath.Join(path, filepath.FromSlash(pinnedName))
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, file, content)

	s := open(t, path)
	got, err := s.Load(t.Context(), pinnedKey)
	if err != nil || got.Version != pinnedVersion || got.RefreshToken != pinnedGrant.RefreshToken || !slices.Equal(got.Scopes, pinnedGrant.Scopes) {
		t.Errorf("Load = %v, version %q, %v", got, got.Version, err)
	}
	version := save(t, s, pinnedKey, got)
	if got := files(t, path); !slices.Equal(got, []string{file}) {
		t.Errorf("after Save there are %q, want the same file", got)
	}
	want := strings.Replace(string(content), pinnedVersion, version, 1)
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("Save wrote %q, %v; want %q", got, err, want)
	}
}

// TestBrokenFile checks that a file that cannot be read never counts as an
// absent grant, and is replaced only if its version can be read.
func TestBrokenFile(t *testing.T) {
	tests := map[string]struct {
		damage      func([]byte) []byte
		replaceable bool
	}{
		"empty":          {func([]byte) []byte { return nil }, false},
		"another format": {func(b []byte) []byte { b[0] = 9; return b }, false},
		"cut in a key":   {func(b []byte) []byte { return b[:20] }, false},
		"cut in a size":  {func(b []byte) []byte { b[1] = 0xff; return b[:2] }, false},
		"too long":       {func(b []byte) []byte { return append(b[:1], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"...) }, false},
		"cut at the end": {func(b []byte) []byte { return b[:len(b)-1] }, false},
		"longer":         {func(b []byte) []byte { return append(b, 0) }, true},
		"broken record":  {func(b []byte) []byte { b[len(b)-len("1//jane")-3] ^= 0x40; return b }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			s := open(t, path)
			version := save(t, s, jane, tokenstore.Grant{RefreshToken: "1//jane"})
			file := files(t, path)[0]
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			write(t, file, test.damage(data))

			g, err := s.Load(t.Context(), jane)
			if !errors.Is(err, tokenstore.ErrSealed) || strings.Contains(err.Error(), "jane") {
				t.Errorf("Load = %v, want ErrSealed", err)
			}
			if (g.Version == version) != test.replaceable {
				t.Errorf("Load returns version %q of %q", g.Version, version)
			}
			if _, err := s.Save(t.Context(), jane, tokenstore.Grant{}); err == nil {
				t.Error("Save creates over an existing file")
			}
			_, err = s.Save(t.Context(), jane, tokenstore.Grant{RefreshToken: "1//new", Version: version})
			if (err == nil) != test.replaceable {
				t.Errorf("Save over the version before the damage = %v", err)
			}
			if err := s.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
				t.Errorf("Delete = %v", err)
			}
		})
	}
}

// TestRenamedFile checks that a renamed file does not give a user the grant of
// another one.
func TestRenamedFile(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	save(t, s, jane, tokenstore.Grant{RefreshToken: "1//jane"})
	janes := files(t, path)[0]
	other := tokenstore.Key{ClientID: jane.ClientID, Subject: "other"}
	version := save(t, s, other, tokenstore.Grant{RefreshToken: "1//other"})
	for _, name := range files(t, path) {
		if name != janes {
			if err := os.Rename(janes, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if g, err := s.Load(t.Context(), other); !errors.Is(err, tokenstore.ErrSealed) || g.RefreshToken != "" || g.Version == version {
		t.Errorf("Load of a file that is another user's = %v, %v", g, err)
	}
}

// A volume that is not mounted has none of the users, which does not make them new.
func TestDirectoryAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	store, err := dirstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	for _, there := range []bool{false, true} {
		if there {
			if err := os.Mkdir(path, 0o700); err != nil { // where it would be
				t.Fatal(err)
			}
		}
		if _, err := store.Load(t.Context(), jane); err == nil || errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("Load = %v, want another error than ErrNotFound", err)
		}
		if _, err := store.Save(t.Context(), jane, tokenstore.Grant{}); err == nil {
			t.Error("Save has succeeded")
		}
		if err := store.Delete(t.Context(), jane, tokenstore.AnyVersion); err == nil {
			t.Error("Delete has succeeded")
		}
	}
}

func TestNotOpened(t *testing.T) {
	var s dirstore.Store
	ctx := t.Context()
	_, loadErr := s.Load(ctx, jane)
	_, saveErr := s.Save(ctx, jane, tokenstore.Grant{})
	_, _, leaseErr := s.Lease(ctx, jane, "work", time.Hour)
	errs := []error{loadErr, saveErr, s.Delete(ctx, jane, tokenstore.AnyVersion), leaseErr}
	for _, err := range s.Keys(ctx, tokenstore.Key{}) {
		errs = append(errs, err)
	}
	for _, err := range s.Find(ctx, "hash") {
		errs = append(errs, err)
	}
	if len(errs) != 6 {
		t.Error("Keys or Find yields nothing, want an error")
	}
	for i, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "Open") {
			t.Errorf("%d: error %v, want one that says to call Open", i, err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, nil)
	for _, path := range []string{path, filepath.Join(path, "below")} {
		if _, err := dirstore.Open(path); err == nil || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Open(%q), where there is a file, = %v", path, err)
		}
	}
}

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "there", "yet")
	s := open(t, path)
	save(t, s, jane, tokenstore.Grant{RefreshToken: "1//jane"})
	if _, _, err := s.Lease(t.Context(), jane, "work", time.Hour); err != nil {
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

// TestModesOfExisting checks that Open takes permissions away from others in an
// existing directory, and that a half-written file that others can read does not
// become the grant.
func TestModesOfExisting(t *testing.T) {
	path := t.TempDir()
	version := save(t, open(t, path), jane, tokenstore.Grant{RefreshToken: "1//former"})
	name := files(t, path)[0]
	write(t, name+".new", nil)
	for path, mode := range map[string]os.FileMode{
		path: 0o777, filepath.Dir(name): 0o775, name: 0o644, name + ".new": 0o644,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}

	save(t, open(t, path), jane, tokenstore.Grant{RefreshToken: "1//jane", Version: version})
	for path, want := range map[string]os.FileMode{
		path: 0o755, filepath.Dir(name): 0o700, name: 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
}

func TestStickyDirectory(t *testing.T) {
	path := t.TempDir()
	want := os.ModeDir | os.ModeSticky | 0o777
	if err := os.Chmod(path, want); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != want {
		t.Errorf("the mode is %v, %v; want %v", info.Mode(), err, want)
	}
}

// TestLinkedShard checks that Open changes no directory that another user's link
// in a shared directory leads to.
func TestLinkedShard(t *testing.T) {
	shared, home := t.TempDir(), t.TempDir()
	for path, mode := range map[string]os.FileMode{shared: 0o777 | os.ModeSticky, home: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(home, filepath.Join(shared, "0")); err != nil {
		t.Fatal(err)
	}
	if _, err := dirstore.Open(shared); err == nil {
		t.Error("Open follows a link")
	}
	if info, err := os.Stat(home); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("where the link leads, the mode is %v, %v", info.Mode(), err)
	}
	if err := os.Remove(filepath.Join(shared, "0")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(home, "grants") // the caller may name a link
	if err := os.Symlink(shared, link); err != nil {
		t.Fatal(err)
	}
	open(t, link)
}

// TestLinkedTemp checks that Save does not write through a link.
func TestLinkedTemp(t *testing.T) {
	path, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	s := open(t, path)
	version := save(t, s, jane, tokenstore.Grant{})
	if err := os.Symlink(elsewhere, files(t, path)[0]+".new"); err != nil {
		t.Fatal(err)
	}
	save(t, s, jane, tokenstore.Grant{RefreshToken: "1//jane", Version: version})
	if _, err := os.Stat(elsewhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file that the link names: %v, want none", err)
	}
	if g, err := s.Load(t.Context(), jane); err != nil || g.RefreshToken != "1//jane" {
		t.Errorf("Load = %v, %v", g, err)
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	version := save(t, s, jane, tokenstore.Grant{RefreshToken: "1//jane"})
	write(t, files(t, path)[0]+".new", []byte("1//jane")) // left by a process that was killed during Save
	if err := s.Delete(t.Context(), jane, version); err != nil {
		t.Fatal(err)
	}
	if left := files(t, path); len(left) > 0 {
		t.Errorf("after Delete there are %q", left)
	}
}
