// Package drivetest is an in-memory Google Drive for tests: the part of the
// Drive API v3 that an application data folder needs, on a loopback port. It is as
// strict as Google's documentation and public reports say that Drive is.
//
//	srv := drivetest.NewServer(drivetest.Options{})
//	defer srv.Close()
//
//	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.Endpoint()})
//
// Any client of the API can use it: google.golang.org/api/drive/v3 with
// option.WithEndpoint(srv.Endpoint()), clients in other languages with srv.URL as
// their root URL.
//
// # What it does
//
// It has files.get, list, create, update, delete and generateIds, about.get, and the
// media of a file with byte ranges. Uploads are simple, multipart or resumable. A
// resumable session takes chunks by PUT and POST and answers them with 308, or with
// 200 and X-HTTP-Status-Code-Override if the request has X-GUploader-No-308. Bodies
// may be compressed and methods overridden, as Google's client for Java does. Every
// user has a folder of their own. Errors have Google's JSON form, statuses and
// reasons.
//
// # What it refuses
//
// It refuses the requests that Google refuses: a token without the drive.appdata
// scope, files.list without spaces=appDataFolder, an ID that files.generateIds did not
// give out, a second file with the same ID, chunks that are not a multiple of 256 KiB,
// unknown names in fields and q, and fields that cannot be written. To trash, share or
// move a file, or to make it a Google document, is notSupportedForAppDataFolderFiles.
// Only the fields asked for are sent. Without a fields parameter these are kind, id,
// name and mimeType.
//
// If Google's documentation does not say, the fake behaves in the way that is harder
// for its client. Without orderBy, files are in an arbitrary order. A file without
// parents is refused, because it would not be in the folder. So are folders, unknown
// parameters, and the ID of a deleted file. [Options] switch some of these choices.
//
// # What a test can do with it
//
// [Server.Folder] puts files into a user's folder and reads them without HTTP.
// Several files may have one name. [Server.Inject] injects faults: the n-th request
// of a kind fails, hangs, or loses its connection before, after or in the middle of
// its answer. [Options.Lag] lets lists be behind the files, as Drive's are.
// [Server.Advance] moves the clock on, [Server.SetQuota] changes the quota, and
// [Server.Requests] returns the log of requests.
//
// # What it does not do
//
// It keeps no folders, and no files outside the app-data folder. It answers
// revisions, changes, files.copy and batch requests with 501.
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

// DefaultUser is the subject of every request if Options.CheckToken is nil.
const DefaultUser = "default-user"

// Scope is the OAuth scope that opens the app-data folder.
const Scope = "https://www.googleapis.com/auth/drive.appdata"

// Options configures a Server. The zero value is a Drive with one user and without
// limits.
type Options struct {
	// Accounts is a fake of the sign-in endpoints, which says whose access tokens are,
	// and shares its clock: an exchangetest.Server is one. If nil, CheckToken and Now
	// are used.
	Accounts Accounts

	// CheckToken returns the user and the scopes of an access token, and whether it
	// is good. If it and Accounts are nil, every token is DefaultUser's and has Scope.
	CheckToken func(accessToken string) (subject string, scopes []string, ok bool)

	// Quota is how many bytes of content a user may keep; SetQuota changes it.
	// Beyond it, uploads are refused with 403 storageQuotaExceeded. If zero, there
	// is no limit.
	Quota int64

	// Lag is how far files.list is behind the files. If zero, it never is.
	Lag Lag

	// RateLimit is how many requests a user may make within a minute. Beyond it,
	// requests are refused with 403 userRateLimitExceeded. If zero, there is no
	// limit.
	RateLimit int

	// Now is the clock of the Drive, which Advance moves on. If it and Accounts are
	// nil, time.Now is used. It may call methods of the Server.
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

	// IDInUse is the reason of the 409 when an ID is used a second time. If empty,
	// it is "fileIdInUse"; "duplicate" has been reported, too.
	IDInUse string

	// FoldNames makes q ignore the case of names, as has been reported. Otherwise
	// names are compared exactly.
	FoldNames bool

	// ETags sends an ETag header with a file's metadata, and answers 412 if If-Match
	// of an update or a deletion is another one. Version 3 of the API does not
	// document it. Otherwise there is no ETag, and If-Match is ignored.
	ETags bool
}

// Accounts is a fake of Google's sign-in endpoints. Its methods are safe for
// concurrent use.
type Accounts interface {
	// CheckAccessToken returns the user and the scopes of an access token, and
	// whether it is good.
	CheckAccessToken(accessToken string) (subject string, scopes []string, ok bool)

	// Now is the time at both fakes. Advance moves it on.
	Now() time.Time
	Advance(d time.Duration)
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
	idle     *sync.Cond // signalled when active has become zero
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
		bearer: opts.Accounts == nil && opts.CheckToken == nil,
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
	if o.Accounts != nil {
		o.CheckToken, o.Now = o.Accounts.CheckAccessToken, o.Accounts.Now
	}
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

// Endpoint returns the base address of the API, for drive.Config.Endpoint and
// option.WithEndpoint.
func (s *Server) Endpoint() string { return s.URL + "/drive/v3/" }

// Client returns a client for the server. Close ends its connections. If every token
// is DefaultUser's, it adds an Authorization header to a request without one.
func (s *Server) Client() *http.Client { return s.client }

// Advance moves the server's clock on by d: lists catch up, sessions expire, and a
// rate limit has room again. The clock of Options.Accounts moves with it.
func (s *Server) Advance(d time.Duration) {
	if s.opts.Accounts != nil {
		s.opts.Accounts.Advance(d)
		return
	}
	s.ahead.Add(int64(d))
}

// now is the server's time, in Google's resolution. The caller does not hold s.mu,
// because Options.Now may call methods of s.
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

// Close stops listening, breaks all connections and waits until all requests have
// ended. Folder still reads the content afterwards.
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

// A transport adds the Authorization header.
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

// CloseIdleConnections closes those of the base, for http.Client.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }
