//go:build unix

package servers

import (
	"net"
	"testing"
	"time"
)

// Program starts a program for the test, or skips the test if it is not
// installed. args returns its arguments, for a folder of its own and the port on
// which it is to accept connections.
func Program(tb testing.TB, install, name string, args func(dir, port string) []string) *Server {
	tb.Helper()
	program := program(tb, install, name)
	return start(tb, func(s *Server, port string) error {
		s.args = append([]string{program}, args(s.dir, port)...)
		s.ready = func() error {
			conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
			if err == nil {
				conn.Close()
			}
			return err
		}
		return nil
	})
}

// Output returns what the server has written to its standard output and error.
func (s *Server) Output() string { return s.running.log() }
