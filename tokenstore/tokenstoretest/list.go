package tokenstoretest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// list returns what Keys yields, which must be without an error.
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

// manyUsers is more than a page of most stores.
const manyUsers = 250

// fill keeps a grant for manyUsers users and returns their keys in order.
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
		wantKeys(t, list(t, lister, tokenstore.Key{ClientID: "a", Subject: "11"}), keys[1:]) // where none is
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
		change := func() { // what is done while Keys is at work
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
		if n < len(keys) { // some have read all by then
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
