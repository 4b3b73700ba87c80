package exchangetest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// A Fault is something that goes wrong with a request. The zero value changes
// nothing.
//
//	Fault{Status: 503}                    // refused, without effect
//	Fault{Status: 503, Performed: true}   // done, and refused all the same
//	Fault{Cut: true}                      // the connection breaks, without effect
//	Fault{Cut: true, Performed: true}     // done, and the response is lost
//	Fault{Body: `{"access_`, Cut: true}   // half a response
//	Fault{Delay: time.Second}             // the right response, late
//
// A connection is closed by a panic with [http.ErrAbortHandler], as net/http
// wants it. A test that calls ServeHTTP without a connection sees that panic.
type Fault struct {
	// Status, Header and Body are answered in place of the response to the request.
	// If Status is 0, 200 is used. The Content-Type is that of Google's JSON unless
	// Header has another.
	Status int
	Header http.Header
	Body   string

	// Delay passes before the response, but not longer than the client waits.
	Delay time.Duration

	// Hang gives no response: the request ends when the client or the server
	// closes the connection.
	Hang bool

	// Cut closes the connection without a response, or after the one above. Without one,
	// net/http sends a GET on a kept connection once more: set Times for both.
	Cut bool

	// Performed lets the request have its effect although its response is replaced
	// or lost.
	Performed bool

	// Handler answers in place of Status, Header and Body.
	Handler http.Handler

	// Times is the number of requests in a row that the fault affects. If 0, it
	// affects one; if negative, all from then on.
	Times int
}

// ErrorFault is a Fault that answers with an error in the form of Google's OAuth
// endpoints; the description may be empty.
//
//	ErrorFault(400, "internal_failure", "")
func ErrorFault(status int, code, description string) Fault {
	response := newRecorder()
	refuse(response, &refusal{status: status, code: code, description: description})
	return Fault{Status: status, Header: response.header, Body: response.body.String()}
}

// Inject adds faults to those that wait for requests to an endpoint: the first
// fault affects the next request, and so on. Requests after the last fault are
// answered as they should be.
func (s *Server) Inject(e Endpoint, faults ...Fault) {
	s.faults.add(e, faults)
}

// Script replaces the faults that wait for requests to an endpoint. Without faults
// it removes them.
func (s *Server) Script(e Endpoint, faults ...Fault) {
	s.faults.set(e, faults)
}

// A faultQueue holds the faults that wait for requests.
type faultQueue struct {
	mu     sync.Mutex
	faults map[Endpoint][]Fault
}

func (q *faultQueue) set(e Endpoint, faults []Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.faults, e)
	q.append(e, faults)
}

func (q *faultQueue) add(e Endpoint, faults []Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.append(e, faults)
}

// append adds faults. The caller holds the lock.
func (q *faultQueue) append(e Endpoint, faults []Fault) {
	if q.faults == nil {
		q.faults = make(map[Endpoint][]Fault)
	}
	for _, f := range faults {
		f.Header = f.Header.Clone()
		q.faults[e] = append(q.faults[e], f)
	}
}

func (q *faultQueue) next(e Endpoint) Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.faults[e]) == 0 {
		return Fault{}
	}
	head := &q.faults[e][0]
	f := *head
	switch {
	case head.Times > 1:
		head.Times--
	case head.Times >= 0:
		q.faults[e] = q.faults[e][1:]
	}
	return f
}

// replaces reports whether the fault has a response of its own, or none.
func (f *Fault) replaces() bool {
	return f.Status != 0 || f.Header != nil || f.Body != "" || f.Hang || f.Cut || f.Handler != nil
}

// pause waits as long as the fault says. It reports false if the client has gone.
func (f *Fault) pause(ctx context.Context, closed <-chan struct{}) bool {
	var over <-chan time.Time
	if !f.Hang {
		if f.Delay <= 0 {
			return true
		}
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return true
	case <-ctx.Done():
	case <-closed:
	}
	return false
}

// write sends the fault's own response and returns its status, or 0 if it has none.
func (f *Fault) write(w http.ResponseWriter, r *http.Request) int {
	if f.Handler != nil {
		f.Handler.ServeHTTP(w, r)
		return 0
	}
	if f.Cut && f.Status == 0 && f.Body == "" {
		panic(http.ErrAbortHandler) // before a byte of a response
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", jsonType)
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(status)
	io.WriteString(w, f.Body)
	return status
}
