package drivetest

import (
	"strings"
	"time"
)

// A match reports whether a file fulfils a condition.
type match = func(*view) bool

// A search is a parsed q parameter.
type search struct {
	matches match
	byName  bool // it has a condition on the name
}

// parseQuery parses a q parameter with the terms that make sense in an app-data
// folder: name, mimeType, createdTime, modifiedTime, trashed, starred, properties,
// appProperties and parents. An empty q matches every file. If fold is set, the case
// of names does not matter.
// (https://developers.google.com/workspace/drive/api/guides/search-files)
func parseQuery(q string, fold bool) (search, *apiError) {
	if strings.TrimSpace(q) == "" {
		return search{matches: func(*view) bool { return true }}, nil
	}
	tokens, ok := lex(q)
	p := &queryParser{tokens: tokens, fold: fold}
	if ok {
		m, ok := p.or(0)
		if ok && len(p.tokens) == 0 {
			return search{m, p.byName}, nil
		}
	}
	return search{}, invalid("q", "Invalid Value")
}

type queryParser struct {
	tokens []token
	fold   bool
	byName bool // a condition on the name was read
}

// next takes a token. Past the end it returns an empty, unquoted one.
func (p *queryParser) next() (t token) {
	if len(p.tokens) > 0 {
		t, p.tokens = p.tokens[0], p.tokens[1:]
	}
	return t
}

