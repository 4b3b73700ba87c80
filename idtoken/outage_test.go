package idtoken_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

func refused(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func answer(status int, body io.Reader) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	}
}

// letters is an endless body.
type letters struct{ read *atomic.Int64 }

func (l letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	l.read.Add(int64(len(p)))
	return len(p), nil
}

func TestEndpointDown(t *testing.T) {
	var read atomic.Int64
	for name, failure := range map[string]func(*http.Request) (*http.Response, error){
		"refused":          refused,
		"hangs":            hangs,
		"500":              answer(500, strings.NewReader("secret-body")),
		"404":              answer(404, strings.NewReader("{}")),
		"204":              answer(204, http.NoBody),
		"300 with keys":    answer(300, bytes.NewReader(bubbleIssuer().JWKS())),
		"HTML":             answer(200, strings.NewReader("<html>secret-body</html>")),
		"empty":            answer(200, http.NoBody),
		"empty object":     answer(200, strings.NewReader("{}")),
		"no keys":          answer(200, strings.NewReader(`{"keys":[]}`)),
		"null":             answer(200, strings.NewReader(`null`)),
		"array":            answer(200, strings.NewReader(`[]`)),
		"endless":          answer(200, letters{&read}),
		"truncated":        answer(200, io.MultiReader(strings.NewReader(`{"keys":[`), errorReader{})),
		"cut without word": answer(200, strings.NewReader(`{"keys":[{"kty":"RSA",`)),
		"redirect": func(r *http.Request) (*http.Response, error) {
			resp, err := answer(302, http.NoBody)(r)
			resp.Header.Set("Location", "https://attacker.example/keys")
			return resp, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			withRemote(t, func(t *testing.T, r *remote) {
				r.fail(failure)
				start := time.Now()
				r.expect(t, r.token(), idtoken.ErrKeysUnavailable)
				if took := time.Since(start); took > 11*time.Second {
					t.Errorf("gave up after %v", took)
				}
				_, err := r.verifier.Verify(t.Context(), r.token())
				if err == nil || strings.Contains(err.Error(), "secret-body") {
					t.Errorf("error is %v", err)
				}
				r.fail(nil)
				r.expect(t, r.token(), nil) // at once
				r.expectFetches(t, 3)

				r.fail(failure)
				time.Sleep(24 * time.Hour) // Google's max-age is over
				for range 5 {
					r.expect(t, r.token(), nil)
				}
				r.expectFetches(t, 4)
				time.Sleep(2 * 24 * time.Hour)
				r.expect(t, r.token(), idtoken.ErrKeysUnavailable)
				r.fail(nil)
				r.expect(t, r.token(), nil)
			})
		})
	}
	if read.Load() > 100<<20 {
		t.Errorf("%d bytes of an endless body were read", read.Load())
	}
}

// TestStaleKeys pins for how long expired keys serve: a day to the second.
func TestStaleKeys(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		const left = 2 * time.Second
		start := time.Now()
		r.expect(t, r.token(), nil)
		r.fail(refused)
		time.Sleep(23474*time.Second + 24*time.Hour - left - time.Since(start))
		r.expect(t, r.token(), nil) // after an attempt of a second
		time.Sleep(left - time.Second - time.Nanosecond)
		r.expect(t, r.token(), nil)
		time.Sleep(time.Nanosecond)
		r.expect(t, r.token(), idtoken.ErrKeysUnavailable)
	})
}

// TestLongKeySet pins the limit of a key set, to the byte.
func TestLongKeySet(t *testing.T) {
	for size, want := range map[int]error{1 << 20: nil, 1<<20 + 1: idtoken.ErrKeysUnavailable} {
		withRemote(t, func(t *testing.T, r *remote) {
			keys := bytes.TrimSpace(r.issuer.JWKS())
			r.fail(answer(200, io.MultiReader(bytes.NewReader(keys), strings.NewReader(strings.Repeat(" ", size-len(keys))))))
			r.expect(t, r.token(), want)
		})
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestStaleWait pins who waits while the endpoint hangs: once per interval, and
// together.
func TestStaleWait(t *testing.T) {
	withRemote(t, func(t *testing.T, r *remote) {
		r.expect(t, r.token(), nil)
		r.fail(hangs)
		time.Sleep(24 * time.Hour)
		for interval := range 3 {
			token := r.token()
			start := time.Now()
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					r.expect(t, token, nil)
					if took := time.Since(start); took != 10*time.Second {
						t.Errorf("waited %v, want the fetch's timeout", took)
					}
				})
			}
			wg.Wait()
			start = time.Now()
			for range 20 {
				r.expect(t, token, nil)
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("within the interval: waited %v", took)
			}
			r.expectFetches(t, int64(interval)+2)
			time.Sleep(10 * time.Second)
		}
	})
}
