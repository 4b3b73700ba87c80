package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redactoauth"
)

// maxErrorBody and maxAnswer bound how much is read of a refusal and of any other
// JSON answer. A thousand files with the longest properties are a few megabytes.
const (
	maxErrorBody = 64 << 10
	maxAnswer    = 32 << 20
)

// userAgent contains the word gzip because Google compresses answers only then
// (https://developers.google.com/workspace/drive/api/guides/performance#gzip).
const userAgent = "googlesignin-drive (gzip)"

// parseEndpoint returns the root of the API. The path that Google's generated
// clients want, /drive/v3, is taken off.
func parseEndpoint(s string) (*url.URL, error) {
	if s == "" {
		s = defaultEndpoint
	}
	u, err := url.Parse(strings.Clone(s))
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want scheme, host and perhaps a path")
	}
	if !endpoint.Secure(u) {
		return nil, errors.New("want https, or http on a loopback address")
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/drive/v3") + "/" // JoinPath wants it
	u.RawPath = ""
	return u, nil
}

// newHTTPClient returns the client for every request: the configured one, or one
// that sends the configured tokens. It sends nothing to another host.
func newHTTPClient(cfg Config, endpoint *url.URL) *http.Client {
	client := &http.Client{}
	if cfg.HTTPClient != nil {
		*client = *cfg.HTTPClient
	}
	if cfg.TokenSource != nil {
		client.Transport = &tokenTransport{cfg.TokenSource}
	}
	follow := client.CheckRedirect
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch {
		case req.URL.Host != endpoint.Host || req.URL.Scheme != endpoint.Scheme:
			return http.ErrUseLastResponse // the bearer token would go along
		case len(via) >= 10:
			return &redirectError{errors.New("stopped after 10 redirects")}
		case follow == nil:
			return nil
		}
		err := follow(req, via)
		if err == nil || err == http.ErrUseLastResponse {
			return err
		}
		return &redirectError{err}
	}
	return client
}

// A redirectError says why a redirect was not followed. The connection was good.
type redirectError struct{ err error }

func (e *redirectError) Error() string { return e.err.Error() }
func (e *redirectError) Unwrap() error { return e.err }

// A tokenTransport adds an access token to each request.
type tokenTransport struct{ source oauth2.TokenSource }

func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.source.Token()
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, &tokenError{redactoauth.WithoutBody(err)}
	}
	req = req.Clone(req.Context())
	token.SetAuthHeader(req)
	return http.DefaultTransport.RoundTrip(req)
}

// A Request is one request to Drive, for [Config.Observe]. It has no name of a document
// and no content.
type Request struct {
	// Op is the method of the Drive API: files.list, files.get, files.create,
	// files.update, files.delete or files.generateIds; files.media for the content of a
	// file; and upload.start, upload.chunk or upload.status of a large upload.
	Op string

	// Status is the HTTP status of the answer. If 0, there was none.
	Status int

	// Duration is the time from the start of the request to the head of its answer.
	Duration time.Duration

	// Attempt is 1 for the first try of a request, 2 for the second, and so on.
	Attempt int

	// Units is how many quota units the request costs by Google's table
	// (https://developers.google.com/workspace/drive/api/guides/limits#per-method-quota).
	// If 0, the table has no figure for it.
	Units int
}

// units returns what Google counts for a request.
func units(op string) int {
	switch op {
	case opGet:
		return 5
	case opCreate, opUpdate, opUploadStart:
		return 50
	case opList:
		return 100
	case opMedia:
		return 200
	}
	return 0
}

// The operations of [Request.Op].
const (
	opList         = "files.list"
	opGet          = "files.get"
	opMedia        = "files.media"
	opCreate       = "files.create"
	opUpdate       = "files.update"
	opDelete       = "files.delete"
	opGenerateIDs  = "files.generateIds"
	opUploadStart  = "upload.start"
	opUploadChunk  = "upload.chunk"
	opUploadStatus = "upload.status"
)

