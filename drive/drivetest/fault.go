package drivetest

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// A Fault is something that goes wrong with one request or several.
//
//	Fault{Status: 503}                                // refused, without effect
//	Fault{Status: 503, Performed: true}               // done, and refused all the same
//	Fault{Cut: true}                                  // the connection breaks, without effect
//	Fault{Cut: true, Performed: true}                 // done, and the answer is lost
//	Fault{Cut: true, Performed: true, CutAt: 40}      // done, and 40 bytes of the answer arrive
//	Fault{Op: OpUploadChunk, Cut: true, CutAt: 1<<20} // a MiB of the chunk arrives
//	Fault{Op: OpList, Nth: 2, Delay: time.Second}     // the second list comes late
type Fault struct {
	Op    Op  // the kind of request; empty: any
	Nth   int // of those from now on, the first that is hit; zero: the next one, as 1
	Times int // how many in a row; zero: one; negative: all from then on

	// Delay passes before anything else, but not longer than the client stays.
	Delay time.Duration

	// Hang gives no answer: the request has no effect and ends when the client,
	// or the server, goes away.
	Hang bool

	// Status and Body are answered in place of what the request asks for. Without a
	// Status, a Body has 200. Without a Body, a Status has Google's JSON of an error
	// for Reason; the default Reason is "backendError".
	Status int
	Reason string
	Body   string

	// Header is set in the answer, whether it is the fault's own or not.
	Header http.Header

	// Performed lets the request have its effect although its answer is replaced or
	// lost.
	Performed bool

	// Cut breaks the connection after CutAt bytes. Where there is an answer, by
	// Performed, Status or Body, they are bytes of that, status line and header
	// included. Otherwise they are bytes of the request's body, and the request has
	// no effect, except that a session keeps the whole multiples of 256 KiB of them.
	Cut   bool
	CutAt int

	// Reset makes Cut break it by a TCP reset instead of an orderly close. Some of
	// what was sent before may then not arrive.
	Reset bool

	// Keep, if positive, lets a session keep no more than that many bytes of a
	// chunk, rounded down to a multiple of 256 KiB, and say so in its answer.
	Keep int64
}

// A scripted fault waits for its requests.
type scripted struct {
	Fault
	seen int
}

// Inject adds faults to those that wait. Each fault counts the requests of its kind
// itself. If several hit the same request, the first one injected has its effect.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inject(faults)
}

// Script replaces the faults that wait. Script() removes them all.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	s.inject(faults)
}

func (s *Server) inject(faults []Fault) {
	for _, f := range faults {
		f.Header = f.Header.Clone()
		s.faults = append(s.faults, &scripted{Fault: f})
	}
}

// fault counts a request and returns the fault that hits it, if there is one. The
// caller holds s.mu.
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

// answers reports whether the fault has an answer of its own.
func (f *Fault) answers() bool { return f.Status != 0 || f.Body != "" }

// cutsRequest reports whether the connection breaks before there is an answer.
func (f *Fault) cutsRequest() bool { return f.Cut && !f.Performed && !f.answers() }

// answer returns the fault's own answer.
func (f *Fault) answer() *answer {
	status, reason := cmp.Or(f.Status, http.StatusOK), cmp.Or(f.Reason, "backendError")
	if f.Body == "" {
		return fail(status, reason, http.StatusText(status)).answer()
	}
	a := newAnswer(status)
	a.body = []byte(f.Body)
	a.header.Set("Content-Type", http.DetectContentType(a.body))
	return a
}

// wait waits for as long as the fault says, and reports whether the request goes on.
func (f *Fault) wait(r *http.Request) bool {
	if f.Hang {
		io.Copy(io.Discard, r.Body) // net/http sees a client leave only after that
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

// breakConnection sends the first bytes of an answer, which may be nil, and closes
// the connection.
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

// raw returns the answer in the bytes of HTTP/1.1.
func (a *answer) raw(r *http.Request) []byte {
	var buf bytes.Buffer
	res := &http.Response{
		StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
	res.Write(&buf)
	return buf.Bytes()
}
