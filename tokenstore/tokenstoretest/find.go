package tokenstoretest

import (
	"context"
	"slices"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// wantFound checks which users Find knows for a hash.
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
		wantFound(t, s, "the hash of its first 16 bytes", tokenstore.PrefixHash(janesToken), jane)
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
		wantFound(t, s, "a shared prefix", tokenstore.PrefixHash(janesToken), jane, john)
		wantFound(t, s, "one token", tokenstore.TokenHash(janesToken+"-john"), john)
	}},
	{"FindReplaced", func(t *testing.T, s tokenstore.Store) {
		g := save(t, s, jane, grant(janesToken))
		g.RefreshToken = nextToken
		g = save(t, s, jane, g)
		wantFound(t, s, "a former token", tokenstore.TokenHash(janesToken))
		wantFound(t, s, "a former prefix", tokenstore.PrefixHash(janesToken))
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
		wantFound(t, s, "a deleted prefix", tokenstore.PrefixHash(janesToken))
	}},
	{"FindAfterConflict", func(t *testing.T, s tokenstore.Store) {
		conflicts(t, s)
		wantFound(t, s, "the token of a refused Save", tokenstore.TokenHash(nextToken))
		wantFound(t, s, "the prefix of a refused Save", tokenstore.PrefixHash(nextToken))
		wantFound(t, s, "the token that stays", tokenstore.TokenHash(janesToken), jane)
		wantFound(t, s, "the prefix that stays", tokenstore.PrefixHash(janesToken), jane)
	}},
	{"FindSealed", func(t *testing.T, s tokenstore.Store) {
		save(t, s, jane, sealedGrant(t, janesToken))
		wantFound(t, s, "the hash of a sealed token", tokenstore.TokenHash(janesToken), jane)
		wantFound(t, s, "the hash of its first 16 bytes", tokenstore.PrefixHash(janesToken), jane)
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
