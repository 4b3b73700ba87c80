//go:build unix

package servers

import (
	"path/filepath"
	"testing"

	_ "github.com/go-sql-driver/mysql"
)

// MariaDB starts one for the test, with an empty database named test.
func MariaDB(tb testing.TB) *Server {
	tb.Helper()
	mariadbd := program(tb, "mariadb-server", "mariadbd", "mysqld")
	install := program(tb, "mariadb-server", "mariadb-install-db", "mysql_install_db")
	return start(tb, func(s *Server, port string) error {
		data := filepath.Join(s.dir, "data")
		err := runOnce(s.dir, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal")
		if err != nil {
			return err
		}
		s.args = []string{mariadbd, "--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + port,
			"--socket=" + filepath.Join(s.dir, "s"), "--pid-file=" + filepath.Join(s.dir, "pid"), "--max-connections=400",
			"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"}
		s.DSN = "root@tcp(" + s.Addr + ")/test"
		s.ready = ping("mysql", s.DSN)
		return nil
	})
}
