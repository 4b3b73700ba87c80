//go:build unix

package servers

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// PostgreSQL starts one for the test, with an empty database. Its default
// collation is a language's, not the bytes', where the build has ICU.
func PostgreSQL(tb testing.TB) *Server {
	tb.Helper()
	postgres := program(tb, "postgresql", "postgres")
	initdb := program(tb, "postgresql", "initdb")
	for _, setting := range os.Environ() { // the drivers would take a developer's PGSERVICE or PGREQUIREAUTH
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "PG") {
			os.Unsetenv(name)
		}
	}
	return start(tb, func(s *Server, port string) error {
		data := filepath.Join(s.dir, "data")
		create := []string{initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"}
		if err := runOnce(s.dir, append(create, "--locale-provider=icu", "--icu-locale=en-US")...); err != nil {
			if err := runOnce(s.dir, create...); err != nil {
				return err
			}
		}
		s.args = []string{postgres, "-D", data, "-h", "127.0.0.1", "-p", port,
			"-k", "", // no socket, whose path must not be long
			"-c", "fsync=off", "-c", "max_connections=400"}
		s.stopSig = syscall.SIGINT // "fast": does not wait for clients to leave
		s.DSN = "postgres://postgres@" + s.Addr + "/postgres?sslmode=disable"
		s.ready = ping("pgx", s.DSN, "")
		return nil
	})
}

// ping opens a connection of its own each time, and runs the query on it.
func ping(driver, dsn, query string) func() error {
	return func() error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.Exec(query)
		return err
	}
}

// Crash ends PostgreSQL as "pg_ctl stop -m immediate" does: it breaks all connections,
// writes nothing more, and recovers when it is started again.
func (s *Server) Crash(tb testing.TB) {
	tb.Helper()
	s.end(syscall.SIGQUIT)
}
