package drive_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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
	b.SetBytes(large)
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
