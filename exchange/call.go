package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
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

// A param is one field of a form, in the order in which it is sent.
type param struct{ name, value string }

func encode(form []param) string {
	var b strings.Builder
	b.Grow(512)
	for i, p := range form {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name) // names of ours need no escaping
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.value))
	}
	return b.String()
}

// post sends form once and reads the answer. An *Error says that there is none,
// or not all of it.
func (c *Client) post(ctx context.Context, op, address string, form []param) (*answer, *Error) {
	if ctx.Err() != nil {
		return nil, notBegun(ctx, op)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(encode(form)))
	if err != nil {
		return nil, &Error{Op: op, kind: ErrClient, reason: "the endpoint is not a URL"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	a := &answer{asked: c.cfg.Now()}
	body, sent, err := c.roundTripOnce(req, a)
	if err != nil {
		failed := noAnswer(op, sent, err)
		failed.cause = &url.Error{Op: "Post", URL: address, Err: ctxerr.With(ctx, c.secretsOf(form).cleanError(err))}
		return nil, failed
	}
	if len(body) <= maxAnswer {
		a.fields = fieldsOf(body)
	}
	return a, nil
}

// fieldsOf returns the members of the JSON object that body is, with numbers as
// float64; nil if it is none. What is beyond float64 becomes the largest, where
// json.Unmarshal would fail: no number is worth losing tokens for.
func fieldsOf(body []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF { // more after it
		return nil
	}
	for name, v := range fields {
		if n, ok := v.(json.Number); ok {
			f, _ := n.Float64() // infinite, where it is out of range
			fields[name] = max(-math.MaxFloat64, min(f, math.MaxFloat64))
		}
	}
	return fields
}

// roundTripOnce is not http.Client.Do: to that a redirect is not an answer, but
// a reason to send the code and the secret to wherever it points. With an error,
// sent says whether anything can have been sent.
func (c *Client) roundTripOnce(req *http.Request, a *answer) (body []byte, sent bool, err error) {
	var s sending
	resp, err := c.roundTrip(s.once(req))
	if err == nil && resp == nil { // a transport of a test, most likely
		err = errors.New("the transport has returned neither a response nor an error")
	}
	if err != nil {
		return nil, !s.unconnected(), err
	}
	a.status, a.after = resp.StatusCode, retry.After(resp.Header, a.asked)
	if resp.Body == nil { // transports of tests may leave it out, as http.Client lets them
		return nil, true, nil
	}
	defer resp.Body.Close()
	// Read to the end, or the connection cannot be used again.
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	return body, true, err
}

// noAnswer is the failure of a call that got no answer, or not all of it. Of a
// transport that does not say whether it has sent anything, err may.
func noAnswer(op string, sent bool, err error) *Error {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		// Not to be tried again: it is still wrong in a second.
		return &Error{Op: op, kind: ErrTemporary,
			hint: "The endpoint's certificate is not trusted: look at this machine's clock and root certificates, and for a proxy that shows one of its own."}
	}
	return &Error{Op: op, kind: ErrTemporary, retry: true, ambiguous: sent && !undialled(err)}
}

// undialled reports whether err says that there was no connection to send
// anything on.
func undialled(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}
