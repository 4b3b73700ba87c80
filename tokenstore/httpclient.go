package tokenstore

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// HTTPClient returns a client that sends each request with the user's access
// token, for the API clients of Google and others, also when the user is away.
//
// The token goes to [Config].Hosts only. A request for another host, with a Host
// header that names another one, or without TLS is refused before anything is
// sent. If a redirect leads to another host, the request goes there without the
// token, as the signed URLs of downloads want it.
//
// After a 401 the token is replaced and the request is sent once more, if it has
// no body or one that GetBody can repeat. After a 403 whose WWW-Authenticate
// header says insufficient_scope (RFC 6750 section 3.1) the record is read: if
// the user has granted more since, the request is sent once more with a token of
// that grant. An error about the token, such as [*ConsentError], comes through
// the [*url.Error] of the client.
//
// The Request of a response is the one that the client was given, so it does not
// show the token.
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
	wrong := b.m.hosts.refuse(req)
	if redirect && (wrong != "" || !sameHost) {
		return b.m.roundTrip(req)
	}
	if wrong != "" {
		closeBody(req)
		return nil, fmt.Errorf("tokenstore: no access token is sent to %s://%s: %s", req.URL.Scheme, req.URL.Host, wrong)
	}
	tok, err := b.m.Token(req.Context(), b.subject)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := b.send(req, tok)
	if err != nil || !b.replaces(req.Context(), resp, tok.AccessToken) {
		return resp, err
	}
	return b.replay(req, resp)
}

func (b *bearer) send(req *http.Request, tok *oauth2.Token) (*http.Response, error) {
	withToken := req.Clone(req.Context())
	tok.SetAuthHeader(withToken)
	resp, err := b.m.roundTrip(withToken)
	if err == nil {
		resp.Request = req
	}
	return resp, err
}

// replaces reports whether the request may succeed with another token than value,
// and makes Token return that.
func (b *bearer) replaces(ctx context.Context, resp *http.Response, value string) bool {
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return b.m.replaceRefused(b.subject, value)
	case http.StatusForbidden:
		scopes, ok := insufficientScope(resp.Header)
		return ok && b.m.replaceNarrow(ctx, b.subject, value, scopes)
	}
	return false
}

// insufficientScope reports whether a response says that the token lacks a scope
// (RFC 6750 section 3.1). scopes are those that it names, of which Google's APIs
// want one; none: it does not say.
func insufficientScope(h http.Header) (scopes []string, ok bool) {
	for _, challenge := range h.Values("WWW-Authenticate") {
		scheme, _, _ := strings.Cut(challenge, " ")
		if strings.EqualFold(scheme, "Bearer") && strings.Contains(challenge, "insufficient_scope") {
			_, list, _ := strings.Cut(challenge, `scope="`)
			list, _, _ = strings.Cut(list, `"`)
			return strings.Fields(list), true
		}
	}
	return nil, false
}

// replaceNarrow reads the record, which drops the cached token if the record is
// of another grant. It reports whether that is so, and the grant has one of the
// scopes.
func (m *Manager) replaceNarrow(ctx context.Context, subject, value string, scopes []string) bool {
	u, err := m.acquire(subject)
	if err != nil {
		return false
	}
	defer m.release(u)
	g, err := m.load(ctx, u)
	if err != nil || g.State != Active || g.Scopes != nil && len(scopes) > 0 && len(g.Missing(scopes...)) == len(scopes) {
		return false
	}
	c := u.cached.Load()
	return c == nil || c.value != value
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

// replay sends the request again with a new token, if the request can be repeated.
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
	drain(resp.Body)
	tok, err := b.m.Token(req.Context(), b.subject)
	if err != nil {
		closeBody(&again)
		return nil, err
	}
	b.m.stats.replayed.Add(1)
	b.m.event(req.Context(), slog.LevelDebug, eventReplayed, b.subject)
	resp, err = b.send(&again, tok)
	if err == nil {
		resp.Request = req
	}
	return resp, err
}

// drainTime is how long a response that is not wanted is read.
const drainTime = 100 * time.Millisecond

// drain reads the rest of a response, so that its connection serves the next
// request. If the rest is long or does not come, it gives the connection up.
func drain(body io.ReadCloser) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.CopyN(io.Discard, body, 64<<10)
		_ = body.Close()
	}()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
		go body.Close() // ends the Read of a body that is stalled
	}
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
