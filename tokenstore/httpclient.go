package tokenstore

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
)

// HTTPClient returns a client that sends each request with the user's access
// token, for the API clients of Google and others, also when the user is away.
//
// The token goes to [Config].Hosts only. A request for another host, or for one
// of them without TLS, is refused before anything is sent. Where a redirect
// leads to another host, the request goes there without the token, as the
// signed URLs of downloads want it.
//
// After a 401 the token is replaced and the request is sent once more, if it has
// no body or one that GetBody can repeat. An error about the token, such as
// [*ConsentError], comes through the [*url.Error] of the client.
//
// All clients of a Manager share the connections of [Config].Transport.
func (m *Manager) HTTPClient(subject string) *http.Client {
	return &http.Client{Transport: &bearer{m, strings.Clone(subject)}}
}

// bearer is the transport of one user.
type bearer struct {
	m       *Manager
	subject string
}

// RoundTrip implements [http.RoundTripper].
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	redirect, sameHost := followed(req)
	if redirect && !(sameHost && b.m.hosts.allow(req.URL)) {
		return b.m.roundTrip(req)
	}
	if !b.m.hosts.allow(req.URL) {
		closeBody(req)
		return nil, fmt.Errorf("tokenstore: no access token is sent to %s://%s: it is none of Config.Hosts", req.URL.Scheme, req.URL.Host)
	}
	tok, err := b.m.Token(req.Context(), b.subject)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := b.send(req, tok)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if !b.m.replaceRefused(b.subject, tok.AccessToken) {
		return resp, nil
	}
	return b.replay(req, resp)
}

func (b *bearer) send(req *http.Request, tok *oauth2.Token) (*http.Response, error) {
	req = req.Clone(req.Context())
	tok.SetAuthHeader(req)
	return b.m.roundTrip(req)
}

// roundTrip sees to it that the response names its request, which not every
// transport does: [followed] recognises a redirect by that.
func (m *Manager) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.transport.RoundTrip(req)
	if err == nil && resp.Request == nil {
		resp.Request = req
	}
	return resp, err
}

// replay sends the request again with a new token, where that is possible.
func (b *bearer) replay(req *http.Request, resp *http.Response) (*http.Response, error) {
	again := *req
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return resp, nil
		}
		body, err := req.GetBody()
		if err != nil {
			return resp, nil
		}
		again.Body = body
	}
	drain(resp)
	tok, err := b.m.Token(req.Context(), b.subject)
	if err != nil {
		closeBody(&again)
		return nil, err
	}
	b.m.stats.replayed.Add(1)
	b.m.event(req.Context(), slog.LevelDebug, eventReplayed, b.subject)
	return b.send(&again, tok)
}

// drain leaves the connection to the next request.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// maxIdle is how many connections to one host the default transport keeps open.
const maxIdle = 256

func defaultTransport() http.RoundTripper {
	shared, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := shared.Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, maxIdle
	return t
}
