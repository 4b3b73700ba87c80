package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/sqlstore"
)

func TestNew(t *testing.T) {
	db := sql.OpenDB(new(fakeDB))
	defer db.Close()
	long := strings.Repeat("x", 40)
	tests := map[string]struct {
		cfg   sqlstore.Config
		wrong string // the field that the error names
	}{
		"zero":             {sqlstore.Config{}, "Config.DB"},
		"no dialect":       {sqlstore.Config{DB: db}, "Config.Dialect"},
		"unknown dialect":  {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL + 1}, "Config.Dialect"},
		"default table":    {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL}, ""},
		"table":            {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "Grants_2"}, ""},
		"long table":       {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: long + "." + long}, ""},
		"longer table":     {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: long + "x"}, "Config.Table"},
		"longer schema":    {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: long + "x.t"}, "Config.Table"},
		"two schemas":      {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "a.b.c"}, "Config.Table"},
		"empty schema":     {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: ".c"}, "Config.Table"},
		"empty name":       {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "a."}, "Config.Table"},
		"statement":        {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "t; DROP TABLE users"}, "Config.Table"},
		"quote":            {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: `t"`}, "Config.Table"},
		"backquote":        {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "`t`"}, "Config.Table"},
		"placeholder":      {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "t?"}, "Config.Table"},
		"template":         {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "{grants}"}, "Config.Table"},
		"newline":          {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "t\n"}, "Config.Table"},
		"digit first":      {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "1t"}, "Config.Table"},
		"not ASCII":        {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "tést"}, "Config.Table"},
		"space around":     {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: " t "}, "Config.Table"},
		"keyword":          {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "user"}, ""},
		"another's leases": {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "x_leases"}, "Config.Table"},
		"in capitals":      {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "auth.X_LEASES"}, "Config.Table"},
		"another's index":  {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "x_token_hash"}, "Config.Table"},
		"a second index":   {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "x_prefix_hash"}, "Config.Table"},
		"leases of a kind": {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "x_leases_2"}, ""},
		"schema of leases": {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "x_leases.grants"}, ""},
		"schema and space": {sqlstore.Config{DB: db, Dialect: sqlstore.MySQL, Table: "a. t"}, "Config.Table"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			store, err := sqlstore.New(test.cfg)
			switch {
			case test.wrong == "" && (err != nil || store == nil):
				t.Errorf("New = %v", err)
			case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
				t.Errorf("New = %v, want an error that names %s", err, test.wrong)
			}
		})
	}
}

// driverError has the text of an error of go-sql-driver/mysql.
type driverError string

func (e driverError) Error() string { return string(e) }

// stateError is like the errors of pgx and lib/pq.
type stateError string

func (e stateError) Error() string    { return "ERROR: could not serialize access" }
func (e stateError) SQLState() string { return string(e) }

const (
	errDuplicate = driverError("Error 1062 (23000): Duplicate entry 'jane' for key 'PRIMARY'")
	errDeadlock  = driverError("Error 1213 (40001): Deadlock found when trying to get lock; try restarting transaction")
)

// TestMySQLCreate covers the causes of a failed INSERT, where the types of the
// driver's errors are unknown here.
func TestMySQLCreate(t *testing.T) {
	errOther := errors.New("Error 1020 (HY000): Record has changed since last read")
	errTimeout := errors.New("dial tcp 192.0.2.1:10620: i/o timeout")
	var inserted driver.Value
	anothers := func() [][]driver.Value { return [][]driver.Value{{"another version"}} }
	none := func() [][]driver.Value { return nil }
	ours := func() [][]driver.Value { return [][]driver.Value{{inserted}} }
	tests := map[string]struct {
		insertErr error
		row       func() [][]driver.Value // that the lookup finds
		lookupErr error
		want      error
	}{
		"the row of another":               {errDuplicate, anothers, nil, tokenstore.ErrConflict},
		"the row of another, gone since":   {errDuplicate, none, nil, tokenstore.ErrConflict},
		"the row of another, without text": {errOther, anothers, nil, tokenstore.ErrConflict},
		"no row":                           {errOther, none, nil, errOther},
		"no row, and the number elsewhere": {errTimeout, none, nil, errTimeout},
		"our row":                          {errDuplicate, ours, nil, nil},
		"lookup fails too":                 {errDuplicate, none, errOther, errOther},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			db := &fakeDB{respond: func(query string, args []driver.NamedValue) response {
				if strings.HasPrefix(query, "INSERT") {
					inserted = args[0].Value
					return response{err: test.insertErr}
				}
				return response{rows: test.row(), err: test.lookupErr}
			}}
			version, err := db.open(t, sqlstore.MySQL, "").Save(t.Context(), jane, tokenstore.Grant{})
			if !errors.Is(err, test.want) || (err == nil) != (version == inserted) {
				t.Errorf("Save = %q, %v; want %v", version, err, test.want)
			}
		})
	}
}

