// Package drivetest is an in-memory Google Drive for tests: the part of the
// Drive API v3 that an application data folder needs, on a loopback port, as
// strict as Google.
//
//	srv := drivetest.NewServer(drivetest.Options{})
//	defer srv.Close()
//
//	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.Endpoint()})
//
// Any client of the API can be pointed at it: google.golang.org/api/drive/v3
// with option.WithEndpoint(srv.Endpoint()), other languages with their root URL
// set to srv.URL.
//
// # What it does
//
// files.get, list, create, update, delete and generateIds, about.get, and the
// media of a file with byte ranges. Uploads are simple, multipart or resumable;
// a resumable session speaks both dialects, PUT answered with 308, and POST with
// X-GUploader-No-308 answered with 200 and X-HTTP-Status-Code-Override. Bodies may
// be compressed and methods overridden, as Google's client for Java does. Every
// user has a folder of their own. Errors have Google's JSON form, statuses and
// reasons.
//
// # What it refuses
//
// What Google refuses: a token without the drive.appdata scope, files.list
// without spaces=appDataFolder, an ID that files.generateIds did not give out, a
// second file with the same ID, chunks that are not a multiple of 256 KiB, unknown
// names in fields and q, fields that cannot be written, and with
// notSupportedForAppDataFolderFiles what a file in this folder cannot do: be
// trashed, shared, moved or be a Google document. Only the fields asked for are
// sent; without a fields parameter these are kind, id, name and mimeType.
//
// Where Google's documentation leaves it open, the fake takes the choice that is
// harder for its client. Files that no orderBy puts in order come in an arbitrary
// one; a file without parents is refused, for it would not be in the folder; so
// are folders, unknown parameters, and an ID whose file has been deleted. For what
// a client may want to see both ways, [Options] has a field.
//
// # What a test can do with it
//
// [Server.Folder] puts files into a user's folder and reads them without HTTP,
// with several files of one name if need be. [Server.Inject] scripts faults: the
// n-th request of a kind fails, hangs, or loses its connection before, after or
// in the middle of its answer. [Options.Lag] lets lists be behind the files, as
// Drive's are. [Server.Advance] moves the clock on, [Server.SetQuota] changes the
// quota, and [Server.Requests] tells what was asked.
//
// # What it does not do
//
// It keeps no files in other spaces than the app-data folder, and no folders.
// Revisions, changes, files.copy and batch requests are answered with 501.
package drivetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/loopback"
)

// DefaultUser is the subject of every request where Options.CheckToken is nil.
const DefaultUser = "default-user"

// Scope is the OAuth scope that opens the app-data folder.
const Scope = "https://www.googleapis.com/auth/drive.appdata"

// Options sets up a Server. The zero value is a Drive with room for everything
// and one user.
type Options struct {
	// CheckToken says whose an access token is and which scopes it has, and
	// whether it is good at all. Nil: every bearer is DefaultUser's and has Scope.
	// A fake of the sign-in endpoints may lend its own.
	CheckToken func(accessToken string) (subject string, scopes []string, ok bool)

	// Quota is how many bytes of content a user may keep, until SetQuota says
	// otherwise. Zero: no limit. Beyond it, uploads are refused with 403
	// storageQuotaExceeded.
	Quota int64

	// Lag is how far files.list is behind the files. Zero: not at all.
	Lag Lag

	// RateLimit is how many requests a user may make within a minute. Zero: no
	// limit. Beyond it, requests are refused with 403 userRateLimitExceeded.
	RateLimit int

	// Now is the clock of the Drive, which Advance moves on. Nil: time.Now.
	Now func() time.Time

	// LargeSingleRequests accepts simple and multipart uploads of more than the
	// 5 MiB that Google documents. Otherwise they are refused with 413.
	LargeSingleRequests bool

	// LegacyAlias accepts "appfolder", as older guides write, beside
	// "appDataFolder". Otherwise there is no such file.
	LegacyAlias bool

	// AliasParents shows a file's parent as "appDataFolder". Otherwise it is the
	// folder's real ID.
	AliasParents bool

	// MoveWithin accepts addParents and removeParents if each is the folder itself,
	// which rclone sends to rename a file. Otherwise both are always refused.
	MoveWithin bool

	// IDInUse is the reason given with status 409 when an ID is used a second
	// time. Default "fileIdInUse"; "duplicate" has been seen too.
	IDInUse string

	// FoldNames lets q compare names without regard to case, as has been
	// reported. Otherwise names are compared exactly.
	FoldNames bool

	// ETags sends an ETag header with a file's metadata and honours If-Match in
	// updates and deletions with 412, which version 3 of the API does not
	// document. Otherwise there is no ETag, and If-Match is ignored.
	ETags bool
}

