//go:build unix

package stores_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

// BenchmarkSQL compares Save and Load with the same statements run directly
// through database/sql: the metric is how many times as long ours take.
func BenchmarkSQL(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		_, db, err := stores.SQLite(b.Context(), filepath.Join(b.TempDir(), "grants.db"))
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		benchmarkSQL(b, db, sqlstore.SQLite)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		benchmarkSQL(b, openDB(b, "pgx", servers.PostgreSQL(b).DSN), sqlstore.PostgreSQL)
	})
	b.Run("MariaDB", func(b *testing.B) {
		benchmarkSQL(b, openDB(b, "mysql", servers.MariaDB(b).DSN), sqlstore.MySQL)
	})
}

func benchmarkSQL(b *testing.B, db *sql.DB, dialect sqlstore.Dialect) {
	store := table(b, db, dialect, "ours")
	table(b, db, dialect, "theirs")
	ctx := b.Context()
	key := user("110169484474386276334")
	g := tokenstore.Grant{
		RefreshToken: "1//" + strings.Repeat("r", 200),
		Scopes:       []string{"https://www.googleapis.com/auth/drive.appdata", "openid"},
		CreatedAt:    time.Now(), UpdatedAt: time.Now(), RefreshedAt: time.Now(),
	}
	var err error
	if g.Version, err = store.Save(ctx, key, g); err != nil {
		b.Fatal(err)
	}
	bare := newBare(b, db, dialect, key, g)

	b.Run("Save", func(b *testing.B) {
		ratio(b, func() {
			if g.Version, err = store.Save(ctx, key, g); err != nil {
				b.Fatal(err)
			}
		}, func() { bare.save(ctx, b) })
	})
	b.Run("Load", func(b *testing.B) {
		ratio(b, func() {
			if _, err := store.Load(ctx, key); err != nil {
				b.Fatal(err)
			}
		}, func() { bare.load(ctx, b) })
	})
}

// ratio runs both in turn and reports the quotient of their medians: whatever
// else the computer does then hits both.
func ratio(b *testing.B, ours, floor func()) {
	var times [2][]time.Duration
	for b.Loop() {
		for i, f := range []func(){ours, floor} {
			began := time.Now()
			f()
			times[i] = append(times[i], time.Since(began))
		}
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2])
	}
	b.ReportMetric(median(times[0])/median(times[1]), "ratio")
}

// bare is what Save and Load execute, with nothing around it.
type bare struct {
	db             *sql.DB
	update, query  string
	values         []any // of the columns between version and key
	clientID, user string
	writes         int
}

func newBare(b *testing.B, db *sql.DB, dialect sqlstore.Dialect, key tokenstore.Key, g tokenstore.Grant) *bare {
	b.Helper()
	record, err := g.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	s := &bare{
		db: db,
		update: "UPDATE theirs SET version = ?, state = ?, token_hash = ?, prefix_hash = ?, created_at = ?, updated_at = ?, refreshed_at = ?, record = ?" +
			" WHERE client_id = ? AND subject = ? AND version = ?",
		query:    "SELECT version, record FROM theirs WHERE client_id = ? AND subject = ?",
		values:   []any{"active", g.Hashes()[0], g.Hashes()[1], now, now, now, record},
		clientID: key.ClientID,
		user:     key.Subject,
	}
	insert := "INSERT INTO theirs (version, state, token_hash, prefix_hash, created_at, updated_at, refreshed_at, record, client_id, subject)" +
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	if dialect == sqlstore.PostgreSQL {
		for _, query := range []*string{&s.update, &s.query, &insert} {
			for n := 1; strings.Contains(*query, "?"); n++ {
				*query = strings.Replace(*query, "?", "$"+strconv.Itoa(n), 1)
			}
		}
	}
	if _, err := db.ExecContext(b.Context(), insert, slices.Concat([]any{s.version()}, s.values, []any{s.clientID, s.user})...); err != nil {
		b.Fatal(err)
	}
	return s
}

// version has the length of one of ours.
func (s *bare) version() string { return "a version of 26 bytes " + strconv.Itoa(1000+s.writes%9000) }

func (s *bare) save(ctx context.Context, b *testing.B) {
	former := s.version()
	s.writes++
	result, err := s.db.ExecContext(ctx, s.update, slices.Concat([]any{s.version()}, s.values, []any{s.clientID, s.user, former})...)
	if err != nil {
		b.Fatal(err)
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		b.Fatal(n, err)
	}
}

func (s *bare) load(ctx context.Context, b *testing.B) {
	var version string
	var record []byte
	if err := s.db.QueryRowContext(ctx, s.query, s.clientID, s.user).Scan(&version, &record); err != nil {
		b.Fatal(err)
	}
}
