// Package drive keeps documents in the application-data folder of a user's
// Google Drive: a folder that only this application sees, that the user's
// devices share, and that counts against the user's own quota
// (https://developers.google.com/workspace/drive/api/guides/appdata).
//
//	folder, err := drive.New(drive.Config{HTTPClient: grants.HTTPClient(user.Subject)})
//	file, err := folder.Put(ctx, "settings.json", strings.NewReader(`{"theme":"dark"}`), drive.PutOptions{})
//	settings, file, err := drive.ReadJSON[Settings](ctx, folder, "settings.json")
//
// The token must carry the scope [Scope]. An [AppFolder] cannot leave the
// folder: it sees the files that lie in it directly, by name, and no others.
//
// # Names
//
// Drive lets any number of files have one name; here a name is one document.
// [AppFolder.Put] creates under an ID fetched beforehand, so that a lost answer
// is asked for again without a second file. Two Puts that create one name at the
// same moment still make two files, whether they run in two processes or on one
// AppFolder. Then the winner is the file that was modified last, and among equals
// the one with the smallest ID. Everything here sees the winner; the next Put of
// the name replaces its content and deletes the others, and [AppFolder.Delete]
// deletes all. The caller whose file has lost finds out by
// [PutOptions.IfRevision], because the winner has another [File.Revision].
//
// Before Put deletes a file, it makes sure that the file has not changed. If another
// process changes it between that look and the delete, the change is lost.
//
// # Late lists
//
// By public reports, Drive's search by name is behind creates, renames and deletes for
// seconds to minutes, and lists show files as they were before a change, or twice. So an
// [AppFolder] remembers the last 1000 files that it has written, and sees its own writes.
// It looks for a name that the search does not find in the list of all documents. Before
// it writes to a file or deletes it, it asks for the file itself: whether that still has
// the name, wins over others of the name, and is at the IfRevision.
//
// What another process has changed in a document may be seen late. A [Reader] of it then
// ends with [ErrChecksum], and the next one reads the new content.
//
// # Requests
//
// Without retries, for a folder of up to 1000 documents (more take a list for each 1000):
//
//	Put that replaces                         list, get, upload
//	Put that creates                          list, list, upload; and IDs, once for ten
//	Stat, Open, ReadJSON                      list; reading: download
//	OpenFile, ReadJSONFile                    download
//	SetProperties                             list, get, update
//	Delete                                    list, get, delete
//	Rename                                    list, get, list, list, update
//	DeleteAll                                 list, a delete for each file, list
//
// # Retries
//
// What Google says to retry is tried up to five times, with pauses of 1 s to 32 s,
// jittered, or as long as Retry-After says if that is at most a minute; see [Retry].
// ctx bounds it all. Broken connections are tried again, too. Nothing else is: an error
// of the token source or of the HTTP client comes back at once, for errors.Is and
// errors.As to find. Only fs.ErrNotExist, fs.ErrPermission and fs.ErrInvalid are not
// found in it, because here they speak of documents.
//
// # Errors
//
// A refusal by Drive is an [*Error] in the chain, and beside it a [*googleapi.Error]
// without the body. The table, by status and reason
// (https://developers.google.com/workspace/drive/api/guides/handle-errors):
//
//	answer                                                 tried again  errors.Is       HTTPStatus
//	401 authError, required                                no                           401
//	403 insufficientPermissions, insufficientScopes,       no           ErrScope        403
//	    ACCESS_TOKEN_SCOPE_INSUFFICIENT
//	403 userRateLimitExceeded, rateLimitExceeded,          yes          ErrRateLimited  429
//	    sharingRateLimitExceeded; any 429
//	403 dailyLimitExceeded                                 no           ErrRateLimited  429
//	403 storageQuotaExceeded, activeItemCreation…,         no           ErrQuota        507
//	    numChildrenInNonRootLimitExceeded
//	403 accessNotConfigured, SERVICE_DISABLED              no                           500
//	403 domainPolicy, any other                            no                           403
//	404                                                    no           fs.ErrNotExist  404
//	409, 412                                               no           ErrConflict     409
//	408, 5xx                                               yes                          503
//	any other 4xx                                          no                           500
//	no or half an answer: connection refused, reset,       yes                          502
//	    closed or timed out
//	an answer that is not to be read, without end, or      no                           502
//	    with content that came compressed
//	ctx ended while one of these was tried again           no           ctx.Err()       503
//	content that does not match its checksum               no           ErrChecksum     502
//	404, 410 and the like of an upload's session           starts over  ErrSessionEnded 503
//	a name, a File or an option that makes no sense        no           fs.ErrInvalid   400
//	    (nothing is sent); JSON of more than 16 MiB
//	Put's reader exceeds an http.MaxBytesReader            no                           413
//	Put's reader fails with io.ErrUnexpectedEOF, as the    no                           400
//	    body of a request that breaks off does
//	Put's reader fails with an error that has a status,    no                           that
//	    as that of a Reader has; with any other                                         500
//
// No error text contains a token, an upload session's address or a response
// body.
//
// # Environment
//
// With a TokenSource, requests go over [http.DefaultTransport], which reads
// HTTPS_PROXY, HTTP_PROXY and NO_PROXY. The variables of Google's own clients
// (GOOGLE_API_USE_CLIENT_CERTIFICATE, GOOGLE_API_USE_MTLS_ENDPOINT,
// GOOGLE_CLOUD_QUOTA_PROJECT, GOOGLE_CLOUD_UNIVERSE_DOMAIN and
// GOOGLE_SDK_GO_LOGGING_LEVEL) are not read. Use the Endpoint and the HTTPClient of
// [Config] for the same purposes.
//
// # What it does not do
//
// Drive has no conditional write, so [PutOptions.IfRevision] is checked before the
// write, not with it. There is no access to older revisions, to folders that
// other programs of the application made within the folder, or to changes as they
// happen. A [Reader] gets the document from Drive each time: nothing is cached.
package drive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
)

// Scope is the OAuth scope that opens the application-data folder, and nothing
// else of the user's Drive.
const Scope = "https://www.googleapis.com/auth/drive.appdata"

// defaultEndpoint is where Google serves the Drive API.
const defaultEndpoint = "https://www.googleapis.com"

// alias is the application-data folder wherever Drive wants a file ID, and also
// the name of the space that holds it.
const alias = "appDataFolder"

// Config says whose folder it is. Exactly one of TokenSource and HTTPClient is
// required. It prints itself without either.
type Config struct {
	// TokenSource gives the user's access tokens, which are sent over
	// [http.DefaultTransport]. It is asked before every request, and must keep a
	// token until that expires, as the sources of x/oauth2 do.
	TokenSource oauth2.TokenSource

	// HTTPClient adds the user's access tokens to requests by itself, as the client of
	// a tokenstore.Manager does, which also gets another one after a 401. Its Timeout
	// bounds each request, a download to its last byte included. If it traces or logs
	// the URLs of requests, leave out those with the path /upload/: the address of an
	// upload session is in them, and may be all that it takes to write the document.
	HTTPClient *http.Client

	// Endpoint is the root of the API. If empty, https://www.googleapis.com is used.
	// It must be an https URL, or http on a loopback address.
	Endpoint string

	// Parallel is how many requests [AppFolder.DeleteAll] and [Each] have in flight at
	// once. If 0, it is 8.
	Parallel int

	// Retry says for how long a failed request is tried again.
	Retry Retry

	// Observe, if set, is called after each request to Drive, by the goroutine that made
	// it, so possibly by several at once. A span of each request needs a Transport of
	// HTTPClient instead, which sees the caller's context.
	Observe func(Request)

	// ChunkSize is how many bytes one request of a large upload carries, and an
	// upload holds in memory if its reader cannot seek. It is a multiple of 256 KiB. If
	// 0, it is fitted to the content, from 256 KiB to 8 MiB.
	ChunkSize int
}

// Retry says how to try a request again that has failed for now. Its zero value is
// the default.
type Retry struct {
	// Total is the time in which tries may begin, counted from the first. If 0, there
	// are up to five tries, and what Drive asks to wait is waited for if that is at most
	// a minute. If negative, there is one try.
	Total time.Duration

	// First is the pause before the second try. Each pause is twice as long as the one
	// before, up to 32 s, give or take a half. If 0, it is 1 s.
	First time.Duration
}

// An AppFolder is the application-data folder of one user. It is safe for
// concurrent use. Making one costs little. Keeping it for a user saves most creates a
// request, because it remembers unused IDs, and is how it sees its own writes.
type AppFolder struct {
	redacted

	client   *http.Client
	endpoint *url.URL
	chunk    int
	ids      idPool
	memory   memory
	brake    brake
	retry    Retry
	parallel int
	observe  func(Request)
}

// New returns the folder that cfg describes. It makes no request.
func New(cfg Config) (*AppFolder, error) {
	if (cfg.TokenSource == nil) == (cfg.HTTPClient == nil) {
		return nil, errors.New("drive: Config needs a TokenSource or an HTTPClient, and not both")
	}
	if cfg.ChunkSize < 0 || cfg.ChunkSize%minChunk != 0 {
		return nil, fmt.Errorf("drive: Config.ChunkSize is %d, not a multiple of 256 KiB", cfg.ChunkSize)
	}
	if cfg.Parallel < 0 {
		return nil, fmt.Errorf("drive: Config.Parallel is %d, less than 0", cfg.Parallel)
	}
	if cfg.Retry.First < 0 {
		return nil, fmt.Errorf("drive: Config.Retry.First is %v, less than 0", cfg.Retry.First)
	}
	endpoint, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("drive: Config.Endpoint: %w", err)
	}
	return &AppFolder{
		redacted: redacted(fmt.Sprintf("drive.AppFolder{%s}", endpoint.Host)),
		client:   newHTTPClient(cfg, endpoint),
		endpoint: endpoint,
		chunk:    cfg.ChunkSize,
		retry:    cfg.Retry,
		parallel: cmp.Or(cfg.Parallel, defaultParallel),
		observe:  cfg.Observe,
	}, nil
}

// Info returns the folder itself, under its real ID. It is a cheap way to find
// out whether the token opens the folder.
func (f *AppFolder) Info(ctx context.Context) (*File, error) {
	file, err := f.get(ctx, alias)
	return file, failed("info", "", err)
}

// get returns the file that has id, as it is now.
func (f *AppFolder) get(ctx context.Context, id string) (*File, error) {
	return try(ctx, f, func(ctx context.Context) (*File, error) { return f.getOnce(ctx, id) })
}

func (f *AppFolder) getOnce(ctx context.Context, id string) (*File, error) {
	return f.fetchFile(ctx, f.fileCall(opGet, http.MethodGet, id, fields(fileFields)))
}

// fetchFile sends c, whose answer is a file.
func (f *AppFolder) fetchFile(ctx context.Context, c call) (*File, error) {
	res, err := f.do(ctx, c)
	if err != nil {
		return nil, err
	}
	return readFile(res)
}

// redacted is embedded by types without exported fields.
type redacted = redact.Form

func (c Config) redacted() redacted {
	auth := "HTTPClient"
	if c.TokenSource != nil {
		auth = "TokenSource"
	}
	return redacted(fmt.Sprintf("drive.Config{%s: [redacted], Endpoint: %q, ChunkSize: %d}", auth, c.Endpoint, c.ChunkSize))
}

// Format prints c without its TokenSource and HTTPClient, under every verb.
func (c Config) Format(s fmt.State, verb rune) { c.redacted().Format(s, verb) }

// MarshalText returns the text that [Config.Format] prints, for log/slog,
// encoding/json and other encoders.
func (c Config) MarshalText() ([]byte, error) { return c.redacted().MarshalText() }

// GobEncode returns an error.
func (c Config) GobEncode() ([]byte, error) { return c.redacted().GobEncode() }
