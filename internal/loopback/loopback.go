// Package loopback serves the fakes on a loopback port.
package loopback

import (
	"errors"
	"net"
	"net/http"
	"sync"
)

// Listen listens on a free port of 127.0.0.1, or of ::1 where there is no IPv4.
func Listen() (net.Listener, error) { return listen("127.0.0.1:0", "[::1]:0") }

// listen listens on the first of the addresses that this machine has.
func listen(addresses ...string) (net.Listener, error) {
	var failures []error
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// A Server serves HTTP on a loopback port. It stands in for httptest.Server,
// which imports package testing from Go 1.27 on: a program that runs a fake
// should not.
type Server struct {
	// URL is the server's address, of the form http://127.0.0.1:port.
	URL string

	listener net.Listener
	http     http.Server

	mu   sync.Mutex
	busy map[net.Conn]bool // connections with a request under way
	idle sync.Cond         // signalled when busy becomes empty
}

// NewServer opens a port for handler; Start begins to serve it. The caller
// should call Close when finished.
func NewServer(handler http.Handler) (*Server, error) {
	listener, err := Listen()
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), listener: listener, busy: map[net.Conn]bool{}}
	s.idle.L = &s.mu
	s.http.Handler, s.http.ConnState = handler, s.track
	return s, nil
}

// Start serves requests until Close.
func (s *Server) Start() { go s.http.Serve(s.listener) }

// Close stops listening, waits for the requests under way, and closes all
// connections.
func (s *Server) Close() {
	s.listener.Close()
	s.http.SetKeepAlivesEnabled(false) // a connection ends after the request under way
	s.wait()
	s.http.Close()
	s.wait() // for a request that came in between
}

func (s *Server) wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.busy) > 0 {
		s.idle.Wait()
	}
}

func (s *Server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateActive {
		s.busy[c] = true
		return
	}
	delete(s.busy, c)
	if len(s.busy) == 0 {
		s.idle.Broadcast()
	}
}
