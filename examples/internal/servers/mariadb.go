//go:build unix

package servers

import (
	"path/filepath"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// MariaDB starts one for the test, with an empty database named test.
func MariaDB(tb testing.TB) *Server {
	tb.Helper()
	return mariadb(tb, installed(tb))
}

// installed returns a function that makes the data folder of a new server.
func installed(tb testing.TB) func(dir, data string) error {
	tb.Helper()
	install := program(tb, "mariadb-server", "mariadb-install-db", "mysql_install_db")
	return func(dir, data string) error {
		return runOnce(dir, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal")
	}
}

// mariadb starts one with a data folder that create makes in dir.
func mariadb(tb testing.TB, create func(dir, data string) error, settings ...string) *Server {
	tb.Helper()
	program := program(tb, "mariadb-server", "mariadbd", "mysqld")
	return start(tb, func(s *Server, port string) error {
		data := filepath.Join(s.dir, "data")
		if err := create(s.dir, data); err != nil {
			return err
		}
		s.args = append([]string{program, "--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + port,
			"--socket=s", "--pid-file=" + filepath.Join(s.dir, "pid"), "--max-connections=400",
			"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"},
			settings...)
		s.DSN = "root@tcp(" + s.Addr + ")/test"
		s.ready = ping("mysql", s.DSN, "SELECT 1 FROM mysql.user LIMIT 1") // Galera refuses it until the node has joined
		return nil
	})
}

// Galera starts a cluster of two nodes of MariaDB, with an empty database named
// test.
func Galera(tb testing.TB) []*Server {
	tb.Helper()
	found, _ := filepath.Glob("/usr/lib*/galera*/libgalera_smm.so")
	if len(found) == 0 {
		needs.Skip(tb, "libgalera_smm.so is not installed: apt-get install galera-4")
	}
	program(tb, "rsync", "rsync") // by which the second node gets the data of the first
	node := func(port, others string) []string {
		return []string{"--wsrep-on=ON", "--wsrep-provider=" + found[0], "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
			"--wsrep-node-address=127.0.0.1:" + port, "--wsrep-cluster-address=gcomm://" + others,
			"--wsrep-sst-method=rsync", "--wsrep-sst-receive-address=127.0.0.1:" + freePortFor(tb),
			"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:" + port + ";ist.recv_addr=127.0.0.1:" + freePortFor(tb) +
				";gcache.size=4M;evs.suspect_timeout=PT1M;evs.inactive_timeout=PT2M;gmcast.peer_timeout=PT1M"} // on a busy machine
	}
	port := freePortFor(tb)
	first := mariadb(tb, installed(tb), append(node(port, ""), "--wsrep-new-cluster")...)
	second := mariadb(tb, func(dir, data string) error { return runOnce(dir, "mkdir", data) },
		node(freePortFor(tb), "127.0.0.1:"+port)...)
	return []*Server{first, second}
}
