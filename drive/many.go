package drive

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

// defaultParallel is how many requests are in flight at once unless Config says
// another number.
const defaultParallel = 8

// Each calls do for each of items, for up to [Config.Parallel] of them at once, and
// yields the results in the order in which they come. It reads many documents,
//
//	read := func(ctx context.Context, file *drive.File) (Map, error) {
//		m, _, err := drive.ReadJSONFile[Map](ctx, folder, file)
//		return m, err
//	}
//	for m, err := range drive.Each(ctx, folder, folder.Files(ctx, drive.Query{Prefix: "map-"}), read) {
//
// or writes many, if do calls [AppFolder.Put]. It holds no more items and results than
// calls of do at once.
//
// The first error of items or of do ends the sequence, as its last pair: no item is
// begun after it, and the results of those that had begun come before it. So what has
// been yielded without an error is exactly what was done. If the loop over the sequence
// ends early, the ctx of each do that is running ends, and Each waits for it.
//
// When Drive answers that there are too many requests, all requests of the folder wait
// until the one that was refused has got through, or for two minutes.
func Each[T, R any](ctx context.Context, f *AppFolder, items iter.Seq2[T, error], do func(context.Context, T) (R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		e := &each[T, R]{do: do, slots: make(chan struct{}, f.parallel), results: make(chan R), stop: make(chan struct{})}
		running, cancel := context.WithCancel(ctx)
		defer func() { // also when the loop over the sequence ends early, or panics
			cancel()
			for range e.results {
			}
		}()
		go e.run(running, items)
		for r := range e.results {
			if !yield(r, nil) {
				return
			}
		}
		if e.panicked != nil {
			panic(e.panicked)
		}
		if e.err != nil {
			var zero R
			yield(zero, e.err)
		}
	}
}

// each is one call of Each.
type each[T, R any] struct {
	do      func(context.Context, T) (R, error)
	slots   chan struct{} // holds one for each do that is running
	results chan R        // closed after the last
	stop    chan struct{} // closed at the first error

	once     sync.Once
	err      error // the first; like panicked, it may be read when results is closed
	panicked any   // by do or items; the loop over the sequence panics with it
}

func (e *each[T, R]) fail(err error, panicked any) {
	e.once.Do(func() {
		e.err, e.panicked = err, panicked
		close(e.stop)
	})
}

var errExited = errors.New("runtime.Goexit was called, perhaps by t.Fatal")

// guard fails if the function that it guards does not return.
func (e *each[T, R]) guard(fn func()) {
	returned := false
	defer func() {
		if !returned {
			e.fail(errExited, recover())
		}
	}()
	fn()
	returned = true
}

func (e *each[T, R]) run(ctx context.Context, items iter.Seq2[T, error]) {
	var running sync.WaitGroup
	defer close(e.results)
	defer running.Wait()
	e.guard(func() {
		for item, err := range items {
			if err != nil {
				e.fail(err, nil)
			}
			if !e.begin(ctx) {
				return
			}
			running.Go(func() {
				defer func() { <-e.slots }()
				e.guard(func() { e.work(ctx, item) })
			})
		}
	})
}

func (e *each[T, R]) work(ctx context.Context, item T) {
	r, err := e.do(ctx, item)
	if err != nil {
		e.fail(err, nil)
		return
	}
	e.results <- r
}

// begin waits for a slot. It returns false if nothing is to be begun any more.
func (e *each[T, R]) begin(ctx context.Context) bool {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
	}
	select { // both may have been ready
	case <-e.stop:
	case <-ctx.Done():
		e.fail(ctxerr.Of(ctx), nil)
	default:
		return true
	}
	return false
}

// DeleteAll deletes everything that the application keeps for the user, for good: all
// documents, and also folders that other programs of the application made. It deletes
// up to [Config.Parallel] files at once and stops at the first error. It returns how
// many files it deleted, also with an error.
//
// It ends when a list shows no file any more. What a Put stores after that stays, also if
// the Put began before: let the user's uploads end first.
func (f *AppFolder) DeleteAll(ctx context.Context) (n int, err error) {
	for _, err := range f.DeleteEach(ctx) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// DeleteEach is [AppFolder.DeleteAll], and yields the ID of each file when it is
// deleted. An error ends the sequence, as its last pair. If the loop over the sequence
// ends early, some files more than it has seen may be deleted.
func (f *AppFolder) DeleteEach(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f.deleteEach(ctx, func(id string, err error) bool { return yield(id, failed("delete all", "", err)) })
	}
}

// deleteEach deletes a page at a time. A page whose files could be deleted is asked for
// again, because a later page may skip files then.
func (f *AppFolder) deleteEach(ctx context.Context, yield func(string, error) bool) {
	query := f.query("trashed = false", "", "id")
	for {
		list, err := f.listPage(ctx, query)
		if err != nil {
			yield("", err)
			return
		}
		n := 0
		for id, err := range Each(ctx, f, ids(list.Files), f.deleteListed) {
			if err == nil && id == "" {
				continue
			}
			n++
			if !yield(id, err) || err != nil {
				return
			}
		}
		switch {
		case n > 0:
			query.Del("pageToken")
		case list.NextPageToken == "":
			return
		default:
			query.Set("pageToken", list.NextPageToken)
		}
	}
}

// ids yields the ID of each file once.
func ids(files []*resource) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := newIDSet()
		for _, file := range files {
			if seen.add(file.ID) && !yield(file.ID, nil) {
				return
			}
		}
	}
}

// deleteListed deletes a file that a list has shown. It returns "" if the file was
// gone before.
func (f *AppFolder) deleteListed(ctx context.Context, id string) (string, error) {
	if f.memory.isDeleted(id) {
		return "", nil
	}
	tries := 0
	_, err := try(ctx, f, func(ctx context.Context) (struct{}, error) {
		tries++
		return struct{}{}, f.deleteOnce(ctx, id)
	})
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return "", err
	}
	f.memory.forget(id)
	if gone && tries == 1 {
		return "", nil
	}
	return id, nil // a 404 of a later try means that an answer before it was lost
}

// A brake holds back new requests while others wait because Drive has refused them for
// their number. Its zero value is ready.
type brake struct {
	mu       sync.Mutex
	refused  int           // how many wait
	released chan struct{} // closed when the last has got through; nil: none waits
}

// pull holds back new requests until release is called as often.
func (b *brake) pull() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused == 0 {
		b.released = make(chan struct{})
	}
	b.refused++
}

func (b *brake) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused--; b.refused == 0 {
		close(b.released)
		b.released = nil
	}
}

// maxHold is for how long a brake holds a request back: longer than the pauses of the
// default [Retry]. There must be an end, because the refused request can be an upload that
// needs the one held back, as when a [Reader] is put.
const maxHold = 2 * time.Minute

// wait returns when no request waits or after maxHold, or with an error when ctx ends.
func (b *brake) wait(ctx context.Context) error {
	var enough <-chan time.Time
	for {
		b.mu.Lock()
		released := b.released
		b.mu.Unlock()
		if released == nil {
			return nil
		}
		if enough == nil {
			enough = time.After(maxHold)
		}
		select {
		case <-released:
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctxerr.Of(ctx)
		}
	}
}
