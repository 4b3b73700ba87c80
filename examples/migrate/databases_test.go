//go:build unix

package main

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// The queries of the formats work in both databases, where a library's tables have
// the types that it gives them; and the backend's store may be the same database.
func TestDatabases(t *testing.T) {
	for _, c := range []struct {
		name, driver string
		server       func(*testing.T) *servers.Server
		address      func(dsn string) string
		schema       []string
	}{
		{"PostgreSQL", "pgx", func(t *testing.T) *servers.Server { return servers.PostgreSQL(t) }, func(dsn string) string { return dsn }, []string{
			`CREATE TABLE accounts (id SERIAL PRIMARY KEY, "userId" INTEGER, provider VARCHAR(255), "providerAccountId" VARCHAR(255), refresh_token TEXT)`,
			`CREATE TABLE account (id TEXT PRIMARY KEY, "userId" UUID, "providerId" TEXT, "accountId" TEXT, "refreshToken" TEXT, "updatedAt" TIMESTAMPTZ)`,
			`CREATE TABLE social_auth_usersocialauth (id BIGSERIAL PRIMARY KEY, user_id BIGINT, provider VARCHAR(32), uid VARCHAR(255), extra_data JSONB)`,
			`INSERT INTO accounts ("userId", provider, "providerAccountId", refresh_token) VALUES (42, 'google', '` + jane + `', 'TOKEN'), (43, 'github', '1', 'x')`,
			`INSERT INTO account VALUES ('a', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'google', '` + jane + `', 'TOKEN', NULL)`,
			`INSERT INTO social_auth_usersocialauth (user_id, provider, uid, extra_data) VALUES (42, 'google-oauth2', '` + jane + `', '{"refresh_token": "TOKEN"}')`,
		}},
		{"MariaDB", "mysql", func(t *testing.T) *servers.Server { return servers.MariaDB(t) }, func(dsn string) string { return "mysql:" + dsn }, []string{
			"CREATE TABLE accounts (id INT PRIMARY KEY AUTO_INCREMENT, `userId` INT, provider VARCHAR(255), `providerAccountId` VARCHAR(255), refresh_token TEXT)",
			"CREATE TABLE account (id VARCHAR(36) PRIMARY KEY, `userId` VARCHAR(36), `providerId` TEXT, `accountId` TEXT, `refreshToken` TEXT, `updatedAt` TIMESTAMP)",
			"CREATE TABLE social_auth_usersocialauth (id BIGINT PRIMARY KEY AUTO_INCREMENT, user_id BIGINT, provider VARCHAR(32), uid VARCHAR(255), extra_data LONGTEXT)",
			"INSERT INTO accounts (`userId`, provider, `providerAccountId`, refresh_token) VALUES (42, 'google', '" + jane + "', 'TOKEN'), (43, 'github', '1', 'x')",
			"INSERT INTO account VALUES ('a', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'google', '" + jane + "', 'TOKEN', NOW())",
			`INSERT INTO social_auth_usersocialauth (user_id, provider, uid, extra_data) VALUES (42, 'google-oauth2', '` + jane + `', '{"refresh_token": "TOKEN"}')`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := c.server(t)
			w := newWorld(t, exchangetest.Options{})
			db, err := sql.Open(c.driver, server.DSN)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			token := w.consent(jane, "openid").RefreshToken
			for _, statement := range c.schema {
				if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(statement, "TOKEN", token)); err != nil {
					t.Fatal(err)
				}
			}
			w.o.db = c.address(server.DSN)
			for format, user := range map[string]string{"authjs": "42", "better-auth": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "social-auth": "42"} {
				w.o.from = format
				got, err := readGrants(t.Context(), w.o)
				if want := []grant{{user, jane, "", token, ""}}; err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %+v, %v", format, got, err)
				}
			}
			w.wantLines([]string{"1 taken"}, func(o *options) { o.to = w.o.db })
			var n int
			if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM google_grants").Scan(&n); err != nil || n != 1 {
				t.Errorf("%d grants in the backend's table, %v", n, err)
			}
		})
	}
}
