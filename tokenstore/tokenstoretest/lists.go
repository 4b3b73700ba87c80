package tokenstoretest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// list returns the keys that Keys yields. An error ends the test.
func list(t *testing.T, s tokenstore.Lister, after tokenstore.Key) []tokenstore.Key {
	t.Helper()
	var keys []tokenstore.Key
	for key, err := range s.Keys(t.Context(), after) {
		if err != nil {
			t.Fatalf("Keys after %q = %v", after, err)
		}
		keys = append(keys, key)
	}
	return keys
}

// manyUsers is more than most stores list on one page.
const manyUsers = 250

// fill saves a grant for manyUsers users and returns their keys in order.
func fill(t *testing.T, s tokenstore.Store) []tokenstore.Key {
	t.Helper()
	keys := make([]tokenstore.Key, manyUsers)
	for i := range keys {
		keys[i] = tokenstore.Key{ClientID: clientID, Subject: fmt.Sprintf("user-%04d", i)}
	}
	race(func(w int) {
		for i := w; i < len(keys); i += writers {
			if _, err := s.Save(t.Context(), keys[i], grant("1//many")); err != nil {
				t.Error(err)
			}
		}
	})
	return keys
}

var listCases = []testCase{
	{"List", func(t *testing.T, s tokenstore.Store) {
		lister := s.(tokenstore.Lister)
		if keys := list(t, lister, tokenstore.Key{}); len(keys) > 0 {
			t.Errorf("an empty store lists %q", keys)
		}
		keys := oddKeys()
		for _, key := range keys {
			save(t, s, key, grant("1//odd"))
		}
		slices.SortFunc(keys, tokenstore.Key.Compare)
		wantKeys(t, list(t, lister, tokenstore.Key{}), keys)
	}},
	{"ListAfter", func(t *testing.T, s tokenstore.Store) {
		lister := s.(tokenstore.Lister)
		keys := []tokenstore.Key{{ClientID: "a", Subject: "1"}, {ClientID: "a", Subject: "2"}, {ClientID: "b", Subject: "1"}, {ClientID: "b", Subject: "10"}}
		for _, key := range keys {
			save(t, s, key, grant("1//after"))
		}
		for i, key := range keys {
			wantKeys(t, list(t, lister, key), keys[i+1:])
		}
		wantKeys(t, list(t, lister, tokenstore.Key{ClientID: "a", Subject: "11"}), keys[1:]) // a missing key
		wantKeys(t, list(t, lister, tokenstore.Key{ClientID: "aa"}), keys[2:])
		wantKeys(t, list(t, lister, tokenstore.Key{ClientID: "c"}), nil)
	}},
	{"ListAfterNoKey", func(t *testing.T, s tokenstore.Store) {
		keys := []tokenstore.Key{{ClientID: "a", Subject: "b"}, {ClientID: "a", Subject: "zz"}, {ClientID: "b", Subject: "c"}}
		for _, key := range keys {
			save(t, s, key, grant("1//after"))
		}
		long := strings.Repeat("z", 300)
		for _, odd := range []string{"", "\x00", "\x01", "\x00z", "b\x00", "b\x00z", "\xff", "b\xff", "b\xc3", "\xc3(", "\x7f", "\ufffd", long, "b" + long} {
			for _, after := range []tokenstore.Key{{ClientID: "a", Subject: odd}, {ClientID: odd, Subject: "b"}, {ClientID: "a" + odd}, {ClientID: odd, Subject: odd}} {
				first := slices.IndexFunc(keys, func(key tokenstore.Key) bool { return key.Compare(after) > 0 })
				var want []tokenstore.Key
				if first >= 0 {
					want = keys[first:]
				}
				if got := list(t, s.(tokenstore.Lister), after); !slices.Equal(got, want) {
					t.Errorf("Keys after %q yields %q, want %q", after, got, want)
				}
			}
		}
	}},
	{"ListPages", func(t *testing.T, s tokenstore.Store) {
		lister := s.(tokenstore.Lister)
		keys := fill(t, s)
		wantKeys(t, list(t, lister, tokenstore.Key{}), keys)
		wantKeys(t, list(t, lister, keys[manyUsers/2]), keys[manyUsers/2+1:])
		for key, err := range lister.Keys(t.Context(), tokenstore.Key{}) { // a caller may stop
			if err != nil || key != keys[0] {
				t.Errorf("the first key is %q, %v; want %q", key, err, keys[0])
			}
			break
		}
	}},
	{"ListDeleted", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, grant("1//jane"))
		save(t, s, john, grant("1//john"))
		if err := s.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, list(t, s.(tokenstore.Lister), tokenstore.Key{}), []tokenstore.Key{john})
	}},
	{"ListAfterConflict", func(t *testing.T, s tokenstore.Store) {
		conflicts(t, s)
		wantKeys(t, list(t, s.(tokenstore.Lister), tokenstore.Key{}), []tokenstore.Key{jane})
	}},
	{"ListDuringWrites", func(t *testing.T, s tokenstore.Store) {
		keys := fill(t, s)
		stays := func(i int) bool { return i%2 == 0 }
		n := 0
		change := func() { // between two keys
			i := (n*37 + 101) % manyUsers
			if n++; stays(i) {
				g, err := s.Load(t.Context(), keys[i])
				if err != nil {
					t.Fatalf("Load during a listing = %v", err)
				}
				save(t, s, keys[i], g)
			} else if err := s.Delete(t.Context(), keys[i], tokenstore.AnyVersion); err != nil {
				t.Fatalf("Delete during a listing = %v", err)
			}
			save(t, s, tokenstore.Key{ClientID: clientID, Subject: fmt.Sprintf("user-%04d-new", i)}, grant("1//new"))
		}
		var last tokenstore.Key
		seen := make(map[tokenstore.Key]bool)
		for key, err := range s.(tokenstore.Lister).Keys(t.Context(), tokenstore.Key{}) {
			if err != nil {
				t.Fatalf("Keys during writes = %v", err)
			}
			if key.Compare(last) <= 0 {
				t.Fatalf("Keys yields %q after %q", key, last)
			}
			last, seen[key] = key, true
			if n < manyUsers/2 {
				change()
			}
		}
		for i, key := range keys {
			if stays(i) && !seen[key] {
				t.Errorf("Keys during writes left out %q, which was there throughout", key)
			}
		}
	}},
	{"ListCanceled", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, grant("1//jane"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var last error
		for key, err := range s.(tokenstore.Lister).Keys(ctx, tokenstore.Key{}) {
			if last != nil {
				t.Errorf("Keys goes on after its error, with %q", key)
			}
			if last = err; err == nil {
				t.Errorf("Keys with a canceled context yields %q", key)
			}
		}
		wantError(t, "Keys with a canceled context", last, context.Canceled)
	}},
	{"ListCanceledMidway", func(t *testing.T, s tokenstore.Store) {
		keys := fill(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		for _, err := range s.(tokenstore.Lister).Keys(ctx, tokenstore.Key{}) {
			if err != nil {
				wantError(t, "Keys with a context that ends midway", err, context.Canceled)
				return
			}
			if n++; n == 3 {
				cancel()
			}
		}
		if n < len(keys) { // a store may have read all before
			t.Errorf("Keys with a context that ends midway yields %d of %d keys and no error", n, len(keys))
		}
	}},
}

