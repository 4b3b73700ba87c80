package exchangetest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// A Fault is what happens to a request instead of, or beside, the answer that
// it deserves. The zero value lets it pass.
//
//	Fault{Status: 503}                    // refused, and nothing done
//	Fault{Status: 503, After: true}       // done, and refused all the same
//	Fault{Cut: true}                      // the connection breaks, and nothing done
//	Fault{Cut: true, After: true}         // done, and the answer is lost
//	Fault{Body: `{"access_`, Cut: true}   // half an answer
//	Fault{Delay: time.Second}             // the right answer, late
//
// A connection is closed as net/http wants it, by a panic with
// [http.ErrAbortHandler]: one who calls ServeHTTP without a connection sees that.
type Fault struct {
	// Status, Header and Body are answered. Status is 200 and the Content-Type
	// Google's JSON by default.
	Status int
	Header http.Header
	Body   string

	// Delay passes before the answer; not longer than the client waits.
	Delay time.Duration

	// Hang never answers: the request ends when the client gives up or the
	// server closes.
	Hang bool

	// Cut closes the connection without an answer, or after the one above.
	Cut bool

	// After does what the request asks for first. What would have been
	// answered is lost where the fault has an answer of its own.
	After bool

	// Handler answers, whatever it likes, in place of the above.
	Handler http.Handler

	// Times is how many requests in a row this happens to; 0 is one, and a
	// negative number is all, until the next call of Script.
	Times int
}

// ErrorFault is a Fault that answers with an error in the form of Google's OAuth
// endpoints; the description may be empty.
//
//	ErrorFault(400, "internal_failure", "")
func ErrorFault(status int, code, description string) Fault {
	answer := newRecorder()
	refuse(answer, &refusal{status: status, code: code, description: description})
	return Fault{Status: status, Header: answer.header, Body: answer.body.String()}
}

// Script sets what happens to the next requests to an endpoint: the first fault
// to the first of them, the second to the second. Those after the last fault
// pass. What was scripted before for the endpoint is forgotten.
func (s *Server) Script(e Endpoint, faults ...Fault) {
	s.script.set(e, faults)
}

type script struct {
	mu     sync.Mutex
	faults map[Endpoint][]Fault
}

func (q *script) set(e Endpoint, faults []Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.faults == nil {
		q.faults = make(map[Endpoint][]Fault)
	}
	q.faults[e] = append([]Fault(nil), faults...)
}

func (q *script) next(e Endpoint) Fault {
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

// answers reports whether the fault has an answer of its own, or none.
func (f *Fault) answers() bool {
	return f.Status != 0 || f.Header != nil || f.Body != "" || f.Hang || f.Cut || f.Handler != nil
}

// pause waits as long as the fault says; false: there is nobody to answer.
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

// write sends the fault's own answer and returns its status; 0 if it has none.
func (f *Fault) write(w http.ResponseWriter, r *http.Request) int {
	if f.Handler != nil {
		f.Handler.ServeHTTP(w, r)
		return 0
	}
	if f.Cut && f.Status == 0 && f.Body == "" {
		return 0
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
