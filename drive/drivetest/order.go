package drivetest

import (
	"cmp"
	"strings"
	"unicode"
)

type compare = func(a, b *stored) int

// parseOrder reads an orderBy parameter: keys, each perhaps with "desc". Files
// that it leaves equal come in the order of their IDs, which says nothing.
func parseOrder(s string) (compare, *apiError) {
	keys := []compare{}
	for key := range strings.SplitSeq(s, ",") {
		if s == "" {
			break
		}
		name, direction, _ := strings.Cut(strings.TrimSpace(key), " ")
		by := orderKey(name)
		if by == nil || direction != "" && direction != "desc" {
			return nil, invalid("orderBy", "Invalid Value")
		}
		if direction == "desc" {
			up := by
			by = func(a, b *stored) int { return up(b, a) }
		}
		keys = append(keys, by)
	}
	return func(a, b *stored) int {
		for _, by := range keys {
			if d := by(a, b); d != 0 {
				return d
			}
		}
		return cmp.Compare(a.id, b.id)
	}, nil
}

func orderKey(name string) compare {
	switch name {
	case "createdTime":
		return func(a, b *stored) int { return a.created.Compare(b.created) }
	case "modifiedTime", "modifiedByMeTime", "recency":
		return func(a, b *stored) int { return a.modified.Compare(b.modified) }
	case "name":
		return func(a, b *stored) int { return cmp.Compare(a.name, b.name) }
	case "name_natural":
		return func(a, b *stored) int { return compareNatural(a.name, b.name) }
	case "quotaBytesUsed":
		return func(a, b *stored) int { return len(a.content.bytes) - len(b.content.bytes) }
	case "starred":
		return func(a, b *stored) int { return -cmp.Compare(boolInt(a.starred), boolInt(b.starred)) }
	case "folder", "sharedWithMeTime", "viewedByMeTime": // the same for all files here
		return func(a, b *stored) int { return 0 }
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareNatural puts file2 before file10.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := leading(a), leading(b)
		a, b = a[len(x):], b[len(y):]
		if unicode.IsDigit(rune(x[0])) && unicode.IsDigit(rune(y[0])) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if d := len(x) - len(y); d != 0 {
				return d
			}
		}
		if d := cmp.Compare(x, y); d != 0 {
			return d
		}
	}
	return len(a) - len(b)
}

// leading is the run of digits, or the single byte, that s begins with.
func leading(s string) string {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	return s[:max(n, 1)]
}
