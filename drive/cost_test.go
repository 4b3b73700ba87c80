package drive_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// allocated returns how many bytes run allocates.
func allocated(run func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// held returns how many bytes more are held after run.
func held(run func()) int64 {
	before := heap()
	run()
	return heap() - before
}

// heap returns how many bytes are held. What is in a sync.Pool outlives one collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// noServer is a folder whose requests are answered within the client, so that
// only the client's side is measured.
func noServer(t *testing.T) *drive.AppFolder {
	named := regexp.MustCompile(`"name":"(.*?)"`)
	return open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		var sent string
		if r.Body != nil {
			data, _ := io.ReadAll(r.Body)
			sent = string(data)
		}
		name := cmp.Or(named.FindString(sent), `"name":"a"`)
		body := fmt.Sprintf(`{"id":"id of %s",%s,"size":"2"}`, strings.Trim(name[len(`"name":`):], `"`), name)
		switch {
		case strings.HasSuffix(r.URL.Path, "generateIds"):
			body = `{"ids":["1","2","3","4","5","6","7","8","9","10"]}`
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/files"):
			body = `{"files":[]}`
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}})
}

func TestSmallPutIsCheap(t *testing.T) {
	folder := noServer(t)
	put(t, folder, "a", "{}")
	const runs = 20
	each := allocated(func() {
		for range runs {
			put(t, folder, "a", "{}")
		}
	}) / runs
	if each > 64*kib {
		t.Errorf("a Put of two bytes allocates %d bytes, want at most 64 KiB", each)
	}
	unsized := allocated(func() {
		for range runs {
			if _, err := folder.Put(t.Context(), "a", stream([]byte("{}")), drive.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}) / runs
	if unsized > 64*kib {
		t.Errorf("of a reader of unknown size: %d bytes, want at most 64 KiB", unsized)
	}
	together := allocated(func() {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { put(t, folder, "a", "{}") })
		}
		wg.Wait()
	})
	if together > 2*mib {
		t.Errorf("20 at once allocate %d bytes, want at most 2 MiB", together)
	}
	t.Logf("one: %d, unsized: %d, 20 at once: %d bytes", each, unsized, together)
}

// A large upload holds one chunk, and not much beside it.
func TestUploadHoldsOneChunk(t *testing.T) {
	srv := httptest.NewServer(sink(nil))
	defer srv.Close()
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	put(t, folder, "b", "{}")
	for _, r := range []io.Reader{bytes.NewReader(make([]byte, large)), stream(make([]byte, large))} {
		chunk := int64(0) // a reader that can go back needs none
		if _, sized := r.(*bytes.Reader); !sized {
			chunk = mib
		}
		base := heap()
		highest := base
		_, err := folder.Put(t.Context(), "b", r, drive.PutOptions{Progress: func(drive.Progress) { highest = max(highest, heap()) }})
		if err != nil {
			t.Fatal(err)
		}
		if extra := highest - base; extra > chunk+256*kib {
			t.Errorf("%T: %d bytes held, want at most a chunk of %d and 256 KiB", r, extra, chunk)
		}
	}
}

func TestListingIsCheap(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	for i := range 10_000 {
		add(srv, fmt.Sprint(i), nil)
	}
	// Without a connection: nothing of the server's is held while a page is read.
	folder := open(t, drive.Config{Endpoint: srv.URL, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, asked := httptest.NewRecorder(), httptest.NewRequest(r.Method, r.URL.String(), nil)
		asked.Header.Set("Authorization", "Bearer x")
		srv.ServeHTTP(answer, asked)
		return answer.Result(), nil
	})}})
	n, held := 0, map[int]int64{1500: 0, 9500: 0}
	for _, err := range folder.Files(t.Context(), drive.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, measure := held[n]; measure {
			held[n] = heap()
		}
		n++
	}
	if held[9500] > held[1500]+mib {
		t.Errorf("%d bytes are held in the second page, %d in the last", held[1500], held[9500])
	}
	if requests := len(srv.Requests()); n != 10_000 || requests != 10 {
		t.Errorf("%d files by %d requests, want 10,000 by 10", n, requests)
	}
}
