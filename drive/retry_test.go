package drive_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

var errConsent = errors.New("needs consent")

// An error of the token source, whatever caused it, comes through at once.
func TestTokenErrorsComeThrough(t *testing.T) {
	causes := map[string]error{
		"consent":            fmt.Errorf("tokenstore: %w", errConsent),
		"refresh refused":    fmt.Errorf("%w: %w", errConsent, &oauth2.RetrieveError{ErrorCode: "invalid_grant"}),
		"refresh broken off": fmt.Errorf("%w: %w", errConsent, &url.Error{Op: "Post", URL: "https://oauth2.example.com/token", Err: io.ErrUnexpectedEOF}),
		"database is down":   fmt.Errorf("%w: %w", errConsent, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
	}
	for name, cause := range causes {
		t.Run(name, func(t *testing.T) {
			calls := 0
			configs := map[string]drive.Config{
				"TokenSource": {TokenSource: tokenSource(func() (*oauth2.Token, error) { calls++; return nil, cause })},
				"HTTPClient":  {HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { calls++; return nil, cause })}},
			}
			for kind, cfg := range configs {
				calls = 0
				folder := open(t, cfg)
				_, err := folder.Put(t.Context(), "a.json", strings.NewReader("{}"), drive.PutOptions{})
				if !errors.Is(err, errConsent) || !errors.Is(err, cause) {
					t.Errorf("%s: %v, want the cause in the chain", kind, err)
				}
				if calls != 1 {
					t.Errorf("%s: %d calls, want one", kind, calls)
				}
			}
		})
	}
}

// A missing socket of a database is fs.ErrNotExist by itself. It must not say so of a
// document: a program would begin a new one, and take the old one for deleted.
func TestMissingSocket(t *testing.T) {
	for name, number := range map[string]syscall.Errno{"missing": syscall.ENOENT, "forbidden": syscall.EACCES} {
		t.Run(name, func(t *testing.T) {
			cause := fmt.Errorf("tokens: %w", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", number)})
			srv := newServer(t, drivetest.Options{})
			add(srv, "a.json", []byte("{}"))
			var failing func(*http.Request) bool
			folder := open(t, drive.Config{Endpoint: srv.URL, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if failing(r) {
					return nil, cause
				}
				return srv.Client().Transport.RoundTrip(r)
			})}})
			check := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, number) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s: %v, want the cause, and nothing about a document", what, err)
				}
			}
			failing = func(*http.Request) bool { return true }
			_, _, err := drive.ReadJSON[any](t.Context(), folder, "a.json")
			check("ReadJSON", err)
			check("FS", errOf(folder.FS(t.Context()).Open("a.json")))
			failing = func(r *http.Request) bool { return strings.Contains(r.URL.Path, "files/1") }
			check("Delete", folder.Delete(t.Context(), "a.json"))
			check("DeleteAll", errOf(folder.DeleteAll(t.Context())))
			check("Put", errOf(folder.Put(t.Context(), "a.json", strings.NewReader("{}"), drive.PutOptions{})))
			failing = func(*http.Request) bool { return false }
			if _, err := folder.Stat(t.Context(), "a.json"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// Some frameworks use a request's context again. A connection that is still being made
// when the call has ended does not read the caller's values.
func TestContextIsLeftAlone(t *testing.T) {
	type key struct{}
	dialing, returned, seen := make(chan struct{}), make(chan struct{}), make(chan any)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		before := ctx.Value(key{})
		close(dialing)
		<-returned
		seen <- []any{before, ctx.Value(key{})}
		return nil, errors.New("too late")
	}}
	folder := open(t, drive.Config{Endpoint: "http://localhost", HTTPClient: &http.Client{Transport: transport}})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "request"))
	go func() {
		<-dialing
		cancel()
	}()
	if _, err := folder.Info(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the cancellation", err)
	}
	close(returned)
	if got, want := fmt.Sprint(<-seen), "[request <nil>]"; got != want {
		t.Errorf("values before and after the call: %s, want %s", got, want)
	}
}

// Even one that looks as a broken connection to Drive would.
func TestTokenSourceBrokenOff(t *testing.T) {
	calls := 0
	folder := open(t, drive.Config{TokenSource: tokenSource(func() (*oauth2.Token, error) { calls++; return nil, io.ErrUnexpectedEOF })})
	if _, err := folder.Info(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || calls != 1 {
		t.Errorf("%v after %d calls, want the error of the first", err, calls)
	}
}

func TestBrokenConnections(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		tries int
	}{
		{"EOF", io.EOF, 5},
		{"unexpected EOF", io.ErrUnexpectedEOF, 5},
		{"refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 5},
		{"certificate", errors.New("tls: failed to verify certificate"), 1},
		{"redirect loop", errors.New("stopped after 10 redirects"), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					calls++
					return nil, tt.err
				})}})
				_, err := folder.Info(t.Context())
				if !errors.Is(err, tt.err) || calls != tt.tries {
					t.Errorf("%v after %d calls, want %d", err, calls, tt.tries)
				}
			})
		})
	}
}

