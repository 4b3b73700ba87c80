package jose

import (
	"hash/maphash"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxDepth  = 32 // objects and arrays within one another
	maxValues = 48 // members and array elements at all depths together
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
// It also refuses more than 48 members and array elements, all depths together:
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

// string reads a string and returns what it stands for. Without an escape that
// is a part of the text, and costs no memory.
func (p *parser) string() (string, error) {
	start := p.pos
	escaped, err := p.skipString()
	if err != nil {
		return "", err
	}
	if !escaped {
		return p.text[start+1 : p.pos-1], nil
	}
	return unquote(p.text[start:p.pos]), nil
}

// skipString reads a string and checks it: RFC 8259 section 7, and both halves
// of every surrogate pair. It reports whether there is an escape in it.
func (p *parser) skipString() (escaped bool, err error) {
	if !p.take('"') {
		return false, errSyntax
	}
	text := p.text
	for i := plain(text, p.pos); i < len(text); i = plain(text, i) {
		switch text[i] {
		case '"':
			p.pos = i + 1
			return escaped, nil
		case '\\':
			n := escapeLen(text[i:])
			if n == 0 {
				return false, errEscape
			}
			escaped = true
			i += n
		default:
			return false, errSyntax
		}
	}
	return false, errSyntax
}

// plain returns the place of the first byte, from i, that does not stand for
// itself in a string, or the length of text.
func plain(text string, i int) int {
	for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

// escapeLen returns the length of the escape sequence that s begins with, a
// surrogate pair as one; 0 if it is none.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	if s[1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, s[1]) < 0 {
			return 0
		}
		return 2
	}
	r, ok := hexRune(s)
	if !ok {
		return 0
	}
	if !utf16.IsSurrogate(r) {
		return 6
	}
	if low, ok := hexRune(s[6:]); !ok || utf16.DecodeRune(r, low) == '\uFFFD' {
		return 0
	}
	return 12
}

// hexRune reads \uXXXX.
func hexRune(s string) (rune, bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	r := hexDigit[s[2]]<<12 | hexDigit[s[3]]<<8 | hexDigit[s[4]]<<4 | hexDigit[s[5]]
	return r, r >= 0
}

// hexDigit has the value of each digit, and -1 for other bytes.
var hexDigit = func() (t [256]rune) {
	for c := range t {
		t[c] = -1
	}
	for i, c := range "0123456789abcdef" {
		t[c], t[unicode.ToUpper(c)] = rune(i), rune(i)
	}
	return t
}()

// unquote returns what a string stands for that skipString has accepted.
func unquote(quoted string) string {
	s := quoted[1 : len(quoted)-1]
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for ; i >= 0; i = strings.IndexByte(s, '\\') {
		b.WriteString(s[:i])
		n := escapeLen(s[i:])
		b.WriteRune(unescape(s[i : i+n]))
		s = s[i+n:]
	}
	b.WriteString(s)
	return b.String()
}

func unescape(s string) rune {
	switch s[1] {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		r, _ := hexRune(s)
		if low, ok := hexRune(s[6:]); ok {
			return utf16.DecodeRune(r, low)
		}
		return r
	}
	return rune(s[1])
}

// A Value is the text of one valid JSON value.
type Value string

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v == "null" }

// Str returns what a JSON string stands for; false for any other value.
func (v Value) Str() (string, bool) {
	if v == "" || v[0] != '"' {
		return "", false
	}
	return unquote(string(v)), true
}

// Bool returns a JSON true or false; false for any other value.
func (v Value) Bool() (b, ok bool) {
	return v == "true", v == "true" || v == "false"
}

// Object returns the members of a JSON object; false for any other value.
func (v Value) Object() (Object, bool) {
	members, err := ParseObject(string(v))
	return members, err == nil
}

// Strings returns the elements of an array of strings, or a string as the only
// one (what RFC 7519 section 4.1.3 allows an audience to be); false for any
// other value.
func (v Value) Strings() ([]string, bool) {
	if s, ok := v.Str(); ok {
		return []string{s}, true
	}
	if v == "" || v[0] != '[' {
		return nil, false
	}
	p := parser{text: string(v), pos: 1}
	var all []string
	for p.space(); !p.take(']'); p.space() {
		p.take(',')
		p.space()
		s, err := p.string()
		if err != nil {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// The years 1 to 9999: what RFC 3339 can write, far from any overflow.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

// Time returns the time that a NumericDate stands for (RFC 7519 section 2: any
// JSON number of seconds); false for any other value, and for what lies outside
// the years 1 to 9999.
func (v Value) Time() (time.Time, bool) {
	if v == "" || v[0] != '-' && !digit(v[0]) {
		return time.Time{}, false
	}
	if !strings.ContainsAny(string(v), ".eE") {
		s, err := strconv.ParseInt(string(v), 10, 64)
		return time.Unix(s, 0).UTC(), err == nil && minSeconds <= s && s <= maxSeconds
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < minSeconds || f > maxSeconds {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
}

// Get returns the value of the member with exactly this name.
func (o Object) Get(name string) (Value, bool) {
	for _, m := range o {
		if m.Name == name {
			return m.Value, true
		}
	}
	return "", false
}
