package tokenstoretest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A Faulty is a [tokenstore.Store] that passes its calls on to another one, and
// fails as a test tells it: for tests of a program whose database is down or slow,
// or whose connection breaks.
//
//	down := errors.New("the database is down")
//	store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
//	store.Inject(tokenstoretest.Fault{Method: "Save", Nth: 2, Err: down, Performed: true})
//
// It also has Keys, Find and Lease. Where Store does not have them, they return
// [errors.ErrUnsupported]. A Faulty must not be copied after its first use.
type Faulty struct {
	// Store does the work. Required.
	Store tokenstore.Store

	mu     sync.Mutex
	faults []*scripted
}

// A Fault is something that goes wrong with one call or several.
//
//	Fault{Err: down}                                    // the next call fails, without effect
//	Fault{Method: "Save", Err: down, Performed: true}   // saved, and the response is lost
//	Fault{Method: "Load", Times: -1, Delay: time.Second} // every Load is slow
//	Fault{Method: "Load", Hang: true}                   // a Load never returns by itself
type Fault struct {
	// Method is "Load", "Save", "Delete", "Keys", "Find", "Lease", or "Release"
	// for a call of the function that Lease returned. If empty, any call is meant.
	Method string
	Nth    int // of these calls from now on, the first that is hit; zero: the next one, as 1
	Times  int // how many in a row; zero: one; negative: all from then on

	// Delay passes before anything else, but not longer than the call's context.
	Delay time.Duration

	// Hang lets the call wait until its context ends. It then has no effect. A
	// Release does not hang.
	Hang bool

	// Err is returned in place of the call's result. A Release returns nothing: if
	// Err is set, the lease stays until it expires. Keys and Find yield Err first,
	// or, with Performed, last.
	Err error

	// Performed lets the call have its effect although it returns Err.
	Performed bool
}

type scripted struct {
	Fault
	seen int
}

var (
	_ tokenstore.Store  = (*Faulty)(nil)
	_ tokenstore.Lister = (*Faulty)(nil)
	_ tokenstore.Finder = (*Faulty)(nil)
	_ tokenstore.Leaser = (*Faulty)(nil)
)

// Inject adds faults to those that wait. Each fault counts the calls of its Method
// itself. If several hit the same call, the first one injected has its effect.
func (f *Faulty) Inject(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inject(faults)
}

// Script replaces the faults that wait. Script() removes them all.
func (f *Faulty) Script(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
	f.inject(faults)
}

func (f *Faulty) inject(faults []Fault) {
	for _, fault := range faults {
		f.faults = append(f.faults, &scripted{Fault: fault})
	}
}

// hit counts a call and returns the fault that hits it; the zero Fault if there is
// none.
func (f *Faulty) hit(method string) (hit Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := false
	for _, s := range f.faults {
		if s.Method != "" && s.Method != method {
			continue
		}
		s.seen++
		if !found && s.hits() {
			hit, found = s.Fault, true
		}
	}
	return hit
}

func (s *scripted) hits() bool {
	first, times := max(s.Nth, 1), s.Times
	if times == 0 {
		times = 1
	}
	return s.seen >= first && (times < 0 || s.seen < first+times)
}

// before returns the fault of a call after its delay.
func (f *Faulty) before(ctx context.Context, method string) Fault {
	fault := f.hit(method)
	if fault.Hang && method != "Release" {
		<-ctx.Done()
		return Fault{Err: ctx.Err()}
	}
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

// performs reports whether the call has its effect.
func (f Fault) performs() bool { return f.Err == nil || f.Performed }

// Load implements [tokenstore.Store].
func (f *Faulty) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	if fault := f.before(ctx, "Load"); fault.Err != nil {
		return tokenstore.Grant{}, fault.Err
	}
	return f.Store.Load(ctx, key)
}

// Save implements [tokenstore.Store].
func (f *Faulty) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (version string, err error) {
	fault := f.before(ctx, "Save")
	if fault.performs() {
		version, err = f.Store.Save(ctx, key, g)
	}
	if fault.Err != nil {
		return "", fault.Err
	}
	return version, err
}

// Delete implements [tokenstore.Store].
func (f *Faulty) Delete(ctx context.Context, key tokenstore.Key, version string) (err error) {
	fault := f.before(ctx, "Delete")
	if fault.performs() {
		err = f.Store.Delete(ctx, key, version)
	}
	if fault.Err != nil {
		return fault.Err
	}
	return err
}

// Keys implements [tokenstore.Lister].
func (f *Faulty) Keys(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	lister, ok := f.Store.(tokenstore.Lister)
	if !ok {
		return unsupported("Keys")
	}
	return f.list(ctx, "Keys", lister.Keys(ctx, after))
}

// Find implements [tokenstore.Finder].
func (f *Faulty) Find(ctx context.Context, tokenHash string) iter.Seq2[tokenstore.Key, error] {
	finder, ok := f.Store.(tokenstore.Finder)
	if !ok {
		return unsupported("Find")
	}
	return f.list(ctx, "Find", finder.Find(ctx, tokenHash))
}

func unsupported(method string) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		yield(tokenstore.Key{}, fmt.Errorf("tokenstoretest: the store has no %s: %w", method, errors.ErrUnsupported))
	}
}

func (f *Faulty) list(ctx context.Context, method string, keys iter.Seq2[tokenstore.Key, error]) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		fault := f.before(ctx, method)
		if fault.performs() {
			for key, err := range keys {
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
	fault := f.before(ctx, "Lease")
	var end func()
	if fault.performs() {
		end, ok, err = leaser.Lease(ctx, key, purpose, ttl)
	}
	if fault.Err != nil {
		return nil, false, fault.Err
	}
	if !ok {
		return nil, false, err
	}
	return func() {
		if f.before(context.WithoutCancel(ctx), "Release").performs() {
			end()
		}
	}, true, nil
}

// Unwrap returns Store: see [Run].
func (f *Faulty) Unwrap() tokenstore.Store { return f.Store }

// Format prints no grant, under any verb.
func (f *Faulty) Format(s fmt.State, _ rune) { io.WriteString(s, "tokenstoretest.Faulty{…}") }