// Server is the fake. It is safe for concurrent use.
type Server struct {
	URL string // of the root, without a slash at the end

	opts   Options
	mux    *http.ServeMux
	http   *http.Server
	stop   func() // ends the context of every request that came by http
	client *http.Client
	ahead  atomic.Int64 // how far Advance has moved the clock

	mu       sync.Mutex
	quota    int64
	idle     *sync.Cond // active has fallen to zero
	active   int        // requests under way
	version  int64
	users    map[string]*user
	sessions map[string]*session
	listings listings
	faults   []*scripted
	log      []*Request
}

// NewServer starts a Drive on a port of 127.0.0.1, or of ::1 where there is no
// IPv4. Close it when done. It panics if it cannot listen.
func NewServer(opts Options) *Server {
	s := &Server{
		opts:     opts.withDefaults(),
		quota:    opts.Quota,
		users:    map[string]*user{},
		sessions: map[string]*session{},
	}
	s.idle = sync.NewCond(&s.mu)
	s.mux = s.routes()
	s.client = &http.Client{Transport: &transport{
		base:   http.DefaultTransport.(*http.Transport).Clone(),
		bearer: opts.CheckToken == nil,
	}}
	listener, err := loopback.Listen()
	if err != nil {
		panic(fmt.Sprintf("drivetest: %v", err))
	}
	s.URL = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http = &http.Server{Handler: s, BaseContext: func(net.Listener) context.Context { return ctx }}
	go s.http.Serve(listener)
	return s
}

func (o Options) withDefaults() Options {
	if o.CheckToken == nil {
		o.CheckToken = func(string) (string, []string, bool) {
			return DefaultUser, []string{Scope}, true
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.IDInUse == "" {
		o.IDInUse = "fileIdInUse"
	}
	return o
}

// Endpoint is the base address of the API, as drive.Config.Endpoint and
// option.WithEndpoint take it.
func (s *Server) Endpoint() string { return s.URL + "/drive/v3/" }

// Client returns a client for the server whose connections Close ends. Unless
// Options.CheckToken is set, it is signed in: a request without an Authorization
// header gets one.
func (s *Server) Client() *http.Client { return s.client }

// Advance moves the server's clock on by d: lists catch up, sessions expire, and a
// rate limit has room again.
func (s *Server) Advance(d time.Duration) { s.ahead.Add(int64(d)) }

// now is the server's time, in Google's resolution.
func (s *Server) now() time.Time {
	return googleTime(s.opts.Now().Add(time.Duration(s.ahead.Load())))
}

// SetQuota changes how many bytes of content a user may keep; zero means no limit.
// What is kept already stays.
func (s *Server) SetQuota(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = bytes
}

// Close stops listening, breaks all connections and waits for the requests
// under way. The content stays readable through Folder.
func (s *Server) Close() {
	s.stop()
	s.http.Close()
	s.client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.active > 0 {
		s.idle.Wait()
	}
}

// transport signs in where nobody has.
type transport struct {
	base   *http.Transport
	bearer bool
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.bearer && r.Header.Get("Authorization") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+DefaultUser)
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections lets http.Client reach those of the base.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }
