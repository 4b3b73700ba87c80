//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package tokenstore_test

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// TestDirListsTheRest checks that files that tell nothing do not hide the others,
// nor go unnoticed, and that a copied one makes no second user.
func TestDirListsTheRest(t *testing.T) {
	tests := map[string]func(t *testing.T, janes string){
		"empty": func(t *testing.T, janes string) { write(t, janes, nil) },
		"not to be read": func(t *testing.T, janes string) {
			if err := errors.Join(os.Remove(janes), os.Mkdir(janes, 0o700)); err != nil {
				t.Fatal(err)
			}
		},
		"renamed": func(t *testing.T, janes string) {
			if err := os.Rename(janes, filepath.Join(filepath.Dir(janes), "jane.grant")); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			d, janes, others := dirOfThree(t)
			damage(t, janes)
			wantListed(t, d, others, true)
		})
	}
	t.Run("copied", func(t *testing.T) {
		d, janes, others := dirOfThree(t)
		data, err := os.ReadFile(janes)
		if err != nil {
			t.Fatal(err)
		}
		write(t, strings.TrimSuffix(janes, ".grant")+" (copy).grant", data)
		wantListed(t, d, append(others, dirUser), true)
	})
	t.Run("broken record", func(t *testing.T) {
		d, janes, others := dirOfThree(t)
		data, err := os.ReadFile(janes)
		if err != nil {
			t.Fatal(err)
		}
		write(t, janes, append(data, 0))
		wantListed(t, d, append(others, dirUser), false) // Load says it
	})
}

// TestDirResealsTheRest checks that one broken file does not keep the tokens of
// the others in the clear.
func TestDirResealsTheRest(t *testing.T) {
	d, janes, others := dirOfThree(t)
	write(t, janes, nil)
	keyring, err := tokenstore.NewKeyring(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	sealed := &tokenstore.Sealed{Store: d, Sealer: keyring, AdoptPlaintext: true}
	n, err := sealed.Reseal(t.Context(), tokenstore.Key{}, nil)
	if n != len(others) || !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Reseal = %d, %v; want %d and ErrSealed", n, err, len(others))
	}
}

// dirOfThree returns a Dir, the file of dirUser's grant, and its other users.
func dirOfThree(t *testing.T) (d *tokenstore.Dir, janes string, others []tokenstore.Key) {
	t.Helper()
	path := t.TempDir()
	d = openDir(t, path)
	others = []tokenstore.Key{{ClientID: "a", Subject: "before"}, {ClientID: "z", Subject: "after"}}
	for n, key := range append([]tokenstore.Key{dirUser}, others...) {
		if _, err := d.Save(t.Context(), key, tokenstore.Grant{RefreshToken: "1//token"}); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			janes = files(t, path)[0]
		}
	}
	return d, janes, others
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantListed checks what Keys and Find yield of a Dir whose users all have one
// token.
func wantListed(t *testing.T, d *tokenstore.Dir, want []tokenstore.Key, failing bool) {
	t.Helper()
	slices.SortFunc(want, tokenstore.Key.Compare)
	for name, keys := range map[string]iter.Seq2[tokenstore.Key, error]{
		"Keys": d.Keys(t.Context(), tokenstore.Key{}),
		"Find": d.Find(t.Context(), tokenstore.TokenHash("1//token")),
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
		if !slices.Equal(got, want) || (last != nil) != failing {
			t.Errorf("%s yields %q and the error %v, want %q and an error: %t", name, got, last, want, failing)
		}
	}
}
