// Package tokenstoretest checks that a [tokenstore.Store] keeps the contract of
// its interface. It also has a store that fails as a test tells it.
//
//	func TestStore(t *testing.T) {
//		tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
//			return mystore.New(t.TempDir())
//		})
//	}
//
// [Run] asks for an empty store each time, so it cannot find out whether a grant
// outlives the process, or whether processes overwrite each other's grants.
// [Reopen] can.
package tokenstoretest

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Run checks the contract of [tokenstore.Store], with a subtest for each promise.
// newStore opens an empty store for a subtest, and closes it in a t.Cleanup. The
// subtests run one after the other, some with 32 goroutines on one store.
//
// Lister, Finder and Leaser are checked if the store implements them. They must
// then work: [errors.ErrUnsupported] fails the test. A wrapper implements them
// whether or not the store inside does. To say so, it has a method
//
//	Unwrap() tokenstore.Store
//
// or is a [*tokenstore.Sealed]. Then the innermost store decides: if that does not
// implement an interface, the wrapper must return ErrUnsupported.
func Run(t *testing.T, newStore func(t *testing.T) tokenstore.Store) {
	inner := innermost(newStore(t))
	cases := slices.Concat(storeCases, versionCases, inOne(raceCases), copyCases, keyCases, valueCases, carriedCases)
	cases = append(cases, optional[tokenstore.Lister](inner, listCases, "ListUnsupported", listUnsupported)...)
	cases = append(cases, optional[tokenstore.Finder](inner, findCases, "FindUnsupported", findUnsupported)...)
	cases = append(cases, optional[tokenstore.Leaser](inner, leaseCases, "LeaseUnsupported", leaseUnsupported)...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, newStore(t)) })
	}
}

type testCase struct {
	name string
	test func(*testing.T, tokenstore.Store)
}

// innermost returns the store inside all wrappers.
func innermost(s tokenstore.Store) tokenstore.Store {
	for {
		switch wrapper := s.(type) {
		case *tokenstore.Sealed:
			s = wrapper.Store
		case interface{ Unwrap() tokenstore.Store }:
			s = wrapper.Unwrap()
		default:
			return s
		}
	}
}

// has reports whether a store must have the optional interface I.
func has[I any](s tokenstore.Store) bool {
	_, ok := innermost(s).(I)
	return ok
}

// optional returns the cases of the interface I if the innermost store has it, and
// else one case: that a wrapper says so.
func optional[I any](inner tokenstore.Store, cases []testCase, name string, unsupported func(*testing.T, I)) []testCase {
	if _, ok := inner.(I); ok {
		return cases
	}
	return []testCase{{name, func(t *testing.T, s tokenstore.Store) {
		if wrapper, ok := s.(I); ok {
			unsupported(t, wrapper)
		}
	}}}
}

func listUnsupported(t *testing.T, s tokenstore.Lister) {
	var last error
	for _, last = range s.Keys(t.Context(), tokenstore.Key{}) {
	}
	wantError(t, "Keys of a wrapper whose store has no list", last, errors.ErrUnsupported)
}

func findUnsupported(t *testing.T, s tokenstore.Finder) {
	var last error
	for _, last = range s.Find(t.Context(), tokenstore.TokenHash("none")) {
	}
	wantError(t, "Find of a wrapper whose store has none", last, errors.ErrUnsupported)
}

func leaseUnsupported(t *testing.T, s tokenstore.Leaser) {
	_, ok, err := s.Lease(t.Context(), jane, "work", leaseTime)
	wantError(t, "Lease of a wrapper whose store has none", err, errors.ErrUnsupported)
	if ok {
		t.Error("Lease of a wrapper whose store has none is granted")
	}
}

// Reopen checks that grants are there when the store is opened again. Each call of
// open opens the same store, empty at the first call, and closes it in a t.Cleanup.
// Some subtests have two of them open at the same time, like two processes, and
// write through both with 32 goroutines.
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
		if has[tokenstore.Lister](s) {
			if n := len(list(t, s.(tokenstore.Lister), tokenstore.Key{})); n != users-1 {
				t.Errorf("a reopened store lists %d keys, want %d", n, users-1)
			}
		}
		if has[tokenstore.Finder](s) {
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
		wantNone(t, b, john)
		created := save(t, a, john, grant("1//john"))
		wantKept(t, b, john, created)
		if err := a.Delete(t.Context(), john, created.Version); err != nil {
			t.Fatal(err)
		}
		wantNone(t, b, john)
		if has[tokenstore.Leaser](a) {
			release := wantTaken(t, a, jane, "work")
			wantHeld(t, b, "while the other store holds it")
			release()
			wantTaken(t, b, jane, "work")
		}
	})
	t.Run("TwoRace", func(t *testing.T) {
		two := handles{open(t), open(t)}
		for _, c := range raceCases {
			t.Run(c.name, func(t *testing.T) {
				if err := two.of(0).Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
					t.Fatal(err)
				}
				c.test(t, two)
			})
		}
	})
}
