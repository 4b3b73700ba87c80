package drivetest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// A Cut says where a request loses its connection.
type Cut int

const (
	NoCut      Cut = iota
	CutRequest     // in the request: it has no effect, except that a session keeps what arrived
	CutAnswer      // in the answer: the request has its effect
)

// A Fault is something that goes wrong with one request or several.
type Fault struct {
	Op    Op  // the kind of request; empty: any
	Nth   int // of those from now on, the first that is hit; zero: the next one, as 1
	Times int // how many in a row; zero: one; negative: all from then on

	// Delay is waited first, for as long as the client stays.
	Delay time.Duration
	// Hang gives no answer: the request has no effect and ends when the client,
	// or the server, goes away.
	Hang bool

	// Status is answered instead of what the request asks for, with Google's JSON
	// for Reason (default "backendError"), or with Body if that is not empty.
	Status     int
	Reason     string
	Body       string
	RetryAfter string      // the header's value; empty: none
	Header     http.Header // of the answer, beside the usual ones
	// Performed lets the request have its effect in spite of Status.
	Performed bool

	// Cut breaks the connection after CutAt bytes: of the request's body with
	// CutRequest, of the whole answer, status line and header included, with
	// CutAnswer. What a session keeps of a broken chunk is a multiple of 256 KiB.
	Cut   Cut
	CutAt int
	// Reset breaks it by a TCP reset instead of an orderly close. Of what was sent
	// before, some may then not arrive.
	Reset bool

	// Keep, if positive, lets a session keep no more than that many bytes of a
	// chunk, rounded down to a multiple of 256 KiB, and say so in its answer.
	Keep int64
}

// scripted is a fault that waits for its requests.
type scripted struct {
	Fault
	seen int
}

// Inject adds faults to those that wait. Each counts the requests of its kind
// by itself; where several hit the same request, the one injected first is taken.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		f.Header = f.Header.Clone()
		s.faults = append(s.faults, &scripted{Fault: f})
	}
}

// fault counts a request and returns the fault that hits it, or an empty one.
// The caller holds s.mu.
func (s *Server) fault(op Op) (hit Fault, found bool) {
	for _, f := range s.faults {
		if f.Op != "" && f.Op != op {
			continue
		}
		f.seen++
		if !found && f.hits() {
			hit, found = f.Fault, true
		}
	}
	return hit, found
}

func (f *scripted) hits() bool {
	first, times := max(f.Nth, 1), f.Times
	if times == 0 {
		times = 1
	}
	return f.seen >= first && (times < 0 || f.seen < first+times)
}

// answer is what a fault with a Status sends.
func (f *Fault) answer() *answer {
	reason := f.Reason
	if reason == "" {
		reason = "backendError"
	}
	a := fail(f.Status, reason, http.StatusText(f.Status)).answer()
	if f.Body != "" {
		a.body = []byte(f.Body)
		a.header.Set("Content-Type", http.DetectContentType(a.body))
	}
	for name, values := range f.Header {
		a.header[name] = values
	}
	if f.RetryAfter != "" {
		a.header.Set("Retry-After", f.RetryAfter)
	}
	return a
}

// wait passes the delay, or the whole life of a request that hangs, and reports
// whether the request goes on.
func (f *Fault) wait(r *http.Request) bool {
	if f.Hang {
		io.Copy(io.Discard, r.Body) // until it is read, the server does not see the client leave
		<-r.Context().Done()
		return false
	}
	if f.Delay <= 0 {
		return true
	}
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

var errCut = errors.New("drivetest: connection cut on purpose")

// breakConnection sends the first bytes of an answer, a nil one being empty, and
// closes the connection.
func (f *Fault) breakConnection(w http.ResponseWriter, r *http.Request, a *answer) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	if a != nil {
		raw := a.raw(r)
		buf.Write(raw[:min(f.CutAt, len(raw))])
		buf.Flush()
	}
	if tcp, ok := conn.(*net.TCPConn); ok && f.Reset {
		tcp.SetLinger(0)
	}
}

// raw is the answer as it goes over an HTTP/1.1 connection.
func (a *answer) raw(r *http.Request) []byte {
	var buf bytes.Buffer
	res := &http.Response{
		StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
	res.Write(&buf)
	return buf.Bytes()
}
