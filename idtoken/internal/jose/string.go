package jose

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf16"
)

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
// itself in a string, or the length of text. It looks at eight bytes at once:
// the lowest bit that is set in special is that of such a byte.
func plain(text string, i int) int {
	const each = 0x0101010101010101 // byte
	for ; i+8 <= len(text); i += 8 {
		s := text[i : i+8]
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, escape := w^each*'"', w^each*'\\'
		special := ((w-each*' ')&^w | (quote-each)&^quote | (escape-each)&^escape) & (each * 0x80)
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
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
