package tokenstoretest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const clientID = "123456789012-abcdefghijklmnopqrstuvwxyz012345.apps.googleusercontent.com"

var (
	jane = tokenstore.Key{ClientID: clientID, Subject: "110169484474386276334"}
	john = tokenstore.Key{ClientID: clientID, Subject: "110169484474386276335"}
)

// grant returns a grant like one of a sign-in.
func grant(refreshToken string) tokenstore.Grant {
	at := time.Date(2026, 11, 24, 10, 30, 0, 123456789, time.UTC)
	return tokenstore.Grant{
		RefreshToken: refreshToken,
		Scopes:       []string{"https://www.googleapis.com/auth/drive.appdata", "openid"},
		CreatedAt:    at,
		UpdatedAt:    at.Add(time.Hour),
		RefreshedAt:  at.Add(2 * time.Hour),
	}
}

// save saves g, which must succeed, and returns g with its new version.
func save(t *testing.T, s tokenstore.Store, key tokenstore.Key, g tokenstore.Grant) tokenstore.Grant {
	t.Helper()
	version, err := s.Save(t.Context(), key, g)
	if err != nil {
		t.Fatalf("Save(%q, version %q) = %v", key, g.Version, err)
	}
	if version == "" {
		t.Fatalf("Save(%q) returned an empty version", key)
	}
	g.Version = version
	return g
}

// wantKept checks that the kept grant equals want.
func wantKept(t *testing.T, s tokenstore.Store, key tokenstore.Key, want tokenstore.Grant) {
	t.Helper()
	got, err := s.Load(t.Context(), key)
	if err != nil {
		t.Errorf("Load(%q) = %v", key, err)
		return
	}
	wantSame(t, got, want)
}

// wantSame compares two grants, times as instants.
func wantSame(t *testing.T, got, want tokenstore.Grant) {
	t.Helper()
	if got.Version != want.Version {
		t.Errorf("version %q is kept, want %q", got.Version, want.Version)
	}
	if !bytes.Equal(record(t, got), record(t, want)) {
		t.Errorf("the kept grant is\n\t%v\nwant\n\t%v\n(the storage forms differ)", got, want)
	}
}

func record(t *testing.T, g tokenstore.Grant) []byte {
	t.Helper()
	b, err := g.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantNone checks that nothing is kept for key.
func wantNone(t *testing.T, s tokenstore.Store, key tokenstore.Key) {
	t.Helper()
	g, err := s.Load(t.Context(), key)
	wantError(t, "Load of a missing grant", err, tokenstore.ErrNotFound)
	if g.Version != "" || g.RefreshToken != "" {
		t.Errorf("Load of a missing grant returned %v with version %q", g, g.Version)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want one that wraps %q", what, err, want)
	}
}

// conflicts saves a grant with janesToken for jane and none for john. Then it
// tries writes that must be refused: Saves of nextToken, and Deletes.
func conflicts(t *testing.T, s tokenstore.Store) {
	t.Helper()
	stale := save(t, s, jane, grant(janesToken))
	save(t, s, jane, stale)
	next := grant(nextToken)
	for _, version := range []string{"", stale.Version} {
		next.Version = version
		_, err := s.Save(t.Context(), jane, next)
		wantError(t, "Save over another version", err, tokenstore.ErrConflict)
		err = s.Delete(t.Context(), jane, version)
		wantError(t, "Delete of another version", err, tokenstore.ErrConflict)
	}
	_, err := s.Save(t.Context(), john, next)
	wantError(t, "Save with a version over a missing grant", err, tokenstore.ErrConflict)
}