// accept takes the next token if it is this word.
func (p *queryParser) accept(word string) bool {
	if len(p.tokens) > 0 && p.tokens[0] == (token{text: word}) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

// quoted takes a string.
func (p *queryParser) quoted() (string, bool) {
	t := p.next()
	return t.text, t.quoted
}

func (p *queryParser) or(depth int) (match, bool) {
	left, ok := p.and(depth)
	for ok && p.accept("or") {
		a := left
		b, bOK := p.and(depth)
		left, ok = func(v *view) bool { return a(v) || b(v) }, bOK
	}
	return left, ok
}

func (p *queryParser) and(depth int) (match, bool) {
	left, ok := p.not(depth)
	for ok && p.accept("and") {
		a := left
		b, bOK := p.not(depth)
		left, ok = func(v *view) bool { return a(v) && b(v) }, bOK
	}
	return left, ok
}

// maxDepth bounds the recursion of the parser.
const maxDepth = 100

func (p *queryParser) not(depth int) (match, bool) {
	if depth > maxDepth {
		return nil, false
	}
	if p.accept("not") {
		m, ok := p.not(depth + 1)
		return func(v *view) bool { return !m(v) }, ok
	}
	if p.accept("(") {
		m, ok := p.or(depth + 1)
		return m, ok && p.accept(")")
	}
	return p.term()
}

func (p *queryParser) term() (match, bool) {
	field := p.next()
	operator := p.next().text
	if field.quoted {
		return p.in(field.text, operator)
	}
	switch field.text {
	case "name":
		return p.name(operator)
	case "mimeType":
		return p.text(operator, func(v *view) string { return v.mimeType }, strings.Contains)
	case "createdTime":
		return p.time(operator, func(v *view) time.Time { return v.created })
	case "modifiedTime":
		return p.time(operator, func(v *view) time.Time { return v.modified })
	case "trashed":
		return p.boolean(operator, func(*view) bool { return false })
	case "starred":
		return p.boolean(operator, func(v *view) bool { return v.starred })
	case "properties":
		return p.has(operator, func(v *view) map[string]string { return v.properties })
	case "appProperties":
		return p.has(operator, func(v *view) map[string]string { return v.appProperties })
	}
	return nil, false
}

// name parses a condition on the name. "contains" matches the beginning of a name.
func (p *queryParser) name(operator string) (match, bool) {
	p.byName = true
	if !p.fold {
		return p.text(operator, func(v *view) string { return v.name }, strings.HasPrefix)
	}
	if len(p.tokens) > 0 {
		p.tokens[0].text = strings.ToLower(p.tokens[0].text)
	}
	return p.text(operator, func(v *view) string { return strings.ToLower(v.name) }, strings.HasPrefix)
}

// in parses 'folder' in parents.
func (p *queryParser) in(parent, operator string) (match, bool) {
	return func(v *view) bool {
		return parent == "appDataFolder" || parent == v.stored.folder
	}, operator == "in" && p.accept("parents")
}

func (p *queryParser) text(operator string, of func(*view) string, contains func(s, part string) bool) (match, bool) {
	value, ok := p.quoted()
	switch operator {
	case "=":
		return func(v *view) bool { return of(v) == value }, ok
	case "!=":
		return func(v *view) bool { return of(v) != value }, ok
	case "contains":
		return func(v *view) bool { return contains(of(v), value) }, ok
	}
	return nil, false
}

func (p *queryParser) time(operator string, of func(*view) time.Time) (match, bool) {
	text, ok := p.quoted()
	want, valid := parseQueryTime(text)
	holds := func(test func(d int) bool) (match, bool) {
		return func(v *view) bool { return test(of(v).Compare(want)) }, ok && valid
	}
	switch operator {
	case "=":
		return holds(func(d int) bool { return d == 0 })
	case "!=":
		return holds(func(d int) bool { return d != 0 })
	case "<":
		return holds(func(d int) bool { return d < 0 })
	case "<=":
		return holds(func(d int) bool { return d <= 0 })
	case ">":
		return holds(func(d int) bool { return d > 0 })
	case ">=":
		return holds(func(d int) bool { return d >= 0 })
	}
	return nil, false
}

// parseQueryTime parses a time in RFC 3339. Without a zone it is in UTC.
func parseQueryTime(s string) (time.Time, bool) {
	if t, ok := parseTime(s); ok {
		return t, true
	}
	return parseTime(s + "Z")
}

func (p *queryParser) boolean(operator string, of func(*view) bool) (match, bool) {
	value := p.next()
	want := value.text == "true"
	if operator == "!=" {
		want = !want
	}
	valid := !value.quoted && (value.text == "true" || value.text == "false") && (operator == "=" || operator == "!=")
	return func(v *view) bool { return of(v) == want }, valid
}

// has parses has { key='k' and value='v' }.
func (p *queryParser) has(operator string, of func(*view) map[string]string) (match, bool) {
	ok := operator == "has" && p.accept("{") && p.accept("key") && p.accept("=")
	key, keyOK := p.quoted()
	ok = ok && keyOK && p.accept("and") && p.accept("value") && p.accept("=")
	value, valueOK := p.quoted()
	return func(v *view) bool {
		have, found := of(v)[key]
		return found && have == value
	}, ok && valueOK && p.accept("}")
}

// A token is a word, an operator, a bracket, or the text between quotes.
type token struct {
	text   string
	quoted bool
}

func lex(s string) (tokens []token, ok bool) {
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return tokens, true
		}
		n := 1
		switch c := s[0]; {
		case c == '\'':
			text, length, ok := unquote(s)
			if !ok {
				return nil, false
			}
			tokens = append(tokens, token{text, true})
			s = s[length:]
			continue
		case strings.IndexByte("<>!=", c) >= 0:
			n = len(s) - len(strings.TrimLeft(s, "<>!="))
		case strings.IndexByte("(){}", c) >= 0:
		default:
			if n = strings.IndexAny(s, " \t\r\n'<>!=(){}"); n < 0 {
				n = len(s)
			}
		}
		tokens = append(tokens, token{text: s[:n]})
		s = s[n:]
	}
}

// unquote parses a string in quotes, in which \' and \\ stand for ' and \.
func unquote(s string) (text string, length int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\'':
			return b.String(), i + 1, true
		case '\\':
			if i++; i == len(s) || s[i] != '\'' && s[i] != '\\' {
				return "", 0, false
			}
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}
