package drive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/detach"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redactoauth"
	"github.com/seed3a054f9c/googlesignin/internal/retry"
)

// try runs op, which makes one request after another, until it succeeds or fails for
// good. The errors that it returns are fit to be shown. op must not call try: while
// Drive refuses requests for their number, only those that it has refused go on.
func try[T any](ctx context.Context, f *AppFolder, op func(context.Context) (T, error)) (T, error) {
	var tries int
	var failure error // of the last try that was worth another
	var refused bool
	defer func() {
		if refused {
			f.brake.release()
		}
	}()
	policy := retry.Policy{Initial: f.retry.First, Total: f.retry.Total}
	v, err := retry.Do(ctx, policy, func() (T, error) {
		tries++
		if tries == 1 {
			if err := f.brake.wait(ctx); err != nil {
				var zero T
				return zero, err
			}
		}
		return attemptOnce(ctx, f, tries, op)
	}, func(err error) (time.Duration, bool) {
		after, ok := again(err)
		if !ok {
			return 0, false
		}
		failure = err
		if !refused && errors.Is(err, ErrRateLimited) {
			refused = true
			f.brake.pull()
		}
		return after, true
	})
	if failure != nil && hasEnded(ctx, err) {
		err = &endedError{ctxerr.Of(ctx), failure}
	}
	return v, err
}

// hasEnded reports whether err says that ctx has ended.
func hasEnded(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// An endedError says that ctx ended while Drive did not work.
type endedError struct{ ended, failure error }

func (e *endedError) Error() string   { return fmt.Sprintf("%v, after: %v", e.ended, e.failure) }
func (e *endedError) Unwrap() []error { return []error{e.ended, e.failure} }

// HTTPStatus is 503: Drive may work later.
func (e *endedError) HTTPStatus() int { return http.StatusServiceUnavailable }

// once runs op a single time, as try does each time.
func once[T any](ctx context.Context, f *AppFolder, op func(context.Context) (T, error)) (T, error) {
	return attemptOnce(ctx, f, 1, op)
}

func attemptOnce[T any](ctx context.Context, f *AppFolder, number int, op func(context.Context) (T, error)) (T, error) {
	a := &attempt{folder: f, number: number}
	work := detach.With(ctx)
	defer work.Release()
	v, err := op(context.WithValue(httptrace.WithClientTrace(work, a.trace()), attemptKey{}, a))
	return v, a.explain(ctx, err)
}

type attemptKey struct{}

// attemptNumber returns the number of the attempt that ctx belongs to.
func attemptNumber(ctx context.Context) int {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		return a.number
	}
	return 1
}

// again reports whether a failure that explain has seen is worth another try,
// and how long Drive asks to wait before it.
func again(err error) (time.Duration, bool) {
	if ofContent(err) {
		return 0, false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter, e.temporary()
	}
	_, broken := errors.AsType[*brokenError](err)
	return 0, broken
}

// An attempt follows one request to Drive, in order to tell a broken connection
// from the same failure further inside the HTTP client: of a request for a token, or
// of a database.
type attempt struct {
	folder *AppFolder
	number int // 1 for the first
	state  atomic.Int32
}

// The states of an attempt.
const (
	elsewhere = iota // no connection to Drive has been asked for, as far as known
	dialing          // one has
	connected        // the request has got one
)

// trace keeps the state. A request to another host, made on the way, sets it back.
func (a *attempt) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(hostPort string) {
			a.state.Store(elsewhere)
			if hostPort == a.folder.hostPort() {
				a.state.Store(dialing)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			if a.state.Load() == dialing || a.isToDrive(info.Conn) {
				a.state.Store(connected)
			}
		},
	}
}

// isToDrive recognizes a connection through a proxy, which is asked for under the
// proxy's name.
func (a *attempt) isToDrive(conn net.Conn) bool {
	secured, ok := conn.(*tls.Conn)
	return ok && secured.ConnectionState().ServerName == a.folder.endpoint.Hostname()
}

// hostPort returns the address of Drive as net/http spells it.
func (f *AppFolder) hostPort() string {
	port := f.endpoint.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[f.endpoint.Scheme]
	}
	return net.JoinHostPort(f.endpoint.Hostname(), port)
}

// explain makes the error of a request fit to be shown, and marks a broken
// connection as a *brokenError.
func (a *attempt) explain(ctx context.Context, err error) error {
	sent, ofClient := errors.AsType[*url.Error](err)
	_, broken := errors.AsType[*bodyError](err)
	switch {
	case ofClient:
		broken = a.isBroken(sent.Err)
		path, _, _ := strings.Cut(sent.URL, "?") // the query of an upload session is a capability
		err = &url.Error{Op: sent.Op, URL: path, Err: redactoauth.WithoutBody(sent.Err)}
		err = &masked{err, []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid}} // they speak of a socket or a key file
	case !broken:
		return err
	}
	if broken && !isConnectionError(err) && !hasEnded(ctx, err) { // net/http may quote what the server has sent
		err = &quietError{err}
	}
	if broken && ctx.Err() == nil {
		return &brokenError{err}
	}
	return ctxerr.With(ctx, err)
}

// isBroken reports whether cause, with which the HTTP client failed, is a failure of
// the connection to Drive or of the attempt to get one.
func (a *attempt) isBroken(cause error) bool {
	if isForeign(cause) {
		return false
	}
	switch a.state.Load() {
	case dialing:
		return isConnectionError(cause)
	case connected: // what else can go wrong from here on is foreign
		return true
	}
	return isBareConnectionError(cause)
}

// isForeign reports whether err is of the token source, of a request inside the HTTP
// client, or knows its HTTP status, as one of the content does and none of net/http.
func isForeign(err error) bool {
	_, ofTokens := errors.AsType[*tokenError](err)
	_, ofRedirect := errors.AsType[*redirectError](err)
	_, ofOAuth := errors.AsType[*oauth2.RetrieveError](err)
	_, ofRequest := errors.AsType[*url.Error](err)
	_, known := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	return ofTokens || ofRedirect || ofOAuth || ofRequest || known
}

// isConnectionError reports whether net or net/http says by err that a connection
// was lost, refused or too slow. The system's error numbers don't matter: they
// differ between systems.
func isConnectionError(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	if _, refused := errors.AsType[tls.AlertError](err); refused {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false
	}
	_, ofNet := errors.AsType[*net.OpError](err)
	return ofNet || isTimeout(err)
}

func isTimeout(err error) bool {
	slow, ok := errors.AsType[net.Error](err)
	return ok && slow.Timeout()
}

// isBareConnectionError is isConnectionError for an error that may come from anywhere
// inside the HTTP client: only those of a transport are not wrapped.
func isBareConnectionError(err error) bool {
	switch err.(type) {
	case *net.OpError, net.Error:
		return isConnectionError(err)
	}
	return err == io.EOF || err == io.ErrUnexpectedEOF
}

// A brokenError is a failure of the connection to Drive.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// HTTPStatus is 502: Drive did not answer.
func (e *brokenError) HTTPStatus() int { return http.StatusBadGateway }

// A quietError keeps the text of its cause to itself.
type quietError struct{ err error }

func (e *quietError) Error() string { return "the connection to Drive has broken" }
func (e *quietError) Unwrap() error { return e.err }

// A masked error is err for errors.Is and errors.As, except that it is none of not:
// from package drive these would say something about a document.
type masked struct {
	err error
	not []error
}

func (m *masked) Error() string { return m.err.Error() }

func (m *masked) Is(target error) bool {
	return !slices.Contains(m.not, target) && errors.Is(m.err, target)
}

func (m *masked) As(target any) bool { return errors.As(m.err, target) }