// Over a real connection: the answer breaks off at every byte, then comes whole.
func TestBrokenAtEveryByte(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "a.json", Content: []byte("{}")})
	var requests atomic.Int32
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		srv.ServeHTTP(w, r)
	})
	inBubble(t, counted, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		for cut, whole := 0, 0; whole < 3; cut++ {
			requests.Store(0)
			srv.Inject(drivetest.Fault{Op: drivetest.OpList, Performed: true, Cut: true, CutAt: cut})
			if _, err := folder.Stat(t.Context(), "a.json"); err != nil {
				t.Fatalf("cut at byte %d: %v", cut, err)
			}
			if requests.Load() == 1 { // the cut was behind the end
				whole++
			}
		}
	})
}

// A refusal that breaks off, wherever it does, is no refusal yet: here the retry
// succeeds. Whole, it is one.
func TestBrokenRefusals(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	content := strings.Repeat("x", 100)
	add(srv, "a.json", []byte(content))
	ops := map[drivetest.Op]func(*testing.T, *drive.AppFolder) error{
		drivetest.OpList: func(t *testing.T, folder *drive.AppFolder) error {
			return errOf(folder.Stat(t.Context(), "a.json"))
		},
		drivetest.OpUpdate: func(t *testing.T, folder *drive.AppFolder) error {
			return errOf(folder.Put(t.Context(), "a.json", strings.NewReader(content), drive.PutOptions{}))
		},
		drivetest.OpDownload: func(t *testing.T, folder *drive.AppFolder) error {
			return errOf(io.ReadAll(openReader(t, folder, "a.json")))
		},
	}
	for op, do := range ops {
		inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			step := 7
			if op == drivetest.OpList {
				step = 1
			}
			for cut, whole := 0, 0; whole < 3; cut += step {
				srv.Inject(drivetest.Fault{Op: op, Status: 403, Reason: "insufficientPermissions", Cut: true, CutAt: cut})
				err := do(t, folder)
				switch {
				case errors.Is(err, drive.ErrScope):
					whole++
				case err != nil || whole > 0:
					t.Fatalf("%s cut at byte %d: %v", op, cut, err)
				}
			}
		})
	}
}

func TestRefusedConnection(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	folder := open(t, drive.Config{HTTPClient: http.DefaultClient, Endpoint: gone.URL, Retry: drive.Retry{Total: -1}})
	_, err := folder.Info(t.Context())
	status, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	refused, dialled := errors.AsType[*net.OpError](err) // Windows has a number of its own for it
	if !dialled || refused.Op != "dial" || !ok || status.HTTPStatus() != http.StatusBadGateway {
		t.Errorf("%v, want a refused connection, 502", err)
	}
}

func TestEndedContextIsNoBrokenConnection(t *testing.T) {
	folder, srv := newFolder(t)
	srv.Inject(drivetest.Fault{Hang: true, Times: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := folder.Info(ctx)
	_, judged := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !errors.Is(err, context.DeadlineExceeded) || judged {
		t.Errorf("%v with a status: %v; want just the deadline", err, judged)
	}
}

// What a server says that does not speak HTTP stays out of the text.
func TestGarbageStaysOutOfErrors(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "at-secret\r\n\r\n")
			conn.Close()
		}
	}()
	folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: &http.Transport{}}, Endpoint: "http://" + listener.Addr().String(), Retry: drive.Retry{Total: -1}})
	if _, err := folder.Info(t.Context()); err == nil || strings.Contains(err.Error(), "at-secret") {
		t.Errorf("%v, want an error without the garbage", err)
	}
}

// The token is not sent to another host, wherever an answer points.
func TestRedirectsStayAtTheHost(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("another host got %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	folder := open(t, drive.Config{TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "at-secret"}), Endpoint: here.URL})
	e, ok := errors.AsType[*drive.Error](errOf(folder.Info(t.Context())))
	if !ok || e.Status != http.StatusTemporaryRedirect {
		t.Errorf("%v, want the redirect as an error", e)
	}
}

func errOf[T any](_ T, err error) error { return err }

// What net and net/http say of a broken connection counts by its type, on every system:
// the numbers here are those of Windows and of none.
func TestBrokenConnectionsByType(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("wsarecv", syscall.Errno(10054))}
	tests := []struct {
		name  string
		err   error
		tries int
	}{
		{"reset on Windows", reset, 5},
		{"refused on Windows", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connectex", syscall.Errno(10061))}, 5},
		{"cut in the header", fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", reset), 5},
		{"no text that says so", errors.New("malformed HTTP response \"at-secret\""), 5},
		{"server gone while idle", errors.New("http: server closed idle connection"), 5},
		{"alert of the server", &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, 1},
		{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, 1},
		{"with a status of its own", statusError{503}, 1},
		{"of a token", &url.Error{Op: "Post", URL: "https://oauth2.example.com/token", Err: reset}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				folder := open(t, drive.Config{Endpoint: "http://localhost:7", HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					calls++
					trace := httptrace.ContextClientTrace(r.Context())
					trace.GetConn("localhost:7")
					if tt.tries > 1 {
						trace.GotConn(httptrace.GotConnInfo{})
					}
					return nil, tt.err
				})}})
				_, err := folder.Info(t.Context())
				if !errors.Is(err, tt.err) || calls != tt.tries {
					t.Errorf("%v after %d calls, want %d", err, calls, tt.tries)
				}
				if status := httpStatus(err); (status == http.StatusBadGateway) != (tt.tries > 1) {
					t.Errorf("HTTPStatus %d", status)
				}
				if text := fmt.Sprint(err); strings.Contains(text, "at-secret") {
					t.Errorf("the answer shows in %s", text)
				}
			})
		})
	}
}

