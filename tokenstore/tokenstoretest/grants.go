package tokenstoretest

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var storeCases = []testCase{
	{"NotFound", func(t *testing.T, s tokenstore.Store) {
		wantNone(t, s, jane)
	}},
	{"Create", func(t *testing.T, s tokenstore.Store) {
		wantNone(t, s, jane) // a store must not remember that
		kept := save(t, s, jane, grant("1//jane"))
		wantKept(t, s, jane, kept)
		wantNone(t, s, john)
	}},
	{"CreateOnly", func(t *testing.T, s tokenstore.Store) {
		kept := save(t, s, jane, grant("1//jane"))
		_, err := s.Save(t.Context(), jane, grant("1//other"))
		wantError(t, "Save with an empty version over a kept grant", err, tokenstore.ErrConflict)
		wantKept(t, s, jane, kept)
	}},
	{"Replace", func(t *testing.T, s tokenstore.Store) {
		other := save(t, s, john, grant("1//john"))
		kept := save(t, s, jane, grant("1//jane"))
		next := grant("1//next")
		next.Version = kept.Version
		wantKept(t, s, jane, save(t, s, jane, next))
		wantKept(t, s, john, other)
	}},
	{"ReplaceStale", func(t *testing.T, s tokenstore.Store) {
		stale := save(t, s, jane, grant("1//jane"))
		kept := save(t, s, jane, stale)
		_, err := s.Save(t.Context(), jane, stale)
		wantError(t, "Save with a former version", err, tokenstore.ErrConflict)
		wantKept(t, s, jane, kept)
	}},
	{"ReplaceMissing", func(t *testing.T, s tokenstore.Store) {
		g := save(t, s, john, grant("1//john"))
		_, err := s.Save(t.Context(), jane, g)
		wantError(t, "Save with a version over a missing grant", err, tokenstore.ErrConflict)
		wantNone(t, s, jane)
	}},
	{"Delete", func(t *testing.T, s tokenstore.Store) {
		other := save(t, s, john, grant("1//john"))
		kept := save(t, s, jane, grant("1//jane"))
		if err := s.Delete(t.Context(), jane, kept.Version); err != nil {
			t.Errorf("Delete of the kept version = %v", err)
		}
		wantNone(t, s, jane)
		wantKept(t, s, john, other)
	}},
	{"DeleteAnyVersion", func(t *testing.T, s tokenstore.Store) {
		sameSubject := tokenstore.Key{ClientID: "another client", Subject: jane.Subject}
		other, another := save(t, s, john, grant("1//john")), save(t, s, sameSubject, grant("1//another"))
		save(t, s, jane, grant("1//jane"))
		if err := s.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
			t.Errorf("Delete of any version = %v", err)
		}
		wantNone(t, s, jane)
		wantKept(t, s, john, other)
		wantKept(t, s, sameSubject, another)
	}},
	{"DeleteStale", func(t *testing.T, s tokenstore.Store) {
		stale := save(t, s, jane, grant("1//jane"))
		kept := save(t, s, jane, stale)
		err := s.Delete(t.Context(), jane, stale.Version)
		wantError(t, "Delete of a former version", err, tokenstore.ErrConflict)
		wantKept(t, s, jane, kept)
	}},
	{"DeleteEmptyVersion", func(t *testing.T, s tokenstore.Store) {
		kept := save(t, s, jane, grant("1//jane"))
		err := s.Delete(t.Context(), jane, "")
		wantError(t, "Delete of the empty version", err, tokenstore.ErrConflict)
		wantKept(t, s, jane, kept)
	}},
	{"DeleteMissing", func(t *testing.T, s tokenstore.Store) {
		former := save(t, s, jane, grant("1//jane"))
		for _, version := range []string{former.Version, former.Version, tokenstore.AnyVersion} {
			if err := s.Delete(t.Context(), jane, version); err != nil {
				t.Errorf("Delete(version %q), where the grant may be missing, = %v", version, err)
			}
		}
	}},
	{"Canceled", func(t *testing.T, s tokenstore.Store) {
		kept := save(t, s, jane, grant("1//jane"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, loadErr := s.Load(ctx, jane)
		_, saveErr := s.Save(ctx, jane, kept)
		deleteErr := s.Delete(ctx, jane, kept.Version)
		for method, err := range map[string]error{"Load": loadErr, "Save": saveErr, "Delete": deleteErr} {
			wantError(t, method+" with a canceled context", err, context.Canceled)
			if errors.Is(err, tokenstore.ErrNotFound) || errors.Is(err, tokenstore.ErrConflict) {
				t.Errorf("%s with a canceled context = %v, which says what is kept", method, err)
			}
		}
		wantKept(t, s, jane, kept)
	}},
	{"DeadlineExceeded", func(t *testing.T, s tokenstore.Store) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := s.Save(ctx, jane, grant("1//jane"))
		wantError(t, "Save after the deadline", err, context.DeadlineExceeded)
		wantNone(t, s, jane)
	}},
}

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
					t.Fatalf("version %q is used a second time, after a Delete", version)
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
		wantError(t, "Save over AnyVersion, which only Delete takes", err, tokenstore.ErrConflict)
		wantKept(t, s, jane, kept)
	}},
}

