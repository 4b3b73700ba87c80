package tokenstoretest

import (
	"strconv"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Reopen checks that what was written is there when the store is opened again.
// open opens the same store at each call, empty at the first, and closes it in
// a t.Cleanup; some subtests have two open at the same time, as two processes
// would.
func Reopen(t *testing.T, open func(t *testing.T) tokenstore.Store) {
	const users = 20
	key := func(i int) tokenstore.Key {
		return tokenstore.Key{ClientID: clientID, Subject: "reopen-" + strconv.Itoa(i)}
	}
	kept := make([]tokenstore.Grant, users)

	t.Run("Write", func(t *testing.T) {
		s := open(t)
		for i := range kept {
			kept[i] = save(t, s, key(i), grant("1//"+strconv.Itoa(i)))
		}
		kept[1] = save(t, s, key(1), kept[1])
		if err := s.Delete(t.Context(), key(0), kept[0].Version); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("Read", func(t *testing.T) {
		s := open(t)
		wantNone(t, s, key(0))
		for i := 1; i < users; i++ {
			wantKept(t, s, key(i), kept[i])
		}
		if lister, ok := s.(tokenstore.Lister); ok && listsKeys(t, s) {
			if n := len(list(t, lister, tokenstore.Key{})); n != users-1 {
				t.Errorf("a reopened store lists %d keys, want %d", n, users-1)
			}
		}
		if findsTokens(t, s) {
			wantFound(t, s, "the hash of a token that was written before", tokenstore.TokenHash(kept[1].RefreshToken), key(1))
		}
	})
	t.Run("Replace", func(t *testing.T) {
		s := open(t)
		g := kept[0]
		g.Version = ""
		recreated := save(t, s, key(0), g)
		_, err := s.Save(t.Context(), key(0), kept[0])
		wantError(t, "Save over a version from before the reopening", err, tokenstore.ErrConflict)
		wantKept(t, s, key(0), recreated)
		kept[1] = save(t, s, key(1), kept[1])
	})
	t.Run("TwoAtOnce", func(t *testing.T) {
		a, b := open(t), open(t)
		wantKept(t, b, key(1), kept[1])
		next := save(t, a, key(1), kept[1])
		wantKept(t, b, key(1), next)
		_, err := b.Save(t.Context(), key(1), kept[1])
		wantError(t, "Save over what the other has replaced", err, tokenstore.ErrConflict)
		if leases(t, a) {
			release := wantTaken(t, a, jane, "work")
			wantHeld(t, b, "while the other store holds it")
			release()
			wantTaken(t, b, jane, "work")
		}
	})
}
