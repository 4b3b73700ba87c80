package exchange

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// A sending is how far a transport has got with one request, as far as it tells
// (net/http/httptrace).
type sending struct {
	asked     atomic.Bool // for a connection
	connected atomic.Bool // and got one: what then fails may be sent
	written   atomic.Bool // the whole request
}

// once keeps the transport from sending req again once it is sent, as HTTP/2
// does when a server resets the stream. It may do so while it is not: a kept
// connection that turns out to be closed is nobody's failure.
func (s *sending) once(req *http.Request) *http.Request {
	getBody := req.GetBody
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { s.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.connected.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				s.written.Store(true)
			}
		},
	}))
	req.GetBody = func() (io.ReadCloser, error) {
		if s.written.Load() {
			return nil, errors.New("the request is sent, and not sent again")
		}
		return getBody()
	}
	return req
}

// unconnected reports whether there was no connection to send anything on: the
// address was not reached, a proxy would not go there, or the TLS handshake has
// failed. A transport that traces nothing leaves it open.
func (s *sending) unconnected() bool { return s.asked.Load() && !s.connected.Load() }