var copyCases = []testCase{
	{"CopiedIn", func(t *testing.T, s tokenstore.Store) {
		g := grant("1//jane")
		want := grant("1//jane")
		want.Version = save(t, s, jane, g).Version
		g.Scopes[0] = "changed after Save"
		wantKept(t, s, jane, want)
	}},
	{"CopiedOut", func(t *testing.T, s tokenstore.Store) {
		want := grant("1//jane")
		want.Version = save(t, s, jane, grant("1//jane")).Version
		got, err := s.Load(t.Context(), jane)
		if err != nil {
			t.Fatal(err)
		}
		got.Scopes[0] = "changed after Load"
		wantKept(t, s, jane, want)
	}},
}

type change struct {
	name string
	to   func(*tokenstore.Grant)
}

var valueCases = roundTrips([]change{
	{"Zero", func(g *tokenstore.Grant) { *g = tokenstore.Grant{} }},
	{"NoRefreshToken", func(g *tokenstore.Grant) { g.RefreshToken = "" }},
	{"ScopesNil", func(g *tokenstore.Grant) { g.Scopes = nil }},
	{"ScopesEmpty", func(g *tokenstore.Grant) { g.Scopes = []string{} }},
	{"ScopesMany", func(g *tokenstore.Grant) {
		g.Scopes = strings.Fields(strings.Repeat("https://example.com/scope ", 200))
	}},
	{"BigTokens", func(g *tokenstore.Grant) {
		g.RefreshToken = strings.Repeat("r", 12<<10)
		g.AccessToken = strings.Repeat("a", 12<<10)
	}},
	{"AnyBytes", func(g *tokenstore.Grant) { g.RefreshToken = "\x00\xff'\"\\%_\r\n é \u2028 😀" }},
	{"AccessToken", func(g *tokenstore.Grant) {
		g.AccessToken = "ya29.access"
		g.Expiry = time.Date(2026, 11, 24, 12, 0, 0, 999999999, time.UTC)
	}},
	{"Lost", func(g *tokenstore.Grant) { g.Lost = []string{"https://www.googleapis.com/auth/drive.appdata"} }},
	{"NeedsConsent", func(g *tokenstore.Grant) {
		g.State = tokenstore.NeedsConsent
		g.Reason = "invalid_rapt"
	}},
	{"TimesZero", func(g *tokenstore.Grant) {
		g.CreatedAt, g.UpdatedAt, g.RefreshedAt = time.Time{}, time.Time{}, time.Time{}
	}},
	{"TimesOfAnotherZone", func(g *tokenstore.Grant) {
		g.CreatedAt = g.CreatedAt.In(time.FixedZone("", -11*3600))
		g.RefreshTokenExpiry = time.Date(2027, 3, 28, 2, 30, 0, 1, time.FixedZone("", 5*3600+1800))
	}},
	{"Ended", func(g *tokenstore.Grant) { // no reason to forget the user
		g.AccessToken = "ya29.access"
		g.Expiry = time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC)
		g.RefreshTokenExpiry = g.Expiry
	}},
	{"TimesFarOff", func(g *tokenstore.Grant) {
		g.CreatedAt = time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC)
		g.UpdatedAt = time.Date(99, 1, 1, 0, 0, 0, 0, time.UTC)
		g.RefreshTokenExpiry = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	}},
})

// roundTrips returns a case for each change: Load must return the changed grant as
// it was saved, both when it is created and when it replaces another one.
func roundTrips(changes []change) []testCase {
	var cases []testCase
	for _, change := range changes {
		cases = append(cases, testCase{"Value" + change.name, func(t *testing.T, s tokenstore.Store) {
			g := grant("1//jane")
			change.to(&g)
			wantKept(t, s, jane, save(t, s, jane, g))

			g.Version = save(t, s, john, grant("1//john")).Version
			wantKept(t, s, john, save(t, s, john, g))
		}})
	}
	return cases
}

// Fields of the storage form that a Grant does not export.
const (
	carriedHashes  = 21 // of the token inside a sealed record, each after its length
	carriedLineage = 23 // names the sign-in that the refresh token comes from
)

// carrying returns g with one more field of the storage form.
func carrying(t *testing.T, g tokenstore.Grant, field byte, value []byte) tokenstore.Grant {
	t.Helper()
	b := binary.AppendUvarint(append(record(t, g), field), uint64(len(value)))
	b = append(b, value...)
	if err := g.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return g
}

// sealedGrant returns a grant like those that a Sealed store passes on: it has
// the hashes of refreshToken, which is not in its RefreshToken.
func sealedGrant(t *testing.T, refreshToken string) tokenstore.Grant {
	t.Helper()
	var hashes []byte
	for _, hash := range grant(refreshToken).Hashes() {
		hashes = append(hashes, byte(len(hash)))
		hashes = append(hashes, hash...)
	}
	return carrying(t, grant("an envelope"), carriedHashes, hashes)
}

var carriedCases = []testCase{
	{"ValueNotExported", func(t *testing.T, s tokenstore.Store) {
		g := carrying(t, grant("1//jane"), carriedLineage, []byte("a sign-in"))
		kept := save(t, s, jane, g)
		wantKept(t, s, jane, kept)
		kept = save(t, s, jane, kept)
		wantKept(t, s, jane, kept)
	}},
}
