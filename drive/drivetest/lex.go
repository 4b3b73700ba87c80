package drivetest

import "strings"

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

// unquote reads a string in quotes, in which \' and \\ stand for ' and \.
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
