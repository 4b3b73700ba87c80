// Package servers starts real databases for tests, PostgreSQL (also behind
// PgBouncer), MariaDB (also as a Galera cluster) and Redis or Valkey (also as a
// cluster), and other programs that listen on a port: each on a free loopback port,
// with its data in a temporary folder, gone when the test ends. Where a program is not installed
// the test is skipped and says what to install. It needs a Unix system.
package servers
