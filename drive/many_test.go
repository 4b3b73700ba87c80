package drive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// numbers yields 0, 1, 2 and so on.
func numbers(n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// collect returns what a sequence yields, and the error that ends it.
func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for v, e := range seq {
		if e != nil {
			return all, e
		}
		all = append(all, v)
	}
	return all, nil
}

func TestEachReadsAndWritesMany(t *testing.T) {
	folder, srv := newFolder(t)
	write := func(ctx context.Context, i int) (*drive.File, error) {
		return folder.Put(ctx, fmt.Sprint(i), strings.NewReader(fmt.Sprint(i)), drive.PutOptions{})
	}
	written, err := collect(drive.Each(t.Context(), folder, numbers(30), write))
	if err != nil || len(written) != 30 {
		t.Fatalf("wrote %d, %v", len(written), err)
	}
	before := len(srv.Requests())
	read := func(ctx context.Context, file *drive.File) (int, error) {
		n, _, err := drive.ReadJSONFile[int](ctx, folder, file)
		return n, err
	}
	got, err := collect(drive.Each(t.Context(), folder, folder.Files(t.Context(), drive.Query{}), read))
	if err != nil || len(got) != 30 {
		t.Fatalf("read %v, %v", got, err)
	}
	slices.Sort(got)
	for i, n := range got {
		if n != i {
			t.Errorf("read %v", got)
			break
		}
	}
	if n := len(srv.Requests()) - before; n != 31 {
		t.Errorf("%d requests to read 30 documents, want a list and 30 downloads", n)
	}
}

func TestEachIsBounded(t *testing.T) {
	for parallel, want := range map[int]int32{0: 8, 1: 1, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			folder := open(t, drive.Config{HTTPClient: http.DefaultClient, Parallel: parallel})
			var running, most atomic.Int32
			do := func(_ context.Context, i int) (int, error) {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Second)
				running.Add(-1)
				return i, nil
			}
			start := time.Now()
			got, err := collect(drive.Each(t.Context(), folder, numbers(24), do))
			if err != nil || len(got) != 24 || most.Load() != want {
				t.Errorf("Parallel %d: %d results, %v, %d at once; want %d at once", parallel, len(got), err, most.Load(), want)
			}
			if rounds := int32(time.Since(start) / time.Second); rounds != 24/want {
				t.Errorf("Parallel %d: took %d rounds, want %d", parallel, rounds, 24/want)
			}
		})
	}
}

// What had begun before an error is done, and told before the error.
func TestEachEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		items func(yield func(int, error) bool)
		fails int
	}{
		{"do", numbers(100), 10},
		{"items", func(yield func(int, error) bool) {
			for i := range 10 {
				if !yield(i, nil) {
					return
				}
			}
			yield(0, broken)
		}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				folder := open(t, drive.Config{HTTPClient: http.DefaultClient, Parallel: 4})
				var begun, done atomic.Int32
				do := func(_ context.Context, i int) (int, error) {
					begun.Add(1)
					time.Sleep(time.Duration(100-i) * time.Second)
					if i == tt.fails {
						return 0, broken
					}
					done.Add(1)
					return i, nil
				}
				got, err := collect(drive.Each(t.Context(), folder, tt.items, do))
				if err != broken || len(got) != int(done.Load()) {
					t.Errorf("yielded %d, %v; want the %d that were done, and the error", len(got), err, done.Load())
				}
				if begun.Load() > 14 {
					t.Errorf("%d had begun", begun.Load())
				}
			})
		})
	}
}

func TestEachEndsWithItsLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := open(t, drive.Config{HTTPClient: http.DefaultClient})
		var ended atomic.Int32
		do := func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				time.Sleep(time.Second) // until the others are running
				return i, nil
			}
			<-ctx.Done()
			ended.Add(1)
			return 0, ctx.Err()
		}
		for range drive.Each(t.Context(), folder, numbers(100), do) {
			break
		}
		if n := ended.Load(); n < 7 || n > 8 {
			t.Errorf("%d were ended, want those that were running", n)
		}
	})
}

func TestEachEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := open(t, drive.Config{HTTPClient: http.DefaultClient})
		stop := errors.New("shutdown")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		do := func(ctx context.Context, i int) (int, error) {
			<-ctx.Done()
			return i, nil // done all the same
		}
		got, err := collect(drive.Each(ctx, folder, numbers(100), do))
		if len(got) != 8 || !errors.Is(err, context.Canceled) || !errors.Is(err, stop) {
			t.Errorf("yielded %d, %v; want 8, and the cause", len(got), err)
		}
	})
}

// A panic in do reaches the loop, where net/http can recover it.
func TestEachPanicsInItsLoop(t *testing.T) {
	folder := open(t, drive.Config{HTTPClient: http.DefaultClient})
	defer func() {
		if p := recover(); p != "boom" {
			t.Errorf("recovered %v", p)
		}
	}()
	collect(drive.Each(t.Context(), folder, numbers(3), func(context.Context, int) (int, error) { panic("boom") }))
	t.Error("no panic")
}

func TestEachWhereDoExits(t *testing.T) {
	folder := open(t, drive.Config{HTTPClient: http.DefaultClient})
	_, err := collect(drive.Each(t.Context(), folder, numbers(1), func(context.Context, int) (int, error) {
		runtime.Goexit()
		return 0, nil
	}))
	if err == nil {
		t.Error("no error")
	}
}

func TestDeleteEach(t *testing.T) {
	folder, srv := newFolder(t)
	left := make(map[string]bool)
	for i := range 20 {
		left[add(srv, fmt.Sprint(i), nil).ID] = true
	}
	srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Nth: 10, Status: 403, Reason: "domainPolicy"})
	ids, err := collect(folder.DeleteEach(t.Context()))
	if err == nil || !strings.HasPrefix(err.Error(), "drive: delete all: ") {
		t.Errorf("error %v", err)
	}
	for _, id := range ids {
		delete(left, id)
	}
	for _, file := range srv.Folder(drivetest.DefaultUser).Files() {
		if !left[file.ID] {
			t.Errorf("%s is there, and was told to be deleted", file.Name)
		}
		delete(left, file.ID)
	}
	if len(left) != 0 {
		t.Errorf("%d files are deleted, and were not told", len(left))
	}
}

// The answer to a delete is lost: the file counts as deleted, once.
func TestDeleteAllCountsLostAnswers(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	for i := range 5 {
		add(srv, fmt.Sprint(i), nil)
	}
	srv.Inject(drivetest.Fault{Op: drivetest.OpDelete, Nth: 2, Cut: true, Performed: true})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		if n, err := folder.DeleteAll(t.Context()); n != 5 || err != nil {
			t.Errorf("DeleteAll = %d, %v; want 5", n, err)
		}
	})
}

// Another process deletes at the same time: each counts what it has deleted.
func TestDeleteAllCountsItsOwn(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	for i := range 100 {
		add(srv, fmt.Sprint(i), nil)
	}
	counts := make(chan int)
	for range 2 {
		folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
		go func() {
			n, err := folder.DeleteAll(t.Context())
			if err != nil {
				t.Error(err)
			}
			counts <- n
		}()
	}
	if sum := <-counts + <-counts; sum != 100 {
		t.Errorf("together they deleted %d, want 100", sum)
	}
}

// While Drive refuses requests for their number, no new ones are sent.
func TestBackOffTogether(t *testing.T) {
	var requests, refused atomic.Int32
	drivish := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if n := refused.Add(1); n <= 2 {
			w.Header().Set("Retry-After", "20")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		time.Sleep(time.Second) // the refusals arrive first
		io.WriteString(w, `{"id":"1","name":"a"}`)
	})
	inBubble(t, drivish, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		info := func(ctx context.Context, _ int) (*drive.File, error) { return folder.Info(ctx) }
		early := make(chan int32, 1)
		time.AfterFunc(19*time.Second, func() { early <- requests.Load() })
		got, err := collect(drive.Each(t.Context(), folder, numbers(100), info))
		if err != nil || len(got) != 100 {
			t.Errorf("%d results, %v", len(got), err)
		}
		if n := <-early; n > 8 {
			t.Errorf("%d requests in the 19 s after a refusal, want at most the 8 that were in flight", n)
		}
	})
}

