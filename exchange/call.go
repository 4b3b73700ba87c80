package exchange

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

const (
	// callTimeout bounds one call to Google, from the connection to the last
	// byte of the answer.
	callTimeout = 30 * time.Second

	// maxAnswer bounds the body of an answer; Google's are a few kilobytes.
	maxAnswer = 1 << 20
)

// The operations, as Error.Op names them.
const (
	opAuthorize = "authorize"
	opExchange  = "exchange"
	opRefresh   = "refresh"
	opRevoke    = "revoke"
	opCallback  = "callback"
	opReadCode  = "read code"
)

// An answer is what came back from one POST.
type answer struct {
	status int
	fields map[string]any // of the JSON object in the body; nil: there is none
	after  time.Duration  // Retry-After
	asked  time.Time      // when the request was about to be sent
}

// post sends form once and reads the answer. An *Error says that there is none,
// or not all of it.
func (c *Client) post(ctx context.Context, op, address string, form url.Values) (*answer, *Error) {
	if ctx.Err() != nil {
		return nil, &Error{Op: op, kind: ErrTemporary, cause: context.Cause(ctx)}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var trace connTrace
	req, err := http.NewRequestWithContext(trace.watch(ctx), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &Error{Op: op, kind: ErrClient, reason: "the endpoint is not a URL"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")

	a := &answer{asked: c.cfg.Now()}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, noAnswer(op, c.secretsOf(form).cleanError(err), trace.unsent(err))
	}
	defer resp.Body.Close()
	// Read to the end, or the connection cannot be used again.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, noAnswer(op, c.secretsOf(form).cleanError(err), false)
	}
	a.status, a.after = resp.StatusCode, retry.After(resp.Header, a.asked)
	if len(body) > maxAnswer || json.Unmarshal(body, &a.fields) != nil {
		a.fields = nil
	}
	return a, nil
}

// noAnswer is the failure of a call that got none.
func noAnswer(op string, cause error, unsent bool) *Error {
	e := &Error{Op: op, kind: ErrTemporary, cause: cause, ambiguous: !unsent}
	// A certificate that is wrong now is still wrong in a second.
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](cause)
	e.retry = !untrusted
	return e
}

// connTrace watches whether a request gets a connection. A transport that is
// not an *http.Transport may report nothing.
type connTrace struct{ asked, got atomic.Bool }

func (t *connTrace) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.got.Store(true) },
	})
}

// unsent reports whether it is certain that nothing was sent of a request that
// failed with err.
func (t *connTrace) unsent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	return t.asked.Load() && !t.got.Load()
}