type statusError struct{ status int }

func (e statusError) Error() string   { return "has a status" }
func (e statusError) HTTPStatus() int { return e.status }

// httpStatus returns what err says to answer an app with, or 0.
func httpStatus(err error) int {
	e, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !ok {
		return 0
	}
	return e.HTTPStatus()
}

// A failure inside the HTTP client after a connection of its own is not Drive's.
func TestConnectionsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		failure := fmt.Errorf("database: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
		folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			calls++
			trace := httptrace.ContextClientTrace(r.Context())
			trace.GetConn("www.googleapis.com:443") // answered with a 401
			trace.GotConn(httptrace.GotConnInfo{})
			trace.GetConn("oauth2.googleapis.com:443") // a new token
			trace.GotConn(httptrace.GotConnInfo{})
			return nil, failure
		})}})
		if _, err := folder.Info(t.Context()); !errors.Is(err, failure) || calls != 1 || httpStatus(err) != 0 {
			t.Errorf("%v after %d calls, want the failure of the first", err, calls)
		}
	})
}

// Nor do they leave https.
func TestRedirectsStayEncrypted(t *testing.T) {
	requests := 0
	folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		requests++
		plain := *r.URL
		plain.Scheme = "http"
		return &http.Response{StatusCode: 307, Header: http.Header{"Location": {plain.String()}}, Body: http.NoBody, Request: r}, nil
	})}})
	e, ok := errors.AsType[*drive.Error](errOf(folder.Info(t.Context())))
	if !ok || e.Status != http.StatusTemporaryRedirect || requests != 1 {
		t.Errorf("%v after %d requests, want the redirect as an error", e, requests)
	}
}

// Redirects are the caller's affair, and end at ten.
func TestRedirectsAreNotTriedAgain(t *testing.T) {
	requests := 0
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer here.Close()
	refused := errors.New("no redirects")
	for want, check := range map[int]func(*http.Request, []*http.Request) error{
		10: nil, 1: func(*http.Request, []*http.Request) error { return refused },
	} {
		requests = 0
		folder := open(t, drive.Config{HTTPClient: &http.Client{CheckRedirect: check}, Endpoint: here.URL})
		_, err := folder.Info(t.Context())
		if err == nil || requests != want || httpStatus(err) != 0 || check != nil && !errors.Is(err, refused) {
			t.Errorf("%v after %d requests, want %d", err, requests, want)
		}
	}
}

// A context that ends while Drive is down: its cause and the failure are known, and the
// app is told to come back, wherever it ends.
func TestContextEndsWhileDriveIsDown(t *testing.T) {
	stop := errors.New("shutdown")
	for name, at := range map[string]time.Duration{"in a pause": 100 * time.Millisecond, "in a request": 10 * time.Second} {
		srv := newServer(t, drivetest.Options{})
		srv.Inject(drivetest.Fault{Status: 503}, drivetest.Fault{Nth: 2, Hang: true})
		inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(at, func() { cancel(stop) })
			_, err := folder.Info(ctx)
			failure, ok := errors.AsType[*drive.Error](err)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, stop) || !ok || failure.Status != 503 || httpStatus(err) != http.StatusServiceUnavailable {
				t.Errorf("%s: %v, HTTPStatus %d; want cancellation, cause and failure, 503", name, err, httpStatus(err))
			}
		})
	}
	srv := newServer(t, drivetest.Options{}) // where it is not down
	srv.Inject(drivetest.Fault{Hang: true})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		if _, err := folder.Info(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, stop) || strings.Contains(err.Error(), "broken") {
			t.Errorf("%v, want cancellation and cause", err)
		}
	})
}

// unread is a body that must not be read.
type unread struct {
	*testing.T
	closed bool
}

func (u *unread) Read([]byte) (int, error) {
	u.Error("the body is read")
	return 0, io.EOF
}

func (u *unread) Close() error {
	u.closed = true
	return nil
}

// With net/http the body of a 101 is the connection itself. A read of it ends with no
// context.
func TestSwitchedProtocols(t *testing.T) {
	body := &unread{T: t}
	folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Request: r, Body: body}, nil
	})}})
	_, err := folder.Stat(t.Context(), "a")
	var e interface{ HTTPStatus() int }
	if !errors.As(err, &e) || e.HTTPStatus() != http.StatusBadGateway || !body.closed {
		t.Errorf("error %v, body closed: %t; want 502 and a closed body", err, body.closed)
	}
}
