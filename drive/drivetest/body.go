package drivetest

import (
	"compress/gzip"
	"io"
	"net/http"
)

// overridden undoes X-HTTP-Method-Override: clients whose HTTP library lacks a
// method (Java's has no PATCH) send it as POST, and a GET too long for a URL with
// its parameters in the body.
func overridden(r *http.Request) *http.Request {
	method := r.Header.Get("X-HTTP-Method-Override")
	if r.Method != http.MethodPost || method == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.Method = method
	if method == http.MethodGet {
		query, _ := io.ReadAll(io.LimitReader(r.Body, maxMetadata))
		r.URL.RawQuery = string(query)
	}
	return r
}

// countingReader logs how much of a body arrived.
type countingReader struct {
	io.ReadCloser
	call *call
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.call.srv.mu.Lock()
	c.call.entry.BodySize += int64(n)
	c.call.srv.mu.Unlock()
	return n, err
}

// cutReader breaks off after n bytes.
type cutReader struct {
	io.ReadCloser
	n int64
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.n <= 0 {
		return 0, errCut
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.n)])
	c.n -= int64(n)
	return n, err
}

// decoded undoes Content-Encoding: gzip, which Google's client for Java uses.
func decoded(r *http.Request) *http.Request {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r
	}
	r = r.WithContext(r.Context())
	r.Body = &gzipBody{ReadCloser: r.Body}
	return r
}

type gzipBody struct {
	io.ReadCloser
	z *gzip.Reader
}

func (g *gzipBody) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.ReadCloser)
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(p)
}