// What a refused upload copies can be of the same folder: its download is held back, and
// not for ever.
func TestBackOffOfACopy(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	content := random(3 * chunk)
	add(srv, "a", content)
	srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 2, Status: 429, Reason: "rateLimitExceeded"})
	inBubble(t, srv, drive.Config{ChunkSize: chunk}, func(t *testing.T, folder *drive.AppFolder) {
		start := time.Now()
		_, err := folder.Put(t.Context(), "b", openReader(t, folder, "a"), drive.PutOptions{})
		if took := time.Since(start); err != nil || took > 3*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
		checkStored(t, srv, "b", content)
	})
}

// The brake is let go also if the request that was refused fails in the end.
func TestBackOffEnds(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	srv.Inject(drivetest.Fault{Status: 429, Reason: "rateLimitExceeded", Times: 5})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		if _, err := folder.Info(t.Context()); !errors.Is(err, drive.ErrRateLimited) {
			t.Fatalf("%v, want ErrRateLimited", err)
		}
		start := time.Now()
		if _, err := folder.Info(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v, want no wait", err, time.Since(start))
		}
	})
}

// A request that is held back ends with its context.
func TestHeldBackEndsWithContext(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	srv.Inject(drivetest.Fault{Status: 429, Reason: "rateLimitExceeded", Header: http.Header{"Retry-After": {"30"}}})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		first := make(chan error)
		go func() { first <- errOf(folder.Info(t.Context())) }()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := folder.Info(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the deadline", err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

func TestOpenFile(t *testing.T) {
	folder, srv := newFolder(t)
	file := put(t, folder, "a", "content")
	before := len(srv.Requests())
	r, err := folder.OpenFile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	file.ID, file.Size = "changed", 0 // the Reader has its own
	if got, err := io.ReadAll(r); err != nil || string(got) != "content" || len(srv.Requests()) != before+1 {
		t.Errorf("read %q, %v with %d requests", got, err, len(srv.Requests())-before)
	}
	for name, file := range map[string]*drive.File{"nil": nil, "no ID": {}, "a way out": {ID: ".."}, "negative": {ID: "x", Size: -1}} {
		if _, err := folder.OpenFile(t.Context(), file); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: OpenFile: %v, want fs.ErrInvalid", name, err)
		}
		if _, _, err := drive.ReadJSONFile[int](t.Context(), folder, file); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: ReadJSONFile: %v, want fs.ErrInvalid", name, err)
		}
	}
	r, err = folder.OpenFile(t.Context(), &drive.File{ID: "a/../../b?c", Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an ID with a slash: %v, want fs.ErrNotExist", err)
	}
	if last := srv.Requests()[len(srv.Requests())-1]; !strings.HasPrefix(last.Path, "/drive/v3/files/") {
		t.Errorf("it asked for %s", last.Path)
	}
}

// Of a File that has been replaced, ReadJSONFile reads the new content, under whatever
// name it has by now.
func TestReadJSONFileOfAReplacedFile(t *testing.T) {
	folder, srv := newFolder(t)
	file := put(t, folder, "a", "1")
	if _, same, err := drive.ReadJSONFile[int](t.Context(), folder, file); err != nil || same == file {
		t.Errorf("%v, or the File is the caller's own", err)
	}
	put(t, folder, "a", "22")
	if _, err := folder.Rename(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	got, now, err := drive.ReadJSONFile[int](t.Context(), folder, file)
	if err != nil || got != 22 || now.Name != "b" {
		t.Errorf("ReadJSONFile = %d, %+v, %v; want the new content", got, now, err)
	}
	srv.Folder(drivetest.DefaultUser).Remove(file.ID)
	if _, _, err := drive.ReadJSONFile[int](t.Context(), folder, now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleted: %v, want fs.ErrNotExist", err)
	}
}
