// Package tokenstoretest checks that a tokenstore.Store of anybody's keeps the
// contract of its interface, and has a store that fails as it is told, for
// tests of what uses one.
//
//	func TestStore(t *testing.T) {
//		tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
//			return mystore.New(t.TempDir())
//		})
//	}
//
// Lister, Finder and Leaser are checked where the store implements them and
// does not answer errors.ErrUnsupported.
//
// [Run] cannot tell whether what was written outlives the process, because it
// only ever asks for empty stores. [Reopen] can.
package tokenstoretest

import (
	"errors"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Run checks the contract of [tokenstore.Store], one subtest for each thing it
// promises. newStore opens an empty store for a subtest, and closes it in a
// t.Cleanup. The subtests run one after the other, some with 32 goroutines on
// one store.
func Run(t *testing.T, newStore func(t *testing.T) tokenstore.Store) {
	cases := [][]testCase{storeCases, versionCases, raceCases, copyCases, keyCases, valueCases, carriedCases}
	s := newStore(t)
	if listsKeys(t, s) {
		cases = append(cases, listCases)
	}
	if findsTokens(t, s) {
		cases = append(cases, findCases)
	}
	if leases(t, s) {
		cases = append(cases, leaseCases)
	}
	for _, group := range cases {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) { c.test(t, newStore(t)) })
		}
	}
}

type testCase struct {
	name string
	test func(*testing.T, tokenstore.Store)
}

func listsKeys(t *testing.T, s tokenstore.Store) bool {
	lister, ok := s.(tokenstore.Lister)
	if !ok {
		return false
	}
	for _, err := range lister.Keys(t.Context(), tokenstore.Key{}) {
		return !errors.Is(err, errors.ErrUnsupported)
	}
	return true
}

func findsTokens(t *testing.T, s tokenstore.Store) bool {
	finder, ok := s.(tokenstore.Finder)
	if !ok {
		return false
	}
	for _, err := range finder.Find(t.Context(), tokenstore.TokenHash("none")) {
		return !errors.Is(err, errors.ErrUnsupported)
	}
	return true
}

func leases(t *testing.T, s tokenstore.Store) bool {
	leaser, ok := s.(tokenstore.Leaser)
	if !ok {
		return false
	}
	release, ok, err := leaser.Lease(t.Context(), jane, "probe", time.Second)
	if ok {
		release()
	}
	return !errors.Is(err, errors.ErrUnsupported)
}
