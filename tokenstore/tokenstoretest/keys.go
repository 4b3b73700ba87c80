package tokenstoretest

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// oddKeys are valid keys of different users. A store confuses them if it ignores
// case or trailing spaces, normalizes Unicode, cuts at a length, joins the parts
// without a separator, or uses them as file names, patterns or statements.
func oddKeys() []tokenstore.Key {
	subjects := []string{
		"a", "A", "b", "a ", " a", "a\u00a0", "a.", ".", "..", "../a", "..\\a", "a/b", "a%2Fb", "/", "~", "-", "--", "-a",
		"\u00e9", "e\u0301", "ß", "ss", "ſ", "i", "I", "İ", "ı", "😀", "\ufeffa", "\u202ea", "\uffff", "\U0010fffd",
		"'", "''", `"`, "`", "a'; DROP TABLE google_grants; --", "$1", "?", "%", "_", "a_", "a%", "*", "[a]", "{a}", "{a", "}",
		"\\", "\\0", "%00", "NUL", "con", "a:b", "a;b", "a,b", "a|b", "0", "00", "1e3", "1000", "null", "true",
		strings.Repeat("x", 254), strings.Repeat("x", 254) + "y", strings.Repeat("x", 254) + "z", strings.Repeat("é", 127),
	}
	keys := []tokenstore.Key{
		{ClientID: "ab", Subject: "c"}, {ClientID: "a", Subject: "bc"}, {ClientID: "c", Subject: "ab"}, {ClientID: "AB", Subject: "c"},
		{ClientID: "a/b", Subject: "c"}, {ClientID: "a", Subject: "b/c"}, {ClientID: "a:b", Subject: "c"}, {ClientID: "a", Subject: "b:c"},
		{ClientID: "a b", Subject: "c"}, {ClientID: "a", Subject: "b c"}, {ClientID: "a\u0301", Subject: "c"}, {ClientID: "á", Subject: "c"},
		{ClientID: "{a}", Subject: "{b}"}, {ClientID: "%", Subject: "%"}, {ClientID: strings.Repeat("c", 255), Subject: strings.Repeat("s", 255)},
	}
	for _, subject := range subjects {
		keys = append(keys, tokenstore.Key{ClientID: clientID, Subject: subject})
	}
	return keys
}

var keyCases = []testCase{
	{"KeysKeptApart", func(t *testing.T, s tokenstore.Store) {
		keys := oddKeys()
		var kept []tokenstore.Grant
		for i, key := range keys {
			kept = append(kept, save(t, s, key, grant("1//"+strconv.Itoa(i))))
		}
		for i, key := range keys {
			wantKept(t, s, key, kept[i])
		}
		for i, key := range keys {
			version := kept[i].Version
			if i%2 == 1 {
				version = tokenstore.AnyVersion
			}
			if err := s.Delete(t.Context(), key, version); err != nil {
				t.Errorf("Delete(%q) = %v", key, err)
			}
			wantNone(t, s, key)
			if i+1 < len(keys) {
				wantKept(t, s, keys[i+1], kept[i+1])
			}
		}
	}},
	{"KeysRefused", func(t *testing.T, s tokenstore.Store) {
		for _, wrong := range []string{"", strings.Repeat("x", 256), strings.Repeat("é", 128), "a\x00", "a\n", "\x7f", "\u0085", "\xff", "a\xc3"} {
			wantRefused(t, s, tokenstore.Key{ClientID: clientID, Subject: wrong}, tokenstore.ErrSubject)
			wantRefused(t, s, tokenstore.Key{ClientID: wrong, Subject: "a"}, nil)
		}
		if has[tokenstore.Lister](s) {
			if keys := list(t, s.(tokenstore.Lister), tokenstore.Key{}); len(keys) > 0 {
				t.Errorf("refused keys are listed: %q", keys)
			}
		}
	}},
}

// wantRefused checks that every method refuses key, with an error that wraps
// want if there is one.
func wantRefused(t *testing.T, s tokenstore.Store, key tokenstore.Key, want error) {
	t.Helper()
	_, loadErr := s.Load(t.Context(), key)
	_, saveErr := s.Save(t.Context(), key, grant("1//odd"))
	deleteErr := s.Delete(t.Context(), key, tokenstore.AnyVersion)
	errs := map[string]error{"Load": loadErr, "Save": saveErr, "Delete": deleteErr}
	if has[tokenstore.Leaser](s) {
		_, _, errs["Lease"] = s.(tokenstore.Leaser).Lease(t.Context(), key, "work", leaseTime)
	}
	for method, err := range errs {
		switch {
		case err == nil:
			t.Errorf("%s(%q) = nil, want an error", method, key)
		case want != nil:
			wantError(t, method+" of "+strconv.Quote(key.Subject), err, want)
		}
	}
	if errors.Is(loadErr, tokenstore.ErrNotFound) {
		t.Errorf("Load(%q) says that nothing is kept, want that the key is invalid", key)
	}
}
