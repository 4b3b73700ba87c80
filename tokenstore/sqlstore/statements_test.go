package sqlstore_test

import (
	"database/sql/driver"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

var update = flag.Bool("update", false, "write testdata anew")

var jane = tokenstore.Key{ClientID: "client.apps.googleusercontent.com", Subject: "jane"}

// TestStatements pins every statement of every dialect, and the types of the bound
// values, to testdata: one statement for each operation, and a second one only to
// distinguish a missing row from a conflict.
func TestStatements(t *testing.T) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL} {
		t.Run(dialect.String(), func(t *testing.T) {
			db := new(fakeDB)
			store := db.open(t, dialect, "auth.grants")
			ctx := t.Context()
			operations := []struct {
				name string
				do   func()
			}{
				{"create", func() { store.Save(ctx, jane, tokenstore.Grant{RefreshToken: "1//jane", CreatedAt: time.Now()}) }},
				{"replace", func() { store.Save(ctx, jane, tokenstore.Grant{Version: "v"}) }},
				{"load", func() { store.Load(ctx, jane) }},
				{"delete", func() { store.Delete(ctx, jane, "v") }},
				{"delete where no row has that version", func() {
					db.respond = func(string, []driver.NamedValue) response { return response{} }
					store.Delete(ctx, jane, "v")
					db.respond = nil
				}},
				{"delete any version", func() { store.Delete(ctx, jane, tokenstore.AnyVersion) }},
				{"keys", func() {
					for range store.Keys(ctx, jane) {
					}
				}},
				{"find", func() {
					for range store.Find(ctx, tokenstore.TokenHash("1//jane")) {
					}
				}},
				{"lease", func() {
					release, ok, _ := store.Lease(ctx, jane, "work", time.Second)
					if ok {
						release()
					}
				}},
			}
			got := store.Schema()
			for _, o := range operations {
				db.log = nil
				o.do()
				got += "\n-- " + o.name + "\n" + strings.Join(db.log, "\n") + "\n"
			}
			wantGolden(t, filepath.Join("testdata", strings.ToLower(dialect.String())+".sql"), got)
		})
	}
}

func wantGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed (write it with -update); it is now\n%s", path, got)
	}
}
