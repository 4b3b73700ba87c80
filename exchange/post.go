package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/detach"
	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

const (
	// callTimeout bounds one call to Google, from the connection to the last
	// byte of the response.
	callTimeout = 30 * time.Second

	// maxResponse bounds the body of a response; Google's have a few kilobytes.
	maxResponse = 1 << 20

	// usualResponse is room for a body of unknown length.
	usualResponse = 2 << 10
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

// A form is the parameters of a request, in the order in which they are sent.
type form []param

type param struct{ name, value string }

// value returns the value of the parameter name, or "".
func (f form) value(name string) string {
	for _, p := range f {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

func (f form) encode() string {
	var b strings.Builder
	b.Grow(512)
	for i, p := range f {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name) // no name needs escaping
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.value))
	}
	return b.String()
}

// requestTokens sends f, the client's credentials and a proof of key, if it is not
// nil, to the token endpoint once. It sets sent if the provider may have acted on
// it. An error is an *Error.
func (c *Client) requestTokens(ctx context.Context, op string, f form, key *dpopKey, sent *bool) (*response, error) {
	if ctx.Err() != nil {
		return nil, notBegun(ctx, op)
	}
	timed, cancel := detach.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer timed.Release()
	secret, err := c.secret(timed)
	if err != nil {
		return nil, &Error{Op: op, kind: ErrTemporary, reason: "there is no client secret", cause: ctxerr.With(timed, f.secrets().cleanError(err)),
			hint: "Config.ClientSecretFunc has failed: see what it reads the secret from."}
	}
	f = append(f, param{"client_id", c.cfg.ClientID})
	if secret != "" {
		f = append(f, param{"client_secret", secret})
	}
	resp, err := c.sendProved(timed, op, f, key, sent)
	if err != nil {
		return nil, err
	}
	if err := resp.tokenFailure(op, f); err != nil {
		return nil, err
	}
	delete(resp.fields, thumbprintField) // which is not the provider's to say
	if key != nil {
		resp.fields[thumbprintField] = key.thumbprint
	}
	return resp, nil
}

// post sends f once, without credentials.
func (c *Client) post(ctx context.Context, op string, address *url.URL, f form) (*response, error) {
	if ctx.Err() != nil {
		return nil, notBegun(ctx, op)
	}
	timed, cancel := detach.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer timed.Release()
	return c.send(timed, op, address, f, "")
}

// send sends f once and reads the response. An *Error says that there is none, or
// not all of it.
func (c *Client) send(ctx context.Context, op string, address *url.URL, f form, proof string) (*response, error) {
	var t transmission
	resp := &response{asked: c.cfg.Now()}
	req := t.request(ctx, address, f.encode())
	if proof != "" {
		req.Header["Dpop"] = []string{proof}
	}
	body, answered, err := c.do(req, resp)
	if err != nil {
		cause := &url.Error{Op: "Post", URL: address.String(), Err: ctxerr.With(ctx, f.secrets().cleanError(err))}
		return nil, noResponse(op, answered || !t.unconnected(), err, cause)
	}
	resp.fields = fieldsOf(body)
	return resp, nil
}

// do sends req and reads the response into into. http.Client.Do would follow a
// redirect, and send the code and the secret to another address. With an error,
// answered reports whether there was a response all the same.
func (c *Client) do(req *http.Request, into *response) (body []byte, answered bool, err error) {
	resp, err := c.roundTrip(req)
	if err == nil && resp == nil { // a transport of a test, most likely
		err = errors.New("the transport has returned neither a response nor an error")
	}
	if err != nil {
		return nil, false, err
	}
	into.header = resp.Header
	into.status, into.retryAfter = resp.StatusCode, retry.After(resp.Header, into.asked)
	if resp.Body == nil { // transports of tests may leave it out, as http.Client lets them
		return nil, true, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, true, nil // Body is the raw connection: reading it does not stop when ctx ends
	}
	size := resp.ContentLength
	if size < 0 || size > maxResponse {
		size = usualResponse
	}
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	// Read to the end, or the connection cannot be used again.
	_, err = b.ReadFrom(io.LimitReader(resp.Body, maxResponse+1))
	if b.Len() > maxResponse { // what is cut off might read as whole
		return nil, true, err
	}
	return b.Bytes(), true, err
}

// noResponse returns the failure of a request that got no response, or not all of
// it. Callers see cause, which is err without secrets. A transport may not report
// whether it has sent anything; then err may.
func noResponse(op string, sent bool, err, cause error) error {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		// Not to be tried again: it is still wrong in a second.
		return &Error{Op: op, kind: ErrTemporary, cause: cause,
			hint: "The endpoint's certificate is not trusted: look at this machine's clock and root certificates, and for a proxy that shows one of its own."}
	}
	return &Error{Op: op, kind: ErrTemporary, cause: cause, retry: true, ambiguous: sent && !undialled(err)}
}

// undialled reports whether err says that there was no connection to send
// anything on.
func undialled(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// A transmission records how far a transport has got with one request, as far as
// the transport reports it (net/http/httptrace).
type transmission struct {
	trace     httptrace.ClientTrace
	asked     atomic.Bool // for a connection
	connected atomic.Bool // there is one: the request may have been sent
	written   atomic.Bool // the whole request
}

// request returns the request that t records.
func (t *transmission) request(ctx context.Context, address *url.URL, body string) *http.Request {
	t.trace = httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				t.written.Store(true)
			}
		},
	}
	to := *address
	req := &http.Request{
		Method:        http.MethodPost,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		URL:           &to,
		Host:          to.Host,
		Header:        http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		// With HTTP/2 a transport sends a request again when the server resets the
		// stream. It must not once the request is sent. Before that it may: a kept
		// connection that turns out to be closed is no failure.
		GetBody: func() (io.ReadCloser, error) {
			if t.written.Load() {
				return nil, errors.New("the request is sent, and not sent again")
			}
			return io.NopCloser(strings.NewReader(body)), nil
		},
	}
	return req.WithContext(httptrace.WithClientTrace(ctx, &t.trace))
}

// unconnected reports whether there was no connection to send anything on: the
// address was not reached, a proxy refused, or the TLS handshake failed. It is
// false if the transport reports nothing.
func (t *transmission) unconnected() bool { return t.asked.Load() && !t.connected.Load() }
