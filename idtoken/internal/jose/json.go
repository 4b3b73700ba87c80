package jose

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth = 32 // objects and arrays within one another
	fewNames = 32 // so many names are compared pairwise faster than hashed
)

// A Member is one name and value of a JSON object. Name is unescaped.
type Member struct {
	Name  string
	Value Value
}

// An Object is the members of a JSON object, each name once, in their order.
type Object []Member

// ParseObject reads one JSON object (RFC 8259) and nothing but white space
// around it. It is stricter than encoding/json where that would let two readers
// of the same text disagree: names are told apart by every byte, a name that
// comes twice in an object of any depth is refused, and so is text that is not
// valid UTF-8, half a surrogate pair, and anything nested deeper than 32 levels.
// The members share the memory of text.
func ParseObject(text string) (Object, error) {
	return parseObject(text, nil)
}

// parseObject appends the members to scratch, which it may outgrow.
func parseObject(text string, scratch Object) (Object, error) {
	if !utf8.ValidString(text) {
		return nil, errUTF8
	}
	p := parser{text: text, members: scratch}
	p.space()
	if p.peek() != '{' {
		return nil, errNotObject
	}
	if err := p.object(1); err != nil {
		return nil, err
	}
	if p.space(); p.pos != len(text) {
		return nil, errTrailing
	}
	return p.members, nil
}

type parser struct {
	text string
	pos  int

	// The members of the objects that are being read, the outermost first; an
	// inner object takes its own away when it ends.
	members Object
}

// peek returns the next byte, or 0, which no JSON text has outside a string.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// object reads an object whose brace is next and leaves its members on the end
// of p.members.
func (p *parser) object(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	p.pos++ // the brace
	first := len(p.members)
	p.space()
	if p.take('}') {
		return nil
	}
	for {
		if err := p.member(depth); err != nil {
			return err
		}
		if p.take(',') {
			p.space()
			continue
		}
		if !p.take('}') {
			return errSyntax
		}
		return distinct(p.members[first:])
	}
}

func (p *parser) member(depth int) error {
	name, err := p.string()
	if err != nil {
		return err
	}
	p.space()
	if !p.take(':') {
		return errSyntax
	}
	p.space()
	i := len(p.members)
	p.members = append(p.members, Member{Name: name})
	start := p.pos
	if err := p.value(depth); err != nil {
		return err
	}
	p.members[i].Value = Value(p.text[start:p.pos])
	p.space()
	return nil
}

func (p *parser) array(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	p.pos++ // the bracket
	p.space()
	if p.take(']') {
		return nil
	}
	for {
		if err := p.value(depth); err != nil {
			return err
		}
		p.space()
		if p.take(',') {
			p.space()
			continue
		}
		if !p.take(']') {
			return errSyntax
		}
		return nil
	}
}

func (p *parser) value(depth int) error {
	switch c := p.peek(); {
	case c == '"':
		_, err := p.skipString()
		return err
	case c == '{':
		outer := len(p.members)
		err := p.object(depth + 1)
		p.members = p.members[:outer]
		return err
	case c == '[':
		return p.array(depth + 1)
	case c == '-' || digit(c):
		return p.number()
	}
	for _, literal := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.text[p.pos:], literal) {
			p.pos += len(literal)
			return nil
		}
	}
	return errSyntax
}

func (p *parser) number() error {
	p.take('-')
	if !p.take('0') && !p.digits() {
		return errSyntax
	}
	if p.take('.') && !p.digits() {
		return errSyntax
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			return errSyntax
		}
	}
	return nil
}

// digits reads decimal digits and reports whether there were any.
func (p *parser) digits() bool {
	start := p.pos
	for digit(p.peek()) {
		p.pos++
	}
	return p.pos > start
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// distinct refuses a name that comes twice. Names are compared only with those
// that have the same length and last byte in common, or nearly.
func distinct(members Object) error {
	if len(members) > fewNames {
		return distinctMany(members)
	}
	var seen uint64
	for i, m := range members {
		bit := uint64(1) << (len(m.Name) & 63)
		if n := len(m.Name); n > 0 {
			bit = bits.RotateLeft64(bit, 7*int(m.Name[n-1]))
		}
		if seen&bit != 0 {
			if _, twice := members[:i].Get(m.Name); twice {
				return errDuplicate
			}
		}
		seen |= bit
	}
	return nil
}

func distinctMany(members Object) error {
	seen := make(map[string]struct{}, len(members))
	for _, m := range members {
		if _, ok := seen[m.Name]; ok {
			return errDuplicate
		}
		seen[m.Name] = struct{}{}
	}
	return nil
}
