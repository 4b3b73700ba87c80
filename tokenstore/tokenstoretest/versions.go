package tokenstoretest

import (
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var versionCases = []testCase{
	{"VersionChanges", func(t *testing.T, s tokenstore.Store) {
		kept := save(t, s, jane, grant("1//jane"))
		again := save(t, s, jane, kept) // nothing else changes
		if again.Version == kept.Version {
			t.Errorf("two writes of the same grant have one version %q", kept.Version)
		}
		wantKept(t, s, jane, again)
	}},
	{"VersionsNeverReturn", func(t *testing.T, s tokenstore.Store) {
		seen := make(map[string]bool)
		for range 10 {
			created := save(t, s, jane, grant("1//jane"))
			replaced := save(t, s, jane, created)
			for _, version := range []string{created.Version, replaced.Version} {
				if seen[version] {
					t.Fatalf("version %q has come a second time, after a Delete", version)
				}
				seen[version] = true
			}
			if err := s.Delete(t.Context(), jane, replaced.Version); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"FormerLife", func(t *testing.T, s tokenstore.Store) {
		former := save(t, s, jane, grant("1//former"))
		if err := s.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
			t.Fatal(err)
		}
		kept := save(t, s, jane, grant("1//new"))
		_, err := s.Save(t.Context(), jane, former)
		wantError(t, "Save over a grant that was deleted and created again", err, tokenstore.ErrConflict)
		err = s.Delete(t.Context(), jane, former.Version)
		wantError(t, "Delete of a grant that was created again", err, tokenstore.ErrConflict)
		wantKept(t, s, jane, kept)
	}},
	{"VersionIsNotAPattern", func(t *testing.T, s tokenstore.Store) {
		kept := save(t, s, jane, grant("1//jane"))
		for _, version := range []string{"%", "_", "?", "' OR '1'='1", kept.Version + " ", " " + kept.Version, kept.Version[:len(kept.Version)-1]} {
			err := s.Delete(t.Context(), jane, version)
			wantError(t, "Delete of version "+version, err, tokenstore.ErrConflict)
			_, err = s.Save(t.Context(), jane, tokenstore.Grant{RefreshToken: "1//other", Version: version})
			wantError(t, "Save over version "+version, err, tokenstore.ErrConflict)
		}
		_, err := s.Save(t.Context(), jane, tokenstore.Grant{RefreshToken: "1//other", Version: tokenstore.AnyVersion})
		wantError(t, "Save over AnyVersion, which is Delete's", err, tokenstore.ErrConflict)
		wantKept(t, s, jane, kept)
	}},
}
