// Package bearer sends HTTP requests with an access token, to some hosts only.
package bearer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// A Source has the access tokens of one user.
type Source interface {
	Token(ctx context.Context) (*oauth2.Token, error)
	// Refused is called after a 401, and Insufficient after a 403 that says that
	// the token lacks a scope. scopes are those named, of which the API wants one;
	// nil: it does not say. They report whether the request may succeed with
	// another token, which Token then returns.
	Refused(accessToken string) bool
	Insufficient(ctx context.Context, accessToken string, scopes []string) bool
	// Replayed is called for each request that is sent again.
	Replayed(ctx context.Context)
}

// A Transport is the [http.RoundTripper] of one user.
type Transport struct {
	Source Source
	Hosts  Hosts
	Base   http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	redirect, sameHost := followed(req)
	wrong := t.Hosts.refuse(req)
	if redirect && (wrong != "" || !sameHost) {
		return t.send(req, req)
	}
	if wrong != "" {
		closeBody(req)
		return nil, fmt.Errorf("tokenstore: no access token is sent to %s://%s: %s", req.URL.Scheme, req.URL.Host, wrong)
	}
	resp, value, err := t.sendWithToken(req, req)
	if err != nil || !t.replaces(req.Context(), resp, value) {
		return resp, err
	}
	again := *req
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return resp, nil
		}
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil
		}
	}
	drain(resp.Body)
	resp, _, err = t.sendWithToken(req, &again)
	return resp, err
}

// sendWithToken sends req, which may repeat the original request, with the user's
// token. It returns the token's value too.
func (t *Transport) sendWithToken(original, req *http.Request) (resp *http.Response, value string, err error) {
	tok, err := t.Source.Token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, "", err
	}
	if req != original {
		t.Source.Replayed(req.Context())
	}
	withToken := req.Clone(req.Context())
	tok.SetAuthHeader(withToken)
	resp, err = t.send(original, withToken)
	return resp, tok.AccessToken, err
}

// send sends req. The response names the original request: that shows no token,
// and [followed] recognises a redirect by it.
func (t *Transport) send(original, req *http.Request) (*http.Response, error) {
	resp, err := t.Base.RoundTrip(req)
	if err == nil {
		resp.Request = original
	}
	return resp, err
}

// replaces reports whether the request may succeed with another token than value.
func (t *Transport) replaces(ctx context.Context, resp *http.Response, value string) bool {
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return t.Source.Refused(value)
	case http.StatusForbidden:
		scopes, ok := insufficientScope(resp.Header)
		return ok && t.Source.Insufficient(ctx, value, scopes)
	}
	return false
}

// insufficientScope reports whether a response says that the token lacks a scope
// (RFC 6750 section 3.1), and which scopes it names.
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

// DefaultBase is like [http.DefaultTransport] and keeps more connections.
func DefaultBase() http.RoundTripper {
	shared, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := shared.Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, maxIdle
	return t
}
