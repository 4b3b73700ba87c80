package sqlstore

import (
	"errors"
	"regexp"
	"strings"
)

// maxName leaves room for what is appended to a table's name: PostgreSQL cuts
// identifiers at 63 bytes.
const maxName = 40

// Suffixes of the table's name, for the table of leases and the indexes.
const (
	leasesSuffix      = "_leases"
	tokenIndexSuffix  = "_token_hash"
	prefixIndexSuffix = "_prefix_hash"
)

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	reserved   = regexp.MustCompile(`(?i)(` + leasesSuffix + `|` + tokenIndexSuffix + `|` + prefixIndexSuffix + `)$`)
)

// A table is a valid name: statements contain it as it is, in quotes.
type table struct{ schema, name string }

func parseTable(s string) (table, error) {
	if s == "" {
		return table{name: defaultTable}, nil
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
	if reserved.MatchString(name) {
		return table{}, errors.New("must not end in a suffix of this package: _leases, _token_hash, _prefix_hash")
	}
	return table{schema, name}, nil
}

// names replaces the placeholders in a statement by the names of t, its table of
// leases and its indexes. The names are quoted, so an SQL keyword ("user",
// "order") is allowed.
func (d Dialect) names(t table) *strings.Replacer {
	qualified := func(name string) string {
		if t.schema == "" {
			return d.quote(name)
		}
		return d.quote(t.schema) + "." + d.quote(name)
	}
	index, indexed := d.quote, qualified(t.name)
	if d == SQLite { // the schema stands before the index, not before the table
		index, indexed = qualified, d.quote(t.name)
	}
	return strings.NewReplacer(
		"{grants}", qualified(t.name),
		"{leases}", qualified(t.name+leasesSuffix),
		"{indexed}", indexed,
		"{token_index}", index(t.name+tokenIndexSuffix),
		"{prefix_index}", index(t.name+prefixIndexSuffix),
	)
}

func (d Dialect) quote(name string) string {
	if d == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}
