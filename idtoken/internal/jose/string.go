package jose

import (
	"strconv"
	"strings"
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
	for i := p.pos; i < len(text); i++ {
		for i+4 < len(text) && special[text[i]]|special[text[i+1]]|special[text[i+2]]|special[text[i+3]] == 0 {
			i += 4
		}
		switch c := text[i]; {
		case c == '"':
			p.pos = i + 1
			return escaped, nil
		case c < ' ':
			return false, errSyntax
		case c == '\\':
			n := escapeLen(text[i:])
			if n == 0 {
				return false, errEscape
			}
			escaped = true
			i += n - 1
		}
	}
	return false, errSyntax
}

// special is not 0 for the bytes that do not stand for themselves in a string.
var special = func() (t [256]byte) {
	for c := range ' ' {
		t[c] = 1
	}
	t['"'], t['\\'] = 1, 1
	return t
}()

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
	r, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(r), err == nil
}

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
