//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package dirstore_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

// TestListsOthers checks that a file that cannot be read is reported and does
// not hide the others, and that a copied file is no second user.
func TestListsOthers(t *testing.T) {
	read := func(t *testing.T, name string) []byte {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	tests := map[string]struct {
		damage           func(t *testing.T, janes string)
		listed, reported bool
	}{
		"empty": {func(t *testing.T, janes string) { write(t, janes, nil) }, false, true},
		"a directory": {func(t *testing.T, janes string) {
			if err := errors.Join(os.Remove(janes), os.Mkdir(janes, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, false, true},
		"renamed": {func(t *testing.T, janes string) {
			if err := os.Rename(janes, filepath.Join(filepath.Dir(janes), "jane.grant")); err != nil {
				t.Fatal(err)
			}
		}, false, true},
		"copied": {func(t *testing.T, janes string) {
			write(t, strings.TrimSuffix(janes, ".grant")+" (copy).grant", read(t, janes))
		}, true, true},
		// Load reports a broken record.
		"broken record": {func(t *testing.T, janes string) { write(t, janes, append(read(t, janes), 0)) }, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, janes, want := storeOfThree(t)
			test.damage(t, janes)
			if test.listed {
				want = append(want, jane)
				slices.SortFunc(want, tokenstore.Key.Compare)
			}
			for name, keys := range map[string]iter.Seq2[tokenstore.Key, error]{
				"Keys": s.Keys(t.Context(), tokenstore.Key{}),
				"Find": s.Find(t.Context(), tokenstore.TokenHash("1//token")),
			} {
				var got []tokenstore.Key
				var last error
				for key, err := range keys {
					if last != nil {
						t.Errorf("%s goes on after the error %v", name, last)
					}
					if last = err; err == nil {
						got = append(got, key)
					}
				}
				if !slices.Equal(got, want) || (last != nil) != test.reported {
					t.Errorf("%s yields %q and the error %v, want %q and an error: %t", name, got, last, want, test.reported)
				}
			}
		})
	}
}

// storeOfThree returns a Store, the file of jane's grant, and its two other
// users. All have the token "1//token".
func storeOfThree(t *testing.T) (s *dirstore.Store, janes string, others []tokenstore.Key) {
	t.Helper()
	path := t.TempDir()
	s = open(t, path)
	save(t, s, jane, tokenstore.Grant{RefreshToken: "1//token"})
	janes = files(t, path)[0]
	others = []tokenstore.Key{{ClientID: "a", Subject: "before"}, {ClientID: "z", Subject: "after"}}
	for _, key := range others {
		save(t, s, key, tokenstore.Grant{RefreshToken: "1//token"})
	}
	return s, janes, others
}

// TestResealsOthers checks that one broken file does not keep the other grants
// under an old key.
func TestResealsOthers(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	first, second := make([]byte, 32), make([]byte, 32)
	first[0], second[0] = 1, 2
	sealed := func(primary []byte, old ...[]byte) *tokenstore.Sealed {
		keyring, err := tokenstore.NewKeyring(primary, old...)
		if err != nil {
			t.Fatal(err)
		}
		return &tokenstore.Sealed{Store: s, Sealer: keyring}
	}
	for _, key := range []tokenstore.Key{jane, {ClientID: "a", Subject: "before"}, {ClientID: "z", Subject: "after"}} {
		if _, err := sealed(first).Save(t.Context(), key, tokenstore.Grant{RefreshToken: "1//token"}); err != nil {
			t.Fatal(err)
		}
		if key == jane {
			write(t, files(t, path)[0], nil)
		}
	}
	n, err := sealed(second, first).Reseal(t.Context(), tokenstore.Key{}, nil)
	if n != 2 || !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Reseal = %d, %v; want 2 and ErrSealed", n, err)
	}
}

func TestListCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs []error
	for _, err := range open(t, t.TempDir()).Keys(ctx, tokenstore.Key{}) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("Keys yields %v, want Canceled", errs)
	}
}
