package drive_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// Content that is longer than announced is not stored: the last byte announced
// is not sent.
func TestLastByteWaitsForTheEnd(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"seekable": bytes.NewReader(random(3 * chunk)),
		"stream":   stream(random(3 * chunk)),
	} {
		srv := newServer(t, drivetest.Options{})
		var sent int64
		folder := open(t, drive.Config{Endpoint: srv.URL, ChunkSize: chunk, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				n, err := io.Copy(io.Discard, r.Body)
				sent += n
				if err != nil {
					return nil, err
				}
				r.Body = io.NopCloser(io.LimitReader(zeros{}, n))
			}
			return srv.Client().Transport.RoundTrip(r)
		})}})
		if _, err := folder.Put(t.Context(), "a.bin", r, drive.PutOptions{Size: 2 * chunk}); err == nil || sent >= 2*chunk {
			t.Errorf("%s: %v after %d bytes", name, err, sent)
		}
	}
}
