package drivetest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

var listShape = shape{"kind": nil, "incompleteSearch": nil, "nextPageToken": nil, "files": fileShape}

// list answers files.list.
func (c *call) list() (*answer, *apiError) {
	m, err := c.mask("kind,incompleteSearch,nextPageToken,files("+defaultFields+")", listShape)
	if err != nil {
		return nil, err
	}
	size, err := c.number("pageSize", 100, 1000)
	if err != nil {
		return nil, err
	}
	page, err := c.page()
	if err != nil {
		return nil, err
	}
	files, next := c.turn(page, size)
	reply := map[string]any{}
	for name, value := range map[string]any{"kind": "drive#fileList", "incompleteSearch": false, "nextPageToken": next} {
		if m.wants(name) && value != "" {
			reply[name] = value
		}
	}
	if m.wants("files") {
		rendered := make([]any, len(files))
		for i, file := range files {
			rendered[i] = c.view(file).render(m["files"])
		}
		reply["files"] = rendered
	}
	return jsonAnswer(http.StatusOK, reply, c.pretty()), nil
}

// A listing holds the files that were found when the first page was asked for. Later
// pages leave out files deleted since, and show the others as they are then.
type listing struct {
	user    *user
	request string // its parameters: a page token is good for no others
	byName  bool
	ids     []string
}

// listings keeps the latest listings for their page tokens.
type listings struct {
	first int // number of kept[0]
	kept  []*listing
}

const maxListings = 1000

// A position in a listing is where a page begins.
type position struct {
	*listing
	number int // of the listing, -1: not kept
	offset int
}

// page returns the position that the page token names, or the beginning of a new
// listing if there is no token.
func (c *call) page() (*position, *apiError) {
	search, less, err := c.selection()
	if err != nil {
		return nil, err
	}
	q := c.r.URL.Query()
	request := strings.Join([]string{q.Get("q"), q.Get("orderBy"), q.Get("spaces")}, "\x00")
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if q.Has("pageToken") {
		p := c.srv.listings.find(q.Get("pageToken"))
		if p == nil || p.user != c.user || p.request != request {
			return nil, invalid("pageToken", "Invalid Value")
		}
		return p, nil
	}
	var found []*stored
	for _, file := range c.listable(search.byName, now) {
		if search.matches(c.view(file)) {
			found = append(found, file)
		}
	}
	slices.SortFunc(found, less)
	if c.srv.opts.Lag.Twice {
		found = append(found, found...)
		if q.Get("orderBy") != "" {
			slices.SortStableFunc(found, less)
		}
	}
	l := &listing{user: c.user, request: request, byName: search.byName}
	for _, file := range found {
		l.ids = append(l.ids, file.id)
	}
	return &position{listing: l, number: -1}, nil
}

// selection returns which files the request asks for, and in which order.
func (c *call) selection() (search, compare, *apiError) {
	if corpora := orElse(c.param("corpora"), "user"); corpora != "user" {
		return search{}, nil, invalid("corpora", "Invalid Value")
	}
	found, err := parseQuery(c.param("q"), c.srv.opts.FoldNames)
	if err != nil {
		return search{}, nil, err
	}
	order, err := parseOrder(c.param("orderBy"))
	if err != nil {
		return search{}, nil, err
	}
	inFolder, err := c.spaces()
	if err != nil {
		return search{}, nil, err
	}
	if !inFolder { // the user's own files, of which there are none
		found.matches = func(*view) bool { return false }
	}
	return found, order, nil
}

// spaces reports whether the app-data folder is one of the spaces to search. A space
// that the token does not open is an error.
func (c *call) spaces() (inFolder bool, err *apiError) {
	for space := range strings.SplitSeq(orElse(c.param("spaces"), "drive"), ",") {
		switch space {
		case "appDataFolder":
			inFolder = true
			if !c.granted.appData() {
				return false, wrongSpace()
			}
		case "drive":
			if !c.granted.drive() {
				return false, wrongSpace()
			}
		default:
			return false, invalid("spaces", "Invalid Value")
		}
	}
	return inFolder, nil
}

// turn returns up to size files from a position on, and the token of the next page,
// if there is one.
func (c *call) turn(p *position, size int) (files []*stored, next string) {
	now := c.srv.now()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	listable := c.listable(p.byName, now)
	for p.offset < len(p.ids) && len(files) < size {
		if file, ok := listable[p.ids[p.offset]]; ok {
			files = append(files, file)
		}
		p.offset++
	}
	if p.offset == len(p.ids) {
		return files, ""
	}
	return files, c.srv.listings.token(p)
}

// token returns the page token of a position.
func (l *listings) token(p *position) string {
	if p.number < 0 {
		p.number = l.first + len(l.kept)
		l.kept = append(l.kept, p.listing)
		if len(l.kept) > maxListings {
			l.kept = l.kept[1:]
			l.first++
		}
	}
	return fmt.Sprintf("~!!~%d.%d", p.number, p.offset)
}

// find returns the position of a page token, or nil.
func (l *listings) find(token string) *position {
	text, isOurs := strings.CutPrefix(token, "~!!~")
	first, second, hasDot := strings.Cut(text, ".")
	number, err1 := strconv.Atoi(first)
	offset, err2 := strconv.Atoi(second)
	i := number - l.first
	if !isOurs || !hasDot || err1 != nil || err2 != nil || i < 0 || i >= len(l.kept) ||
		offset < 0 || offset > len(l.kept[i].ids) {
		return nil
	}
	return &position{listing: l.kept[i], number: number, offset: offset}
}

type compare = func(a, b *stored) int

// parseOrder parses an orderBy parameter: keys, each perhaps with "desc". Equal files
// are in the order of their IDs, which is arbitrary.
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

// leading returns the digits that s begins with, or else its first byte.
func leading(s string) string {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	return s[:max(n, 1)]
}
