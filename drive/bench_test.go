package drive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// sink takes uploads of any kind and keeps nothing; it serves content for every
// download.
func sink(content []byte) http.Handler {
	const file = `{"id":"1","name":"a.bin","headRevisionId":"r","size":"%d"}`
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		var from, to, size int64
		query := r.URL.Query()
		switch {
		case strings.HasSuffix(r.URL.Path, "generateIds"):
			io.WriteString(w, `{"ids":["1","2","3","4","5","6","7","8","9","10"]}`)
		case query.Get("alt") == "media":
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content)
		case strings.Contains(query.Get("q"), "name = 'a.bin'"):
			fmt.Fprintf(w, `{"files":[{"id":"1","name":"a.bin","size":"%d","sha256Checksum":"%s"}]}`, len(content), sum)
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/files"):
			io.WriteString(w, `{"files":[]}`)
		case query.Get("uploadType") == "resumable" && query.Get("upload_id") == "":
			w.Header().Set("Location", "http://"+r.Host+r.URL.Path+"?uploadType=resumable&upload_id=1")
		case r.Method == http.MethodPut:
			last, _ := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size)
			if last < 3 || to+1 < size {
				w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", to))
				w.WriteHeader(http.StatusPermanentRedirect)
				return
			}
			fmt.Fprintf(w, file, size)
		default:
			fmt.Fprintf(w, `{"id":"1","name":"b","size":"%d"}`, n)
		}
	})
}

const large = 32 * mib

// compare times ours against the floor, in turn, and reports the ratio of the
// best times: what else the machine does lengthens the others.
func compare(b *testing.B, floor, ours func() error) {
	best := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		for i, run := range []func() error{floor, ours} {
			start := time.Now()
			if err := run(); err != nil {
				b.Fatal(err)
			}
			best[i] = min(best[i], time.Since(start))
		}
	}
	b.ReportMetric(float64(best[1])/float64(best[0]), "x-floor")
}

func BenchmarkUpload(b *testing.B) {
	content := random(large)
	srv := httptest.NewServer(sink(content))
	defer srv.Close()
	folder := open(b, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	b.SetBytes(large)
	compare(b, func() error {
		sum := sha256.New()
		req, err := http.NewRequest(http.MethodPost, srv.URL, io.TeeReader(bytes.NewReader(content), sum))
		if err != nil {
			return err
		}
		req.ContentLength = large
		res, err := srv.Client().Do(req)
		if err != nil {
			return err
		}
		sum.Sum(nil)
		return res.Body.Close()
	}, func() error {
		_, err := folder.Put(b.Context(), "a.bin", bytes.NewReader(content), drive.PutOptions{})
		return err
	})
}

func BenchmarkDownload(b *testing.B) {
	content := random(large)
	srv := httptest.NewServer(sink(content))
	defer srv.Close()
	folder := open(b, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	b.SetBytes(large)
	compare(b, func() error {
		res, err := srv.Client().Get(srv.URL + "?alt=media")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(sha256.New(), res.Body)
		return err
	}, func() error {
		r, err := folder.Open(b.Context(), "a.bin")
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, r)
		return err
	})
}

// BenchmarkPutSmall reports what one Put of two bytes costs, warm, the server's
// part of it included.
func BenchmarkPutSmall(b *testing.B) {
	srv := httptest.NewServer(sink(nil))
	defer srv.Close()
	folder := open(b, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	put(b, folder, "b", "{}")
	b.ReportAllocs()
	for b.Loop() {
		put(b, folder, "b", "{}")
	}
}

// BenchmarkNew reports what a folder costs: a backend makes one per request.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		open(b, drive.Config{HTTPClient: http.DefaultClient})
	}
}

// many is how many documents the benchmarks of many read and delete.
const many = 200

// manyDocuments is a Drive of so many documents, whose answers take 10 ms.
func manyDocuments() http.Handler {
	var list strings.Builder
	for i := range many {
		fmt.Fprintf(&list, `,{"id":"id%d","name":"%d","size":"2"}`, i, i)
	}
	var lists atomic.Int32 // by DeleteAll, which makes two
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(10 * time.Millisecond)
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Query().Get("alt") == "media":
			io.WriteString(w, "{}")
		case r.URL.Query().Get("q") == "trashed = false" && lists.Add(1)%2 == 0:
			io.WriteString(w, `{"files":[]}`)
		default:
			io.WriteString(w, `{"files":[`+list.String()[1:]+`]}`)
		}
	})
}

// eightAtOnce sends the same requests as the library must, without it.
func eightAtOnce(client *http.Client, verb, url string) error {
	var group sync.WaitGroup
	errs := make(chan error, many)
	slots := make(chan struct{}, 8)
	for i := range many {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			req, err := http.NewRequest(verb, fmt.Sprintf("%s/drive/v3/files/id%d?alt=media", url, i), nil)
			if err != nil {
				errs <- err
				return
			}
			res, err := client.Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func benchmarkMany(b *testing.B, verb string, ours func(*drive.AppFolder) (int, error)) {
	srv := httptest.NewServer(manyDocuments())
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	compare(b, func() error { return eightAtOnce(client, verb, srv.URL) }, func() error {
		n, err := ours(open(b, drive.Config{HTTPClient: client, Endpoint: srv.URL}))
		if err == nil && n != many {
			err = fmt.Errorf("%d documents, want %d", n, many)
		}
		return err
	})
}

// BenchmarkReadMany reads all documents, eight at once, against the bare requests.
func BenchmarkReadMany(b *testing.B) {
	benchmarkMany(b, http.MethodGet, func(folder *drive.AppFolder) (n int, err error) {
		read := func(ctx context.Context, file *drive.File) (struct{}, error) {
			v, _, err := drive.ReadJSONFile[struct{}](ctx, folder, file)
			return v, err
		}
		for _, err := range drive.Each(b.Context(), folder, folder.Files(b.Context(), drive.Query{}), read) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	})
}

// BenchmarkDeleteAll deletes all documents, eight at once, against the bare requests.
func BenchmarkDeleteAll(b *testing.B) {
	benchmarkMany(b, http.MethodDelete, func(folder *drive.AppFolder) (int, error) {
		return folder.DeleteAll(b.Context())
	})
}