// A call is one request of the Drive API.
type call struct {
	op     string
	verb   string
	url    string
	header http.Header
	body   func() io.ReadCloser // returns the body from its beginning; nil: there is none
	length int64                // of the body
}

// newCall returns a call below the root of the API, with the parameters that Google's
// clients send along.
func (f *AppFolder) newCall(op, verb string, query url.Values, path ...string) call {
	at := f.endpoint.JoinPath(path...)
	if query == nil {
		query = make(url.Values)
	}
	query.Set("alt", "json")
	query.Set("prettyPrint", "false")
	at.RawQuery = query.Encode()
	return call{op: op, verb: verb, url: at.String(), header: make(http.Header)}
}

// fileCall returns a call for the file that has id.
func (f *AppFolder) fileCall(op, verb, id string, query url.Values) call {
	return f.newCall(op, verb, query, "drive/v3/files", url.PathEscape(id))
}

// setBody gives c a body that is in memory.
func (c *call) setBody(contentType string, data []byte) {
	c.header.Set("Content-Type", contentType)
	c.body = func() io.ReadCloser { return io.NopCloser(bytes.NewReader(data)) }
	c.length = int64(len(data))
}

// do sends c once. It returns a success, or the 308 of an incomplete upload. Any
// other answer is an *Error.
func (f *AppFolder) do(ctx context.Context, c call) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, c.verb, c.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header = c.header.Clone()
	req.Header.Set("User-Agent", userAgent)
	if c.body != nil {
		req.Body = c.body()
		req.GetBody = func() (io.ReadCloser, error) { return c.body(), nil }
		req.ContentLength = c.length
	}
	began := time.Now()
	res, err := f.client.Do(req)
	f.report(ctx, c.op, res, time.Since(began))
	if err != nil {
		return nil, err
	}
	res.Body = &answerBody{res.Body}
	if isRefusal(res.StatusCode) {
		return nil, refusalOf(res)
	}
	return res, nil
}

// report tells the observer about a request. If res is nil, there was no answer.
func (f *AppFolder) report(ctx context.Context, op string, res *http.Response, took time.Duration) {
	if f.observe == nil {
		return
	}
	r := Request{Op: op, Duration: took, Attempt: attemptNumber(ctx), Units: units(op)}
	if res != nil {
		r.Status = res.StatusCode
	}
	f.observe(r)
}

// isRefusal reports whether an answer has a reason in its body. The 308 of an
// incomplete upload has none.
func isRefusal(status int) bool {
	return (status < 200 || status > 299) && status != http.StatusPermanentRedirect
}

// refusalOf reads a refusal to its end first: half of one is no refusal, but a
// connection that has broken.
func refusalOf(res *http.Response) error {
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return errBadAnswer // Body is the raw connection: reading it does not stop when ctx ends
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		return err
	}
	api, ok := errors.AsType[*googleapi.Error](googleapi.CheckResponseWithBody(res, body))
	if !ok {
		return errBadAnswer
	}
	return newError(api)
}

// fetch sends c and decodes the answer, a JSON object, into v.
func (f *AppFolder) fetch(ctx context.Context, c call, v any) error {
	res, err := f.do(ctx, c)
	if err != nil {
		return err
	}
	return decode(res, v)
}

func decode(res *http.Response, v any) error {
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return err
	}
	if len(data) > maxAnswer || res.StatusCode == http.StatusPermanentRedirect {
		return errBadAnswer
	}
	answer := json.NewDecoder(bytes.NewReader(data))
	switch err := answer.Decode(v); err {
	case nil:
		if _, err := answer.Token(); err == io.EOF {
			return nil
		}
	case io.EOF, io.ErrUnexpectedEOF: // half an answer looks whole where no length was announced
		return &bodyError{io.ErrUnexpectedEOF}
	}
	return errBadAnswer // without the decoder's error, which quotes the answer
}

// An answerBody marks the errors of reading an answer, so that they are known
// wherever they come out.
type answerBody struct{ io.ReadCloser }

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &bodyError{err}
	}
	return n, err
}

// A bodyError says why an answer has no end.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }
