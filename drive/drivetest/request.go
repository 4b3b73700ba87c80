package drivetest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// An Op is a kind of request.
type Op string

// The kinds of requests. They have the names of Google's methods, except that files.get
// and uploads are split.
const (
	OpAbout        Op = "about.get"
	OpGenerateIDs  Op = "files.generateIds"
	OpList         Op = "files.list"
	OpGet          Op = "files.get"    // metadata
	OpDownload     Op = "files.media"  // files.get with alt=media
	OpCreate       Op = "files.create" // without content, or in one request with it
	OpUpdate       Op = "files.update" // without content, or in one request with it
	OpDelete       Op = "files.delete"
	OpUploadStart  Op = "upload.start"  // opens a resumable session
	OpUploadChunk  Op = "upload.chunk"  // sends content to a session
	OpUploadStatus Op = "upload.status" // asks a session how far it is, or ends it
	OpOther        Op = "other"         // any request that is always refused
)

// A Request is an entry of the server's log. Credentials are left out: the
// Authorization header, and the parameters access_token and upload_id.
type Request struct {
	Op       Op
	Method   string // after X-HTTP-Method-Override
	Path     string
	Query    url.Values
	Header   http.Header
	Subject  string // the user of the access token; empty if not known
	BodySize int64  // bytes of the body that arrived
	Status   int    // of the answer, 0 if none was sent
	Faulty   bool   // a fault was injected
}

// maxLog is how many requests the log keeps.
const maxLog = 10_000

// Requests returns the requests so far, in the order of their arrival: of the given
// kinds only if there are any, and at most the last 10,000 of all kinds.
func (s *Server) Requests(ops ...Op) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Request
	for _, r := range s.log {
		if len(ops) == 0 || slices.Contains(ops, r.Op) {
			entry := *r
			entry.Query, entry.Header = cloneValues(r.Query), r.Header.Clone()
			list = append(list, entry)
		}
	}
	return list
}

func cloneValues(v url.Values) url.Values {
	return url.Values(http.Header(v).Clone())
}

func logEntry(op Op, r *http.Request) *Request {
	entry := &Request{Op: op, Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone()}
	entry.Header.Del("Authorization")
	maps.DeleteFunc(entry.Query, func(name string, _ []string) bool {
		return name == "access_token" || name == "upload_id"
	})
	return entry
}
