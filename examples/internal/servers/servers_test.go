//go:build unix

package servers_test

import (
	"net"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
)

func TestMain(m *testing.M) { needs.Main(m) }

func TestServers(t *testing.T) {
	t.Setenv("PGSERVICE", "a developer's") // pgx would look for it
	for name, start := range map[string]func(testing.TB) *servers.Server{
		"PostgreSQL": servers.PostgreSQL,
		"MariaDB":    servers.MariaDB,
		"Redis":      func(tb testing.TB) *servers.Server { return servers.Redis(tb) },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.Stop(t)
			if conn, err := net.Dial("tcp", s.Addr); err == nil {
				conn.Close()
				t.Error("the server still listens after Stop")
			}
			if reservation, err := net.ListenPacket("udp", s.Addr); err == nil {
				reservation.Close()
				t.Error("another process can take the port while the server is stopped")
			}
			s.Start(t)
			s.Kill(t)
			s.Start(t)
		})
	}
}

func TestRedisCluster(t *testing.T) {
	if n := len(servers.RedisCluster(t)); n != 3 {
		t.Errorf("%d nodes, want 3", n)
	}
}
