package sqlstore

import (
	"errors"
	"regexp"
	"strings"
)

// maxName leaves room for what is appended to a table's name: PostgreSQL cuts
// identifiers at 63 bytes.
const maxName = 40

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// A table is a checked name: it goes into statements as it is.
type table struct{ schema, name string }

func parseTable(s string) (table, error) {
	if s == "" {
		return table{name: DefaultTable}, nil
	}
	schema, name, qualified := strings.Cut(s, ".")
	if !qualified {
		schema, name = "", s
	}
	for _, part := range []string{schema, name} {
		if part == "" && !qualified {
			continue
		}
		if len(part) > maxName || !identifier.MatchString(part) {
			return table{}, errors.New("must be a plain name, perhaps with a schema before it: letters, digits and underscores, at most 40 each")
		}
	}
	return table{schema, name}, nil
}

// qualify puts the schema, if there is one, before name.
func (t table) qualify(name string) string {
	if t.schema == "" {
		return name
	}
	return t.schema + "." + name
}

func (t table) grants() string { return t.qualify(t.name) }
func (t table) leases() string { return t.qualify(t.name + "_leases") }
