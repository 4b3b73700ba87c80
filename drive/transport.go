package drive

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// How much is read of an answer that is no content: of one that is not a success,
// and of one that is, where a thousand files with the longest properties are few
// megabytes.
const (
	maxErrorBody = 64 << 10
	maxAnswer    = 32 << 20
)

// parseEndpoint returns the root of the API, which may also be spelled with the
// path that the generated client wants.
func parseEndpoint(s string) (*url.URL, error) {
	if s == "" {
		s = DefaultEndpoint
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want scheme, host and perhaps a path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("want https, or http on a loopback address")
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/drive/v3") + "/" // JoinPath wants it
	u.RawPath = ""
	return u, nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// newHTTPClient returns the client for every request: the configured one, which
// sends nothing to another host, and reads at most limit bytes of an answer that
// is a success.
func newHTTPClient(cfg Config, endpoint *url.URL, limit int64) *http.Client {
	client := &http.Client{}
	if cfg.HTTPClient != nil {
		*client = *cfg.HTTPClient
	}
	t := &transport{base: client.Transport, tokens: cfg.TokenSource, limit: limit}
	if t.base == nil {
		t.base = http.DefaultTransport
	}
	client.Transport = t
	follow := client.CheckRedirect
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch {
		case req.URL.Host != endpoint.Host || req.URL.Scheme != endpoint.Scheme:
			return http.ErrUseLastResponse // the bearer token would go along
		case follow != nil:
			return follow(req, via)
		case len(via) >= 10:
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return client
}

type transport struct {
	tokens oauth2.TokenSource // nil: base adds them
	base   http.RoundTripper
	limit  int64
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.tokens != nil {
		token, err := t.tokens.Token()
		if err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, &tokenError{withoutBody(err)}
		}
		req = req.Clone(req.Context())
		token.SetAuthHeader(req)
	}
	res, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if isRefusal(res.StatusCode) {
		return readRefusal(res)
	}
	res.Body = &limitedBody{res.Body, t.limit}
	return res, nil
}

// isRefusal reports whether an answer has a reason in its body. An upload's
// "resume incomplete" has none.
func isRefusal(status int) bool {
	return status >= http.StatusMultipleChoices && status != http.StatusPermanentRedirect
}

// readRefusal reads the body ahead: the generated client would take half of one for
// a refusal without a reason, where the connection is what has failed.
func readRefusal(res *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// A limitedBody has no end, unlike an io.LimitedReader, where it is cut off: half
// an answer would be asked for again.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errBadAnswer
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
