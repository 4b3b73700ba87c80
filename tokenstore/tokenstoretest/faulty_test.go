package tokenstoretest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

var (
	errDown = errors.New("the store is down")
	jane    = tokenstore.Key{ClientID: "client", Subject: "jane"}
)

func TestFaultyWithoutFaults(t *testing.T) {
	t.Parallel()
	tokenstoretest.Run(t, func(*testing.T) tokenstore.Store {
		return &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
	})
}

func TestFaultyFails(t *testing.T) {
	store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
	ctx := t.Context()
	calls := map[string]func() error{
		"Load":   func() error { _, err := store.Load(ctx, jane); return err },
		"Save":   func() error { _, err := store.Save(ctx, jane, tokenstore.Grant{}); return err },
		"Delete": func() error { return store.Delete(ctx, jane, tokenstore.AnyVersion) },
		"Lease":  func() error { _, _, err := store.Lease(ctx, jane, "work", time.Hour); return err },
		"Keys": func() (last error) {
			for _, last = range store.Keys(ctx, tokenstore.Key{}) {
			}
			return last
		},
		"Find": func() (last error) {
			for _, last = range store.Find(ctx, "hash") {
			}
			return last
		},
	}
	for method, call := range calls {
		store.Script(tokenstoretest.Fault{Method: method, Err: errDown})
		if err := call(); err != errDown {
			t.Errorf("%s, told to fail, = %v", method, err)
		}
		if err := call(); err != nil && !errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("%s after its fault = %v", method, err)
		}
	}
}

func TestFaultyLosesAnswers(t *testing.T) {
	memory := new(tokenstore.Memory)
	store := &tokenstoretest.Faulty{Store: memory}
	store.Inject(tokenstoretest.Fault{Method: "Save", Err: errDown, Performed: true})
	if _, err := store.Save(t.Context(), jane, tokenstore.Grant{RefreshToken: "1//jane"}); err != errDown {
		t.Errorf("Save with a lost response = %v", err)
	}
	if g, err := memory.Load(t.Context(), jane); err != nil || g.RefreshToken != "1//jane" {
		t.Errorf("the Save whose response was lost has had no effect: %v", err)
	}

	store.Inject(tokenstoretest.Fault{Method: "Delete", Err: errDown, Performed: true})
	if err := store.Delete(t.Context(), jane, tokenstore.AnyVersion); err != errDown {
		t.Errorf("Delete with a lost response = %v", err)
	}
	if _, err := memory.Load(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("the Delete whose response was lost has had no effect: %v", err)
	}

	store.Inject(tokenstoretest.Fault{Method: "Lease", Err: errDown, Performed: true})
	if _, ok, err := store.Lease(t.Context(), jane, "work", time.Hour); ok || err != errDown {
		t.Errorf("Lease with a lost response = %t, %v", ok, err)
	}
	if _, ok, _ := memory.Lease(t.Context(), jane, "work", time.Hour); ok {
		t.Error("the Lease whose response was lost has had no effect")
	}
}

func TestFaultyListsThenFails(t *testing.T) {
	store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
	store.Inject(tokenstoretest.Fault{Method: "Keys", Err: errDown, Performed: true})
	if _, err := store.Save(t.Context(), jane, tokenstore.Grant{}); err != nil {
		t.Fatal(err)
	}
	var keys []tokenstore.Key
	var last error
	for key, err := range store.Keys(t.Context(), tokenstore.Key{}) {
		keys, last = append(keys, key), err
	}
	if len(keys) != 2 || keys[0] != jane || last != errDown {
		t.Errorf("Keys yields %q and ends with %v", keys, last)
	}
}

func TestFaultyKeepsLease(t *testing.T) {
	store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
	store.Inject(tokenstoretest.Fault{Method: "Release", Err: errDown})
	release, ok, err := store.Lease(t.Context(), jane, "work", time.Hour)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	release()
	if _, ok, _ := store.Lease(t.Context(), jane, "work", time.Hour); ok {
		t.Error("the lease whose release failed is free")
	}
}

func TestFaultyDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
		store.Inject(tokenstoretest.Fault{Delay: time.Minute, Times: -1})
		start := time.Now()
		if _, err := store.Save(t.Context(), jane, tokenstore.Grant{}); err != nil || time.Since(start) != time.Minute {
			t.Errorf("a slow Save = %v after %v, want nil after a minute", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := store.Load(ctx, jane); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute+time.Second {
			t.Errorf("a slow Load with a deadline = %v after %v", err, time.Since(start))
		}
		store.Script(tokenstoretest.Fault{Method: "Delete", Hang: true})
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start = time.Now()
		if err := store.Delete(ctx, jane, tokenstore.AnyVersion); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("a Delete that hangs = %v after %v, want DeadlineExceeded after an hour", err, time.Since(start))
		}
		if _, err := store.Load(t.Context(), jane); err != nil {
			t.Errorf("after a Delete that hung, Load = %v", err)
		}
	})
}

// TestFaultySequence checks which calls are hit.
func TestFaultySequence(t *testing.T) {
	other := errors.New("another fault")
	store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
	store.Inject(tokenstoretest.Fault{Err: other}) // Script removes it
	store.Script(tokenstoretest.Fault{Method: "Load", Nth: 2, Times: 2, Err: errDown})
	store.Inject(tokenstoretest.Fault{Method: "Load", Nth: 3, Times: -1, Err: other})
	for n, want := range []error{tokenstore.ErrNotFound, errDown, errDown, other, other} {
		if err := store.Delete(t.Context(), jane, tokenstore.AnyVersion); err != nil {
			t.Errorf("Delete, which has no fault, = %v", err)
		}
		if _, err := store.Load(t.Context(), jane); !errors.Is(err, want) {
			t.Errorf("Load number %d = %v, want %v", n+1, err, want)
		}
	}
	store.Script()
	if _, err := store.Load(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load after Script() = %v", err)
	}
}

// plain hides the optional interfaces of a store.
type plain struct{ tokenstore.Store }

func TestFaultyUnsupported(t *testing.T) {
	store := &tokenstoretest.Faulty{Store: plain{new(tokenstore.Memory)}}
	for _, keys := range []func() error{
		func() (last error) {
			for _, last = range store.Keys(t.Context(), tokenstore.Key{}) {
			}
			return last
		},
		func() (last error) {
			for _, last = range store.Find(t.Context(), "hash") {
			}
			return last
		},
		func() error { _, _, err := store.Lease(t.Context(), jane, "work", time.Hour); return err },
	} {
		if err := keys(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("error %v, want ErrUnsupported", err)
		}
	}
	tokenstoretest.Run(t, func(*testing.T) tokenstore.Store { return &tokenstoretest.Faulty{Store: plain{new(tokenstore.Memory)}} })
}
