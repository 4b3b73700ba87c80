//go:build unix

package servers

import (
	"bufio"
	"fmt"
	"net"
	"testing"
	"time"
)

// Redis starts one for the test. It keeps nothing on disk: started again, it is
// empty. settings are further arguments, such as "--maxmemory", "10mb".
func Redis(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	redis := program(tb, "redis-server", "redis-server", "valkey-server")
	return start(tb, func(s *Server, port string) error {
		s.args = append([]string{redis, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
			"--save", "", "--appendonly", "no"}, settings...)
		s.ready = func() error { return redisPing(s.Addr) }
		return nil
	})
}

func redisPing(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+PONG\r\n" {
		err = fmt.Errorf("answer to PING: %q", answer)
	}
	return err
}
