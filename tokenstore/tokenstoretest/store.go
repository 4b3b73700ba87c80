package tokenstoretest

import (
	"context"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var storeCases = []testCase{
	{"NotFound", func(t *testing.T, s tokenstore.Store) {
		wantNone(t, s, jane)
	}},
	{"Create", func(t *testing.T, s tokenstore.Store) {
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
		wantError(t, "Save with a version where nothing is", err, tokenstore.ErrConflict)
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
		save(t, s, jane, grant("1//jane"))
		if err := s.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
			t.Errorf("Delete of any version = %v", err)
		}
		wantNone(t, s, jane)
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
				t.Errorf("Delete(version %q), perhaps of what is not there, = %v", version, err)
			}
		}
	}},
	{"Canceled", func(t *testing.T, s tokenstore.Store) {
		kept := save(t, s, jane, grant("1//jane"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Load(ctx, jane)
		wantError(t, "Load with a canceled context", err, context.Canceled)
		_, err = s.Save(ctx, jane, kept)
		wantError(t, "Save with a canceled context", err, context.Canceled)
		err = s.Delete(ctx, jane, kept.Version)
		wantError(t, "Delete with a canceled context", err, context.Canceled)
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
