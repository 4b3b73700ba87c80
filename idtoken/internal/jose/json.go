package jose

import (
	"hash/maphash"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth  = 32 // objects and arrays within one another
	maxValues = 64 // members and array elements at all depths together
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
// It also refuses more than 64 members and array elements, all depths together:
// Google's tokens have some 20, and to read hundreds only to refuse them costs
// nearly what a signature does. The members share the memory of text.
func ParseObject(text string) (Object, error) {
	return parseObject(text, nil)
}

// parseObject appends the members to scratch, which it may outgrow.
func parseObject(text string, scratch Object) (Object, error) {
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
	if !utf8.ValidString(text) { // the dearest to check, so the last
		return nil, errUTF8
	}
	return p.members, nil
}

type parser struct {
	text   string
	pos    int
	values int // read so far: members and elements of arrays

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
	if p.peek() <= ' ' {
		p.skipSpace()
	}
}

func (p *parser) skipSpace() {
	i := p.pos
	for i < len(p.text) && (p.text[i] == ' ' || p.text[i] == '\n' || p.text[i] == '\r' || p.text[i] == '\t') {
		i++
	}
	p.pos = i
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

// count is asked before each member and element.
func (p *parser) count() error {
	if p.values++; p.values > maxValues {
		return errValues
	}
	return nil
}

func (p *parser) member(depth int) error {
	if err := p.count(); err != nil {
		return err
	}
	name, err := p.string()
	if err != nil {
		return err
	}
	p.space()
	if !p.take(':') {
		return errSyntax
	}
	p.space()
	start := p.pos
	if err := p.value(depth); err != nil {
		return err
	}
	p.members = append(p.members, Member{name, Value(p.text[start:p.pos])})
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
		if err := p.count(); err != nil {
			return err
		}
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
	start, i := p.pos, p.pos
	for i < len(p.text) && digit(p.text[i]) {
		i++
	}
	p.pos = i
	return i > start
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// names is what names are hashed with. Its seed is drawn when the program
// starts, so that a stranger cannot choose names that are slow to tell apart.
var names = maphash.MakeSeed()

// distinct refuses a name that comes twice. The table has the places of members
// plus one, by a byte of the hash of their names, or next to that; there is room
// for four times as many.
func distinct(members Object) error {
	var table [256]uint8
	for i, m := range members {
		at := uint8(maphash.String(names, m.Name))
		for ; table[at] != 0; at++ {
			if members[table[at]-1].Name == m.Name {
				return errDuplicate
			}
		}
		table[at] = uint8(i + 1)
	}
	return nil
}
