package drive

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// maxErrorBody bounds what is read of an answer that is not a success.
const maxErrorBody = 64 << 10

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
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/drive/v3")
	u.RawPath = ""
	return u, nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// newHTTPClient returns the client for every request: the configured one, which
// sends nothing to another host and reads little of an error.
func newHTTPClient(cfg Config, endpoint *url.URL) *http.Client {
	client := &http.Client{}
	if cfg.HTTPClient != nil {
		*client = *cfg.HTTPClient
	}
	t := &transport{base: client.Transport}
	if t.base == nil {
		t.base = http.DefaultTransport
	}
	if cfg.TokenSource != nil {
		t.tokens = oauth2.ReuseTokenSource(nil, cfg.TokenSource)
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
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.tokens != nil {
		token, err := t.tokens.Token()
		if err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, &tokenError{err}
		}
		req = req.Clone(req.Context())
		token.SetAuthHeader(req)
	}
	res, err := t.base.RoundTrip(req)
	if err == nil && res.StatusCode >= http.StatusMultipleChoices {
		res.Body = limitedBody{io.LimitReader(res.Body, maxErrorBody), res.Body}
	}
	return res, err
}

type limitedBody struct {
	io.Reader
	io.Closer
}

// tokenError marks an error of the token source: none of its causes is a broken
// connection to Drive.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return fmt.Sprintf("access token: %v", e.err) }
func (e *tokenError) Unwrap() error { return e.err }
