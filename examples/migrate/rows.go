package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// A row is a grant as the old software keeps it: the columns of a table, or the
// members of a JSON object. Where it has a text named json, that is an object
// whose members count as the row's own.
type row map[string]any

// text returns a column or member as text. A dot leads into an object. If it is
// absent, null or of another type, text returns "".
func (r row) text(name string) string {
	if outer, inner, ok := strings.Cut(name, "."); ok {
		object, _ := r[outer].(map[string]any)
		return row(object).text(inner)
	}
	switch v := r[name].(type) {
	case string:
		return v
	case []byte: // of some drivers
		return string(v)
	case json.Number:
		return v.String()
	case int64:
		return fmt.Sprint(v)
	}
	return ""
}

// expand adds the members of the text named json.
func (r row) expand() error {
	text := r.text("json")
	if text == "" {
		return nil
	}
	values, err := decode(strings.NewReader(text))
	if err != nil || len(values) != 1 {
		return errors.New("json is not one JSON object")
	}
	for name, v := range values[0] {
		if _, ok := r[name]; !ok {
			r[name] = v
		}
	}
	return nil
}

// decode reads JSON objects, one after the other or in arrays. Numbers keep all
// their digits: a subject has more than a float64 can hold. No error quotes the
// text.
func decode(r io.Reader) ([]row, error) {
	var rows []row
	d := json.NewDecoder(r)
	d.UseNumber()
	for {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return rows, nil
		} else if err != nil {
			return nil, fmt.Errorf("not JSON after byte %d", d.InputOffset())
		}
		values, ok := v.([]any)
		if !ok {
			values = []any{v}
		}
		for _, v := range values {
			object, ok := v.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("before byte %d: neither an object nor an array of objects", d.InputOffset())
			}
			rows = append(rows, object)
		}
	}
}

// readFiles reads the rows of a file, or of all files in a folder and below. A row
// that does not say whose it is gets the name of its file.
func readFiles(path string, parse func(io.Reader) ([]row, error)) ([]row, error) {
	var rows []row
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		more, err := parse(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for i, r := range more {
			if _, ok := r["user"]; !ok {
				r["user"] = filepath.Base(name)
				if len(more) > 1 {
					r["user"] = fmt.Sprintf("%s:%d", filepath.Base(name), i+1)
				}
			}
		}
		rows = append(rows, more...)
		return nil
	})
	return rows, err
}

// decodeYAML reads a map of users to JSON texts.
func decodeYAML(r io.Reader) ([]row, error) {
	var users map[string]string
	if err := yaml.NewDecoder(r).Decode(&users); err != nil && err != io.EOF {
		return nil, errors.New("not a YAML map of users to texts") // err quotes the file
	}
	var rows []row
	for _, user := range slices.Sorted(maps.Keys(users)) {
		rows = append(rows, row{"user": user, "json": users[user]})
	}
	return rows, nil
}

// readTable reads the rows of a query. It reads them all before it returns: a
// database would not wait for hours for its client to read on.
func readTable(ctx context.Context, name, query string) ([]row, error) {
	kind, rest, _ := strings.Cut(name, ":")
	drivers := map[string][2]string{
		"postgres":   {"pgx", name},
		"postgresql": {"pgx", name},
		"mysql":      {"mysql", rest},
		"sqlite":     {"sqlite", "file:" + url.PathEscape(rest) + "?mode=ro"},
	}
	driver, ok := drivers[kind]
	if !ok {
		return nil, errors.New("-db: postgres:, mysql: or sqlite: is missing")
	}
	db, err := sql.Open(driver[0], driver[1])
	if err != nil {
		return nil, errors.New("-db: not an address of a database") // err may have its password
	}
	defer db.Close()
	rs, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("-db: %w", err)
	}
	defer rs.Close()
	columns, err := rs.Columns()
	if err != nil {
		return nil, fmt.Errorf("-db: %w", err)
	}
	var rows []row
	for rs.Next() {
		values := make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rs.Scan(to...); err != nil {
			return nil, fmt.Errorf("-db: %w", err)
		}
		r := row{}
		for i, column := range columns {
			r[column] = values[i]
		}
		rows = append(rows, r)
	}
	return rows, rs.Err()
}
