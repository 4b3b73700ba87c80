package drivetest

import "strings"

// A shape holds the members that a JSON value can have, to check a fields parameter
// against. A nil shape has none.
type shape map[string]shape

// anyMember in a shape lets a member have any name.
const anyMember = "*"

var openShape = shape{anyMember: nil}

func (s shape) member(name string) (shape, bool) {
	if sub, ok := s[name]; ok {
		return sub, true
	}
	sub, ok := s[anyMember]
	return sub, ok
}

// A mask is a parsed fields parameter: the members to send. A nil mask sends all of
// them, as "*" does.
// (https://developers.google.com/workspace/drive/api/guides/fields-parameter)
type mask map[string]mask

// parseMask parses a fields parameter. A name that the shape does not have is an
// error, as at Google.
func parseMask(s string, of shape) (mask, *apiError) {
	p := &maskParser{rest: s}
	m, ok := p.list(of)
	if !ok || p.rest != "" {
		return nil, &apiError{status: 400, reason: "invalidParameter", message: "Invalid field selection " + p.blamed(),
			location: "fields", locationType: "parameter"}
	}
	return m, nil
}

type maskParser struct {
	rest string
	last string // the name parsed last, for the error
}

func (p *maskParser) blamed() string {
	if p.last == "" {
		return p.rest
	}
	return p.last
}

// list parses item, item, …
func (p *maskParser) list(of shape) (mask, bool) {
	m, all := mask{}, false
	for {
		name, sub, ok := p.item(of)
		if !ok {
			return nil, false
		}
		if name == "*" {
			all = true
		}
		m.add(name, sub)
		if !p.accept(",") {
			break
		}
	}
	if all {
		return nil, true
	}
	return m, true
}

// add merges a selection into those made before: a(b),a(c) is a(b,c).
func (m mask) add(name string, sub mask) {
	have, selected := m[name]
	switch {
	case !selected || sub == nil:
		m[name] = sub
	case have != nil: // a nil one selects everything already
		for n, s := range sub {
			have.add(n, s)
		}
	}
}

// item parses name, name/item or name(list).
func (p *maskParser) item(of shape) (string, mask, bool) {
	p.rest = strings.TrimLeft(p.rest, " ")
	name := p.name()
	p.last = name
	if name == "*" {
		return name, nil, len(of) > 0
	}
	sub, ok := of.member(name)
	if name == "" || !ok {
		return "", nil, false
	}
	switch {
	case p.accept("/"):
		inner, m, ok := p.item(sub)
		if inner == "*" {
			return name, nil, ok
		}
		return name, mask{inner: m}, ok
	case p.accept("("):
		m, ok := p.list(sub)
		return name, m, ok && p.accept(")")
	}
	return name, nil, true
}

func (p *maskParser) name() string {
	if strings.HasPrefix(p.rest, "*") {
		p.rest = p.rest[1:]
		return "*"
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return strings.ContainsRune(" ,/()*", r) })
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

func (p *maskParser) accept(token string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), token)
	if ok {
		p.rest = rest
	}
	return ok
}

// wants reports whether the mask selects a member.
func (m mask) wants(name string) bool {
	_, ok := m[name]
	return m == nil || ok
}

// apply removes from a value the members that the mask does not select. It applies
// to each element of an array.
func (m mask) apply(v any) any {
	if m == nil {
		return v
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = m.apply(v[i])
		}
	case map[string]any:
		for name, value := range v {
			if m.wants(name) {
				v[name] = m[name].apply(value)
			} else {
				delete(v, name)
			}
		}
	}
	return v
}
