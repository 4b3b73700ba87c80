package exchangetest

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// A Request is what the server was asked, and the status of what it answered.
// Codes, tokens and secrets are in it as they were sent.
type Request struct {
	Time     time.Time // by the server's clock
	Endpoint Endpoint
	Method   string
	Path     string
	Query    url.Values
	Header   http.Header
	Body     string
	Form     url.Values // of the body, if it is a form

	// Status is 0 while there is no answer, or none that the server made: the
	// request is under way, was cut, or went to a Fault's Handler.
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

// Requests returns the requests that have come in so far, in their order: those
// to the endpoints named, or all. The server remembers at least the last 5,000.
func (s *Server) Requests(to ...Endpoint) []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	var found []Request
	for _, r := range s.log.entries {
		if len(to) == 0 || slices.Contains(to, r.Endpoint) {
			found = append(found, *r)
		}
	}
	return found
}
