package tokenstoretest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Faulty is a [tokenstore.Store] in front of another one that fails as it is
// told: for tests of what your program does while its database is away, slow,
// or loses an answer.
//
//	down := errors.New("the database is down")
//	store := &tokenstoretest.Faulty{
//		Store: new(tokenstore.Memory),
//		Fault: func(c tokenstoretest.Call) tokenstoretest.Fault {
//			if c.Method == "Save" && c.N == 2 {
//				return tokenstoretest.Fault{Err: down, Lost: true}
//			}
//			return tokenstoretest.Fault{}
//		},
//	}
//
// It passes Keys, Find and Lease on too, and answers [errors.ErrUnsupported]
// where Store does not have them. It must not be copied after its first use.
type Faulty struct {
	// Store does the work. Required.
	Store tokenstore.Store
	// Fault says what goes wrong with a call, the zero Fault for nothing. Calls
	// may come from several goroutines at once. Nil: nothing goes wrong.
	Fault func(Call) Fault

	mu    sync.Mutex
	calls map[string]int
}

// A Call is one call of a method of the store.
type Call struct {
	// Method is "Load", "Save", "Delete", "Keys", "Find", "Lease", or "Release"
	// for the call of what Lease has returned.
	Method string
	// Key is what the call is about; of Keys the one to begin after, zero for
	// Find.
	Key tokenstore.Key
	// N counts the calls of Method, from 1.
	N int
}

// A Fault is what goes wrong with a call.
type Fault struct {
	// Delay is how long the call takes before anything happens. It ends early
	// when the call's context does, with that error.
	Delay time.Duration
	// Err is what the call returns instead of being done. For a Release there is
	// nobody to return it to: the lease stays until it expires.
	Err error
	// Lost lets the call be done all the same, so that only its answer is lost.
	Lost bool
}

var (
	_ tokenstore.Store  = (*Faulty)(nil)
	_ tokenstore.Lister = (*Faulty)(nil)
	_ tokenstore.Finder = (*Faulty)(nil)
	_ tokenstore.Leaser = (*Faulty)(nil)
)

// before asks for the fault of a call and waits for its delay.
func (f *Faulty) before(ctx context.Context, method string, key tokenstore.Key) Fault {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = make(map[string]int)
	}
	f.calls[method]++
	call := Call{method, key, f.calls[method]}
	f.mu.Unlock()
	if f.Fault == nil {
		return Fault{}
	}
	fault := f.Fault(call)
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return Fault{Err: ctx.Err()}
		}
	}
	return fault
}

// skips reports whether the call is not to be done.
func (f Fault) skips() bool { return f.Err != nil && !f.Lost }

// Load implements [tokenstore.Store].
func (f *Faulty) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	if fault := f.before(ctx, "Load", key); fault.Err != nil {
		return tokenstore.Grant{}, fault.Err
	}
	return f.Store.Load(ctx, key)
}

// Save implements [tokenstore.Store].
func (f *Faulty) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (version string, err error) {
	fault := f.before(ctx, "Save", key)
	if !fault.skips() {
		version, err = f.Store.Save(ctx, key, g)
	}
	if fault.Err != nil {
		return "", fault.Err
	}
	return version, err
}

// Delete implements [tokenstore.Store].
func (f *Faulty) Delete(ctx context.Context, key tokenstore.Key, version string) (err error) {
	fault := f.before(ctx, "Delete", key)
	if !fault.skips() {
		err = f.Store.Delete(ctx, key, version)
	}
	if fault.Err != nil {
		return fault.Err
	}
	return err
}

// Keys implements [tokenstore.Lister]. A Fault without Lost comes before the
// first key, one with Lost after the last.
func (f *Faulty) Keys(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	lister, ok := f.Store.(tokenstore.Lister)
	if !ok {
		return unsupported("Keys")
	}
	return f.listing(ctx, "Keys", after, func() iter.Seq2[tokenstore.Key, error] { return lister.Keys(ctx, after) })
}

// Find implements [tokenstore.Finder]. A Fault without Lost comes before the
// first key, one with Lost after the last.
func (f *Faulty) Find(ctx context.Context, tokenHash string) iter.Seq2[tokenstore.Key, error] {
	finder, ok := f.Store.(tokenstore.Finder)
	if !ok {
		return unsupported("Find")
	}
	return f.listing(ctx, "Find", tokenstore.Key{}, func() iter.Seq2[tokenstore.Key, error] { return finder.Find(ctx, tokenHash) })
}

func unsupported(method string) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		yield(tokenstore.Key{}, fmt.Errorf("tokenstoretest: the store has no %s: %w", method, errors.ErrUnsupported))
	}
}

func (f *Faulty) listing(ctx context.Context, method string, key tokenstore.Key, keys func() iter.Seq2[tokenstore.Key, error]) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		fault := f.before(ctx, method, key)
		if !fault.skips() {
			for key, err := range keys() {
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
		if fault.Err != nil {
			yield(tokenstore.Key{}, fault.Err)
		}
	}
}

// Lease implements [tokenstore.Leaser].
func (f *Faulty) Lease(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	leaser, has := f.Store.(tokenstore.Leaser)
	if !has {
		return nil, false, fmt.Errorf("tokenstoretest: the store has no Lease: %w", errors.ErrUnsupported)
	}
	fault := f.before(ctx, "Lease", key)
	if !fault.skips() {
		release, ok, err = leaser.Lease(ctx, key, purpose, ttl)
	}
	if fault.Err != nil {
		return nil, false, fault.Err
	}
	if !ok {
		return nil, false, err
	}
	return f.faultyRelease(ctx, key, release), true, nil
}

func (f *Faulty) faultyRelease(ctx context.Context, key tokenstore.Key, release func()) func() {
	return func() {
		if fault := f.before(context.WithoutCancel(ctx), "Release", key); !fault.skips() {
			release()
		}
	}
}
