package exchangetest

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// A Request is a request that the server got, and the status of its response. It has
// codes, tokens and secrets as they were sent.
type Request struct {
	Time     time.Time // by the server's clock
	Endpoint Endpoint
	Method   string
	Path     string
	Query    url.Values
	Header   http.Header
	Body     string
	Form     url.Values // of the body, if it is a form

	// Status is 0 if the request is under way, was cut, or was answered by a
	// Fault's Handler.
	Status int
}

// logLimit bounds the memory of a server that runs for long.
const logLimit = 10_000

type requestLog struct {
	mu      sync.Mutex
	entries []*Request
}

func (l *requestLog) add(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == logLimit {
		l.entries = slices.Delete(l.entries, 0, logLimit/2)
	}
	l.entries = append(l.entries, r)
}

func (l *requestLog) answered(r *Request, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Status = status
}

// Requests returns the requests so far to the endpoints named, or all requests, in
// their order. The server remembers at least the last 5,000.
func (s *Server) Requests(to ...Endpoint) []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	var found []Request
	for _, r := range s.log.entries {
		if len(to) == 0 || slices.Contains(to, r.Endpoint) {
			entry := *r
			entry.Query, entry.Header, entry.Form = cloneValues(r.Query), r.Header.Clone(), cloneValues(r.Form)
			found = append(found, entry)
		}
	}
	return found
}

func cloneValues(v url.Values) url.Values { return url.Values(http.Header(v).Clone()) }
