package drive

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// try runs op until it succeeds or fails for good. The errors that it returns
// are fit to be shown.
func try[T any](ctx context.Context, op func(context.Context) (T, error)) (T, error) {
	return retry.Do(ctx, retry.Policy{}, func() (T, error) { return once(ctx, op) }, again)
}

// once runs op a single time, as try does each time.
func once[T any](ctx context.Context, op func(context.Context) (T, error)) (T, error) {
	var a attempt
	v, err := op(a.trace(ctx))
	return v, a.explain(ctx, err)
}

// again reports whether a failure that explain has seen is worth another try,
// and how long Drive asks to wait before it.
func again(err error) (time.Duration, bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter, e.temporary()
	}
	_, broken := errors.AsType[*brokenError](err)
	return 0, broken
}

// An attempt is one request. Its zero value is ready.
type attempt struct {
	reached atomic.Bool // a connection was asked for
}

func (a *attempt) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { a.reached.Store(true) },
	})
}

// explain turns what a request failed with into an error of ours: a refusal of
// Drive's into an [*Error], a broken connection into a *brokenError.
func (a *attempt) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if api, ok := errors.AsType[*googleapi.Error](err); ok {
		return newError(api)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok && e.Error() == endOfJSON {
		err = io.ErrUnexpectedEOF
	}
	if isDecoding(err) {
		return errBadAnswer // its text would quote the answer
	}
	sent, ok := errors.AsType[*url.Error](err)
	if ok { // without the query: an upload session's is a capability
		path, _, _ := strings.Cut(sent.URL, "?")
		err = &url.Error{Op: sent.Op, URL: path, Err: withoutBody(sent.Err)}
	}
	if ctx.Err() == nil && a.isBroken(err) {
		return &brokenError{err}
	}
	return err
}

// endOfJSON is what encoding/json says of half an answer.
const endOfJSON = "unexpected end of JSON input"

func isDecoding(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return syntax || kind || strings.HasPrefix(err.Error(), "json: ")
}

// isBroken reports whether the connection to Drive, or the attempt to get one,
// is why there is no answer or only half of one. The same cause further inside
// the HTTP client (a token that could not be refreshed, a database that is
// down) is not: such an error has a request of its own in its chain, or comes
// before a connection was asked for.
func (a *attempt) isBroken(err error) bool {
	cause := err
	if sent, ok := err.(*url.Error); ok {
		cause = sent.Err
	}
	if foreign(cause) {
		return false
	}
	if !a.reached.Load() { // a RoundTripper that does not tell
		_, bare := cause.(*net.OpError)
		return bare || cause == io.EOF || cause == io.ErrUnexpectedEOF
	}
	return isConnectionError(cause)
}

func foreign(err error) bool {
	_, ofTokens := errors.AsType[*tokenError](err)
	_, ofContent := errors.AsType[*contentError](err)
	_, ofOAuth := errors.AsType[*oauth2.RetrieveError](err)
	_, ofRequest := errors.AsType[*url.Error](err)
	return ofTokens || ofContent || ofOAuth || ofRequest
}

// isConnectionError knows the ways in which net and net/http say that a
// connection was lost, refused or too slow.
func isConnectionError(err error) bool {
	for _, cause := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return true
	}
	if _, ok := errors.AsType[streamError](err); ok {
		return true
	}
	text := err.Error() // net/http has neither type nor value for these
	return strings.Contains(text, http1Broken) || strings.HasPrefix(text, malformed) ||
		strings.HasSuffix(text, "server closed idle connection") ||
		strings.Contains(text, "http2: client connection lost") ||
		strings.Contains(text, "GOAWAY")
}

// streamError is what net/http fills in, by the names of the fields, where an
// HTTP/2 stream was reset.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "http2: stream reset" }

// http1Broken and malformed begin texts of net/http that go on with a piece of the
// answer. It is there that ours end.
const (
	http1Broken = "transport connection broken"
	malformed   = "malformed "
)

// brokenError marks a failure of the connection to Drive.
type brokenError struct{ err error }

func (e *brokenError) Error() string {
	text := e.err.Error()
	if before, _, ok := strings.Cut(text, http1Broken); ok {
		return before + http1Broken
	}
	if before, _, ok := strings.Cut(text, malformed); ok {
		return before + malformed + "answer"
	}
	return text
}

func (e *brokenError) Unwrap() error { return e.err }

// HTTPStatus is 502: Drive did not answer.
func (e *brokenError) HTTPStatus() int { return 502 }
