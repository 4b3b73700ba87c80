package drivetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

var listShape = shape{"kind": nil, "incompleteSearch": nil, "nextPageToken": nil, "files": fileShape}

// list is files.list.
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

// A listing is a list as it was when its first page was asked for: later pages
// leave out what has been deleted since, and show the rest as it is by then.
type listing struct {
	user    *user
	request string // what is listed: a token is good for the same request only
	byName  bool
	ids     []string
}

// listings keeps the latest of them for their page tokens.
type listings struct {
	first int // number of kept[0]
	kept  []*listing
}

const maxListings = 1000

// A position is where a page begins.
type position struct {
	*listing
	number int // of the listing, -1: not kept
	offset int
}

// page finds the listing that the request is about, a new one without a token.
func (c *call) page() (*position, *apiError) {
	search, less, err := c.selection()
	if err != nil {
		return nil, err
	}
	q := c.r.URL.Query()
	request := strings.Join([]string{q.Get("q"), q.Get("orderBy"), q.Get("spaces")}, "\x00")
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
	for _, file := range c.listable(search.byName) {
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

// selection reads which files are asked for and in which order.
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
	if !inFolder { // somebody's own files, of which there are none
		found.matches = func(*view) bool { return false }
	}
	return found, order, nil
}

// spaces reports whether the app-data folder is to be searched, and refuses a
// space that the token does not open.
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

// turn takes up to size files from a position on, and returns the token of the
// next page, if there is one.
func (c *call) turn(p *position, size int) (files []*stored, next string) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	listable := c.listable(p.byName)
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

// token names a position, for find.
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
