//go:build unix

package servers

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// PgBouncer starts one in front of a PostgreSQL, in transaction mode. It gives few
// connections to all of its clients, so that the transactions of one client run on
// different ones.
func PgBouncer(tb testing.TB, postgres *Server) *Server {
	tb.Helper()
	program := program(tb, "pgbouncer", "pgbouncer")
	return start(tb, func(s *Server, port string) error {
		_, behind, err := net.SplitHostPort(postgres.Addr)
		if err != nil {
			return err
		}
		settings := filepath.Join(s.dir, "pgbouncer.ini")
		text := "[databases]\n" +
			"postgres = host=127.0.0.1 port=" + behind + " user=postgres\n" +
			"[pgbouncer]\n" +
			"listen_addr = 127.0.0.1\nlisten_port = " + port + "\nunix_socket_dir =\n" +
			"auth_type = any\nmax_client_conn = 400\n" +
			"pool_mode = transaction\ndefault_pool_size = 4\n" +
			"ignore_startup_parameters = extra_float_digits\n" // lib/pq sends it
		if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
			return err
		}
		s.args = []string{program, settings}
		s.DSN = "postgres://postgres@" + s.Addr + "/postgres?sslmode=disable"
		s.ready = ping("pgx", s.DSN+"&default_query_exec_mode=simple_protocol", "")
		return nil
	})
}