func wantKeys(t *testing.T, got, want []tokenstore.Key) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%d keys, want %d; they differ at number %d:\n\t%q\nwant\n\t%q",
				len(got), len(want), i, got[i:min(i+3, len(got))], want[i:min(i+3, len(want))])
			return
		}
	}
}

// wantFound checks which keys Find yields for a hash.
func wantFound(t *testing.T, s tokenstore.Store, what, hash string, want ...tokenstore.Key) {
	t.Helper()
	var got []tokenstore.Key
	for key, err := range s.(tokenstore.Finder).Find(t.Context(), hash) {
		if err != nil {
			t.Fatalf("Find by %s = %v", what, err)
		}
		got = append(got, key)
	}
	slices.SortFunc(got, tokenstore.Key.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("Find by %s yields %q, want %q", what, got, want)
	}
}

const (
	janesToken = "1//03-jane-0000000000-first"
	nextToken  = "1//03-next-0000000000-second"
)

var findCases = []testCase{
	{"Find", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, grant(janesToken))
		save(t, s, john, grant("1//03-john-0000000000"))
		wantFound(t, s, "the token's hash", tokenstore.TokenHash(janesToken), jane)
		wantFound(t, s, "the hash of its first 16 bytes", tokenstore.TokenHash(janesToken[:16]), jane)
		wantFound(t, s, "the hash of another token", tokenstore.TokenHash(nextToken))
		wantFound(t, s, "an empty hash", "")
		wantFound(t, s, "the token itself", janesToken)
		wantFound(t, s, "a pattern", "%")
		wantFound(t, s, "what is not UTF-8", "\xff")
		wantFound(t, s, "a NUL", "\x00")
		wantFound(t, s, "the token's hash and a NUL", tokenstore.TokenHash(janesToken)+"\x00")
	}},
	{"FindSeveral", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, grant(janesToken))
		save(t, s, john, grant(janesToken+"-john"))
		wantFound(t, s, "a shared prefix", tokenstore.TokenHash(janesToken[:16]), jane, john)
		wantFound(t, s, "one token", tokenstore.TokenHash(janesToken+"-john"), john)
	}},
	{"FindReplaced", func(t *testing.T, s tokenstore.Store) {
		g := save(t, s, jane, grant(janesToken))
		g.RefreshToken = nextToken
		g = save(t, s, jane, g)
		wantFound(t, s, "a former token", tokenstore.TokenHash(janesToken))
		wantFound(t, s, "a former prefix", tokenstore.TokenHash(janesToken[:16]))
		wantFound(t, s, "the new token", tokenstore.TokenHash(nextToken), jane)
		g.State = tokenstore.NeedsConsent
		save(t, s, jane, g)
		wantFound(t, s, "the token of a changed grant", tokenstore.TokenHash(nextToken), jane)
	}},
	{"FindDeleted", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, grant(janesToken))
		if err := s.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
			t.Fatal(err)
		}
		wantFound(t, s, "a deleted token", tokenstore.TokenHash(janesToken))
		wantFound(t, s, "a deleted prefix", tokenstore.TokenHash(janesToken[:16]))
	}},
	{"FindAfterConflict", func(t *testing.T, s tokenstore.Store) {
		conflicts(t, s)
		wantFound(t, s, "the token of a refused Save", tokenstore.TokenHash(nextToken))
		wantFound(t, s, "the prefix of a refused Save", tokenstore.TokenHash(nextToken[:16]))
		wantFound(t, s, "the token that stays", tokenstore.TokenHash(janesToken), jane)
		wantFound(t, s, "the prefix that stays", tokenstore.TokenHash(janesToken[:16]), jane)
	}},
	{"FindSealed", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, sealedGrant(t, janesToken))
		wantFound(t, s, "the hash of a sealed token", tokenstore.TokenHash(janesToken), jane)
		wantFound(t, s, "the hash of its first 16 bytes", tokenstore.TokenHash(janesToken[:16]), jane)
	}},
	{"FindNoToken", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, tokenstore.Grant{})
		wantFound(t, s, "the hash of no token", tokenstore.TokenHash(""))
		wantFound(t, s, "an empty hash", "")
	}},
	{"FindCanceled", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, grant(janesToken))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var last error
		for _, err := range s.(tokenstore.Finder).Find(ctx, tokenstore.TokenHash(janesToken)) {
			last = err
		}
		wantError(t, "Find with a canceled context", last, context.Canceled)
	}},
}