// operations are those that have to run again after a deadlock.
func operations(ctx context.Context, s *sqlstore.Store) map[string]func() error {
	return map[string]func() error{
		"create":  func() error { _, err := s.Save(ctx, jane, tokenstore.Grant{}); return err },
		"replace": func() error { _, err := s.Save(ctx, jane, tokenstore.Grant{Version: "v"}); return err },
		"delete":  func() error { return s.Delete(ctx, jane, "v") },
		"load": func() error {
			_, err := s.Load(ctx, jane)
			if errors.Is(err, tokenstore.ErrNotFound) {
				return nil
			}
			return err
		},
		"keys": func() (last error) {
			for _, last = range s.Keys(ctx, jane) {
			}
			return last
		},
		"find": func() (last error) {
			for _, last = range s.Find(ctx, "hash") {
			}
			return last
		},
		"check": func() error { return s.Check(ctx) },
	}
}

// TestUndone checks that a statement that the database has undone runs again, but
// not in a transaction: that is undone as a whole, and a statement that ran after
// that would be kept without the ones before.
func TestUndone(t *testing.T) {
	for name, test := range map[string]struct {
		dialect sqlstore.Dialect
		err     error
		again   bool
	}{
		"MySQL deadlock":           {sqlstore.MySQL, errDeadlock, true},
		"MySQL other error":        {sqlstore.MySQL, errors.New("Error 1205 (HY000): Lock wait timeout exceeded"), false},
		"PostgreSQL deadlock":      {sqlstore.PostgreSQL, stateError("40P01"), true},
		"PostgreSQL serialization": {sqlstore.PostgreSQL, stateError("40001"), true},
		"PostgreSQL other state":   {sqlstore.PostgreSQL, stateError("40003"), false},
		"PostgreSQL other text":    {sqlstore.PostgreSQL, errDeadlock, false},
		"SQLite":                   {sqlstore.SQLite, stateError("40001"), false},
	} {
		t.Run(name, func(t *testing.T) {
			failures, asked := 0, 0
			fake := &fakeDB{respond: func(query string, _ []driver.NamedValue) response {
				if query == "SELECT @@autocommit" {
					return response{rows: [][]driver.Value{{int64(1)}}}
				}
				if asked++; asked <= failures {
					return response{err: test.err}
				}
				return response{changed: 1}
			}}
			db := sql.OpenDB(fake)
			defer db.Close()
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			type wrapped struct{ *sql.Tx }
			for handle, test2 := range map[string]struct {
				db   sqlstore.DB
				pool bool
			}{
				"a pool":                     {db, true},
				"a pool inside a type":       {struct{ *sql.DB }{db}, true},
				"a pool behind an interface": {struct{ sqlstore.DB }{db}, true},
				"a connection":               {conn, false},
				"a transaction":              {tx, false},
				"a transaction inside":       {wrapped{tx}, false},
			} {
				store, err := sqlstore.New(sqlstore.Config{DB: test2.db, Dialect: test.dialect})
				if err != nil {
					t.Fatal(err)
				}
				for operation, do := range operations(t.Context(), store) {
					failures, asked = 1, 0
					err := do()
					if test.again && test2.pool {
						if err != nil || asked < 2 {
							t.Errorf("%s in %s = %v after %d statements, want that it runs again", operation, handle, err, asked)
						}
						failures, asked = 1000, 0
						if operation != "replace" {
							continue
						}
						if err := do(); !errors.Is(err, test.err) || asked > 10 {
							t.Errorf("%s in %s that always fails = %v after %d statements, want the error after a few", operation, handle, err, asked)
						}
						continue
					}
					// MySQL looks at the row after a failed INSERT.
					if look := test.dialect == sqlstore.MySQL && operation == "create" && !test.again; look {
						if err == nil || asked != 2 {
							t.Errorf("%s in %s = %v after %d statements, want an error after 2", operation, handle, err, asked)
						}
					} else if !errors.Is(err, test.err) || asked != 1 {
						t.Errorf("%s in %s = %v after %d statements, want the error after 1", operation, handle, err, asked)
					}
				}
			}
		})
	}
}

