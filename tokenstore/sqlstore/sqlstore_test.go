package sqlstore_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

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

// driverError is what go-sql-driver/mysql says.
type driverError string

func (e driverError) Error() string { return string(e) }

const (
	errDuplicate = driverError("Error 1062 (23000): Duplicate entry 'jane' for key 'PRIMARY'")
	errDeadlock  = driverError("Error 1213 (40001): Deadlock found when trying to get lock; try restarting transaction")
)

// TestMySQLCreate covers what can be behind a failed INSERT, where the types of
// the driver's errors are unknown here.
func TestMySQLCreate(t *testing.T) {
	errOther := errors.New("Error 1020 (HY000): Record has changed since last read")
	errTimeout := errors.New("dial tcp 192.0.2.1:10620: i/o timeout")
	var inserted driver.Value
	anothers := func() [][]driver.Value { return [][]driver.Value{{"another version"}} }
	none := func() [][]driver.Value { return nil }
	ours := func() [][]driver.Value { return [][]driver.Value{{inserted}} }
	tests := map[string]struct {
		insertErr error
		row       func() [][]driver.Value // what the lookup then finds
		lookupErr error
		want      error
	}{
		"the row of another":               {errDuplicate, anothers, nil, tokenstore.ErrConflict},
		"the row of another, gone since":   {errDuplicate, none, nil, tokenstore.ErrConflict},
		"the row of another, without text": {errOther, anothers, nil, tokenstore.ErrConflict},
		"no row":                           {errOther, none, nil, errOther},
		"no row, and the number elsewhere": {errTimeout, none, nil, errTimeout},
		"ours after all":                   {errDuplicate, ours, nil, nil},
		"lookup fails too":                 {errDuplicate, none, errOther, errOther},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			db := &fakeDB{answer: func(query string, args []driver.NamedValue) answer {
				if strings.HasPrefix(query, "INSERT") {
					inserted = args[0].Value
					return answer{err: test.insertErr}
				}
				return answer{rows: test.row(), err: test.lookupErr}
			}}
			version, err := db.open(t, sqlstore.MySQL, "").Save(t.Context(), jane, tokenstore.Grant{})
			if !errors.Is(err, test.want) || (err == nil) != (version == inserted) {
				t.Errorf("Save = %q, %v; want %v", version, err, test.want)
			}
		})
	}
}

// TestMySQLDeadlock checks that a statement that was the victim of a deadlock,
// and so did nothing, is run again, but not in a transaction, which has gone with
// it: what is run then would be kept without the rest.
func TestMySQLDeadlock(t *testing.T) {
	deadlocks, asked := 0, 0
	db := &fakeDB{answer: func(query string, _ []driver.NamedValue) answer {
		if asked++; asked <= deadlocks {
			return answer{err: errDeadlock}
		}
		if strings.HasPrefix(query, "SELECT") {
			return answer{rows: [][]driver.Value{{"another version"}}}
		}
		return answer{changed: 1}
	}}
	store := db.open(t, sqlstore.MySQL, "")
	conn, err := sql.OpenDB(db).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	operations := map[string]func(*sqlstore.Store) error{
		"create": func(s *sqlstore.Store) error { _, err := s.Save(t.Context(), jane, tokenstore.Grant{}); return err },
		"replace": func(s *sqlstore.Store) error {
			_, err := s.Save(t.Context(), jane, tokenstore.Grant{Version: "v"})
			return err
		},
		"delete": func(s *sqlstore.Store) error { return s.Delete(t.Context(), jane, "v") },
	}
	for name, do := range operations {
		deadlocks, asked = 1, 0
		if err := do(store); err != nil || asked != 2 {
			t.Errorf("%s after a deadlock = %v with %d statements, want 2", name, err, asked)
		}
		deadlocks, asked = 1000, 0
		if err := do(store); !errors.Is(err, errDeadlock) || asked > 10 {
			t.Errorf("%s, ever again a deadlock = %v after %d statements, want a few", name, err, asked)
		}
		deadlocks, asked = 1, 0
		if err := do(store.With(conn)); !errors.Is(err, errDeadlock) || asked != 1 {
			t.Errorf("%s in what may be a transaction, after a deadlock = %v with %d statements, want the error and 1", name, err, asked)
		}
	}
}

// TestNothingChanged covers what can be behind a statement that changed no row.
func TestNothingChanged(t *testing.T) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL} {
		there := func(string, []driver.NamedValue) answer { return answer{rows: [][]driver.Value{{"another version"}}} }
		none := func(string, []driver.NamedValue) answer { return answer{} }
		store := (&fakeDB{answer: there}).open(t, dialect, "")
		if _, err := store.Save(t.Context(), jane, tokenstore.Grant{Version: "v"}); !errors.Is(err, tokenstore.ErrConflict) {
			t.Errorf("%v: Save over another version = %v", dialect, err)
		}
		if err := store.Delete(t.Context(), jane, "v"); !errors.Is(err, tokenstore.ErrConflict) {
			t.Errorf("%v: Delete of another version = %v", dialect, err)
		}
		if err := (&fakeDB{answer: none}).open(t, dialect, "").Delete(t.Context(), jane, "v"); err != nil {
			t.Errorf("%v: Delete of nothing = %v", dialect, err)
		}
	}
}

// TestErrors checks that a driver's error stays in the chain, and that nothing
// that was bound to the statement is in the text, even where the driver has it.
func TestErrors(t *testing.T) {
	g := tokenstore.Grant{RefreshToken: "1//secret-refresh-token", AccessToken: "ya29.secret-access-token"}
	cause := errors.New("connection refused")
	for _, talkative := range []bool{false, true} {
		var bound []string
		db := &fakeDB{answer: func(query string, args []driver.NamedValue) answer {
			bound = nil
			err := cause
			for _, arg := range args {
				value := fmt.Sprintf("%s", arg.Value)
				bound = append(bound, value)
				if talkative {
					err = fmt.Errorf("%w, $%d = %q", err, arg.Ordinal, value)
				}
			}
			return answer{err: err}
		}}
		store := db.open(t, sqlstore.PostgreSQL, "")
		ctx := t.Context()
		operations := map[string]func() error{
			"Create": func() error { return store.Create(ctx) },
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
