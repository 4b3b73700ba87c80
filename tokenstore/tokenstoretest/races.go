package tokenstoretest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const (
	writers = 32
	rounds  = 5 // a store with a race may pass one round by chance
)

// race runs f in all writers at the same time.
func race(f func(writer int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(writers)
	for w := range writers {
		done.Go(func() {
			ready.Done()
			<-start
			f(w)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// handles are one store, opened once or several times. A writer has one of them.
type handles []tokenstore.Store

func (h handles) of(writer int) tokenstore.Store { return h[writer%len(h)] }

type raceCase struct {
	name string
	test func(*testing.T, handles)
}

// inOne returns the cases for a store that is opened once.
func inOne(cases []raceCase) []testCase {
	var all []testCase
	for _, c := range cases {
		all = append(all, testCase{c.name, func(t *testing.T, s tokenstore.Store) { c.test(t, handles{s}) }})
	}
	return all
}

var raceCases = []raceCase{
	{"OneCreates", func(t *testing.T, h handles) {
		for range rounds {
			version := wantOneWinner(t, h, "")
			if err := h.of(0).Delete(t.Context(), jane, version); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"OneReplaces", func(t *testing.T, h handles) {
		version := save(t, h.of(0), jane, grant("1//first")).Version
		for range rounds {
			version = wantOneWinner(t, h, version)
		}
	}},
	{"NoWriteIsLost", func(t *testing.T, h handles) {
		g := grant("1//jane")
		g.Scopes = nil
		save(t, h.of(0), jane, g)
		var want []string
		for w := range writers {
			want = append(want, strconv.Itoa(w))
		}
		race(func(w int) { addScope(t, h.of(w), strconv.Itoa(w)) })
		got, err := h.of(0).Load(t.Context(), jane)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		slices.Sort(got.Scopes)
		if !slices.Equal(got.Scopes, want) {
			t.Errorf("of %d writers who each added a scope, these are kept: %q", writers, got.Scopes)
		}
	}},
	{"DeleteOrReplace", func(t *testing.T, h handles) {
		for range 10 {
			kept := save(t, h.of(0), jane, grant("1//jane"))
			var wg sync.WaitGroup
			var saveErr, deleteErr error
			wg.Go(func() { _, saveErr = h.of(0).Save(t.Context(), jane, kept) })
			wg.Go(func() { deleteErr = h.of(1).Delete(t.Context(), jane, kept.Version) })
			wg.Wait()
			switch {
			case saveErr == nil:
				wantError(t, "Delete of a version that was just replaced", deleteErr, tokenstore.ErrConflict)
			case deleteErr == nil:
				wantError(t, "Save over a version that was just deleted", saveErr, tokenstore.ErrConflict)
			default:
				t.Errorf("Save and Delete of one version both fail: %v; %v", saveErr, deleteErr)
			}
			if err := h.of(0).Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"CreateOrDelete", func(t *testing.T, h handles) {
		race(func(w int) {
			if w >= 8 { // some databases cannot handle more deadlocks on one row
				return
			}
			for range 4 * rounds {
				if w/2%2 == 0 {
					if err := h.of(w).Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
						t.Errorf("Delete of any version among those who create = %v", err)
					}
				} else if _, err := h.of(w).Save(t.Context(), jane, grant("1//jane")); err != nil && !errors.Is(err, tokenstore.ErrConflict) {
					t.Errorf("Save of a new grant among those who delete = %v, want ErrConflict if anything", err)
				}
			}
		})
	}},
	{"UsersAtOnce", func(t *testing.T, h handles) {
		var kept [writers]tokenstore.Grant
		user := func(w int) tokenstore.Key {
			return tokenstore.Key{ClientID: clientID, Subject: "user-" + strconv.Itoa(w)}
		}
		race(func(w int) {
			g := grant("1//user-" + strconv.Itoa(w))
			for range rounds { // creates, then replaces
				var err error
				if g.Version, err = h.of(w).Save(t.Context(), user(w), g); err != nil {
					t.Errorf("Save among other users' = %v", err)
				}
			}
			kept[w] = g
		})
		for w, g := range kept {
			wantKept(t, h.of(w+1), user(w), g)
		}
	}},
}

// wantOneWinner lets all writers save over one version, of which one must succeed,
// and returns its new version.
func wantOneWinner(t *testing.T, h handles, version string) string {
	t.Helper()
	var wins atomic.Int32
	var winner tokenstore.Grant
	race(func(w int) {
		g := grant("1//writer-" + strconv.Itoa(w))
		g.Version = version
		written, err := h.of(w).Save(t.Context(), jane, g)
		switch {
		case err == nil && wins.Add(1) == 1:
			winner = g
			winner.Version = written
		case err != nil && !errors.Is(err, tokenstore.ErrConflict):
			t.Errorf("Save of a writer who comes late = %v, want ErrConflict", err)
		}
	})
	if n := wins.Load(); n != 1 {
		t.Fatalf("%d of %d writers succeed with one version, want 1", n, writers)
	}
	wantKept(t, h.of(0), jane, winner)
	return winner.Version
}

// addScope adds a scope to the kept grant as users of a Store do: it loads, saves,
// and starts again after a conflict. In a correct store it has fewer conflicts than
// there are writers.
func addScope(t *testing.T, s tokenstore.Store, name string) {
	for range 10 * writers {
		g, err := s.Load(t.Context(), jane)
		if err != nil {
			t.Errorf("Load among writers = %v", err)
			return
		}
		g.Scopes = append(g.Scopes, name)
		_, err = s.Save(t.Context(), jane, g)
		if err == nil {
			return
		}
		if !errors.Is(err, tokenstore.ErrConflict) {
			t.Errorf("Save among writers = %v", err)
			return
		}
	}
	t.Errorf("Save of what was just loaded is a conflict, %d times in a row", 10*writers)
}