// TestMySQLLookupUndone checks that the look at the row after a duplicate runs
// again too.
func TestMySQLLookupUndone(t *testing.T) {
	looks := 0
	db := &fakeDB{respond: func(query string, _ []driver.NamedValue) response {
		if strings.HasPrefix(query, "INSERT") {
			return response{err: errDuplicate}
		}
		if looks++; looks == 1 {
			return response{rowsErr: errDeadlock}
		}
		return response{rows: [][]driver.Value{{"another version"}}}
	}}
	if _, err := db.open(t, sqlstore.MySQL, "").Save(t.Context(), jane, tokenstore.Grant{}); !errors.Is(err, tokenstore.ErrConflict) || looks != 2 {
		t.Errorf("Save = %v after %d looks, want ErrConflict after 2", err, looks)
	}
}

// TestBrokenRows checks that a connection that breaks while rows arrive is not
// an absent row, nor the end of Keys or Find.
func TestBrokenRows(t *testing.T) {
	errBroken := errors.New("read tcp: connection reset by peer")
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL} {
		store := (&fakeDB{respond: func(query string, _ []driver.NamedValue) response {
			switch {
			case strings.HasPrefix(query, "SELECT client_id"):
				return response{rows: [][]driver.Value{{"client", "zoe"}}, rowsErr: errBroken}
			case strings.HasPrefix(query, "SELECT"):
				return response{rowsErr: errBroken}
			}
			return response{}
		}}).open(t, dialect, "")
		ctx := t.Context()
		if _, err := store.Load(ctx, jane); !errors.Is(err, errBroken) || errors.Is(err, tokenstore.ErrNotFound) {
			t.Errorf("%v: Load = %v", dialect, err)
		}
		if err := store.Delete(ctx, jane, "v"); !errors.Is(err, errBroken) {
			t.Errorf("%v: Delete = %v", dialect, err)
		}
		for name, keys := range map[string]iter.Seq2[tokenstore.Key, error]{
			"Keys": store.Keys(ctx, tokenstore.Key{}), "Find": store.Find(ctx, "hash"),
		} {
			var last error
			for _, last = range keys {
			}
			if !errors.Is(last, errBroken) {
				t.Errorf("%v: %s ends with %v", dialect, name, last)
			}
		}
	}
}

// TestAutocommit checks that a MySQL pool that commits nothing by itself is
// refused before Create creates a table, with a text that says what to do.
func TestAutocommit(t *testing.T) {
	for _, on := range []int64{0, 1} {
		db := &fakeDB{respond: func(query string, _ []driver.NamedValue) response {
			if query == "SELECT @@autocommit" {
				return response{rows: [][]driver.Value{{on}}}
			}
			return response{}
		}}
		store := db.open(t, sqlstore.MySQL, "")
		for name, call := range map[string]func(context.Context) error{"Create": store.Create, "Check": store.Check} {
			db.log = nil
			err := call(t.Context())
			switch {
			case on == 1 && (err != nil || len(db.log) < 3):
				t.Errorf("%s with autocommit=1 = %v after %q", name, err, db.log)
			case on == 0 && (err == nil || !strings.Contains(err.Error(), "autocommit=1") || len(db.log) != 1):
				t.Errorf("%s with autocommit=0 = %v after %q, want an error that says autocommit=1, and no other statement", name, err, db.log)
			}
		}
	}
}

// TestCheck checks that every failure of a statement is reported: of reading, of
// writing grants, of writing leases.
func TestCheck(t *testing.T) {
	errReadOnly := errors.New("attempt to write a readonly database")
	failing := ""
	db := &fakeDB{respond: func(query string, _ []driver.NamedValue) response {
		if failing != "" && strings.HasPrefix(query, failing) {
			return response{err: errReadOnly}
		}
		return response{}
	}}
	store := db.open(t, sqlstore.SQLite, "")
	if err := store.Check(t.Context()); err != nil {
		t.Errorf("Check = %v", err)
	}
	for _, failing = range []string{"SELECT", `DELETE FROM "google_grants"`, `DELETE FROM "google_grants_leases"`} {
		if err := store.Check(t.Context()); !errors.Is(err, errReadOnly) {
			t.Errorf("Check where %s fails = %v", failing, err)
		}
	}
}

// TestNothingChanged covers the causes of a statement that changed no row.
func TestNothingChanged(t *testing.T) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL} {
		there := func(string, []driver.NamedValue) response {
			return response{rows: [][]driver.Value{{"another version"}}}
		}
		none := func(string, []driver.NamedValue) response { return response{} }
		store := (&fakeDB{respond: there}).open(t, dialect, "")
		if _, err := store.Save(t.Context(), jane, tokenstore.Grant{Version: "v"}); !errors.Is(err, tokenstore.ErrConflict) {
			t.Errorf("%v: Save over another version = %v", dialect, err)
		}
		if err := store.Delete(t.Context(), jane, "v"); !errors.Is(err, tokenstore.ErrConflict) {
			t.Errorf("%v: Delete of another version = %v", dialect, err)
		}
		if err := (&fakeDB{respond: none}).open(t, dialect, "").Delete(t.Context(), jane, "v"); err != nil {
			t.Errorf("%v: Delete of nothing = %v", dialect, err)
		}
	}
}

// TestErrors checks that a driver's error stays in the chain, and that no value
// that was bound to the statement is in the text, even if the driver repeats it.
func TestErrors(t *testing.T) {
	g := tokenstore.Grant{RefreshToken: "1//secret-refresh-token", AccessToken: "ya29.secret-access-token"}
	cause := errors.New("connection refused")
	for _, talkative := range []bool{false, true} {
		var bound []string
		db := &fakeDB{respond: func(query string, args []driver.NamedValue) response {
			bound = nil
			err := cause
			for _, arg := range args {
				value := fmt.Sprintf("%s", arg.Value)
				bound = append(bound, value)
				if talkative {
					err = fmt.Errorf("%w, $%d = %q", err, arg.Ordinal, value)
				}
			}
			return response{err: err}
		}}
		store := db.open(t, sqlstore.PostgreSQL, "")
		ctx := t.Context()
		operations := map[string]func() error{
			"Create": func() error { return store.Create(ctx) },
			"Check":  func() error { return store.Check(ctx) },
			"Load":   func() error { _, err := store.Load(ctx, jane); return err },
			"Save":   func() error { _, err := store.Save(ctx, jane, g); return err },
			"Delete": func() error { return store.Delete(ctx, jane, "v") },
			"Lease":  func() error { _, _, err := store.Lease(ctx, jane, "work", 0); return err },
			"Keys": func() (last error) {
				for _, last = range store.Keys(ctx, jane) {
				}
				return last
			},
			"Find": func() (last error) {
				for _, last = range store.Find(ctx, tokenstore.TokenHash(g.RefreshToken)) {
				}
				return last
			},
		}
		for name, do := range operations {
			err := do()
			if !errors.Is(err, cause) {
				t.Errorf("%s: %v does not wrap the driver's error", name, err)
				continue
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				text := fmt.Sprintf(verb, err)
				for _, value := range bound {
					if len(value) > 3 && strings.Contains(text, value) {
						t.Errorf("%s: the value %q is in the text %s", name, value, text)
					}
				}
				if strings.Contains(text, "secret") {
					t.Errorf("%s: a token is in the text %s", name, text)
				}
				if !strings.HasPrefix(text, "sqlstore: ") || !talkative && !strings.Contains(text, cause.Error()) {
					t.Errorf("%s: the text %s does not say what failed and why", name, text)
				}
			}
		}
	}
}

func TestUnknownDialect(t *testing.T) {
	if s := sqlstore.Schema(0); s != "" {
		t.Errorf("Schema(0) = %q", s)
	}
	if s := sqlstore.Dialect(9).String(); s != "unknown dialect" {
		t.Errorf("Dialect(9) is %q", s)
	}
}

// The strings of a lease may be memory that is another request's when it ends.
func TestLeaseKeepsItsStrings(t *testing.T) {
	var got []driver.NamedValue
	db := &fakeDB{respond: func(_ string, args []driver.NamedValue) response {
		got = args
		return response{changed: 1}
	}}
	memory := []byte("client subject sweep")
	lent := strings.Fields(unsafe.String(&memory[0], len(memory)))
	release, ok, err := db.open(t, sqlstore.SQLite, "").Lease(t.Context(), tokenstore.Key{ClientID: lent[0], Subject: lent[1]}, lent[2], time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	clear(memory)
	release()
	for n, want := range []string{"client", "subject", "sweep"} {
		if got[n].Value != want {
			t.Errorf("the release is about %q, want %q", got[n].Value, want)
		}
	}
}
