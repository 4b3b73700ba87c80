package redact

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Failure says what was being done when err, which is a dependency's, happened.
// Its text repeats that of err, unless that repeats one of values (strings and
// byte slices): then it names the type of err only. err is in the chain in any
// case, and so is ctx.Err() once ctx has ended.
func Failure(ctx context.Context, doing string, err error, values ...any) error {
	f := &failure{text: doing + ": " + err.Error(), causes: []error{err}}
	if Repeats(err.Error(), values...) {
		f.text = fmt.Sprintf("%s: %T, whose text repeats stored values", doing, err)
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		f.causes = append(f.causes, ended) // some drivers only say "interrupted"
	}
	return f
}

type failure struct {
	text   string
	causes []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.causes }

// Format writes the text under every verb: %#v would go into the cause.
func (f *failure) Format(s fmt.State, _ rune) { io.WriteString(s, f.text) }

// Repeats reports whether text repeats one of values (strings and byte slices), or a
// part of one that gives it away.
func Repeats(text string, values ...any) bool {
	digits := squeeze.Replace(strings.ToLower(text))
	for _, value := range values {
		v := bytesOf(value)
		if len(v) < shortest {
			continue
		}
		sharesText := func(printed string) bool { return shares(text, printed) }
		sharesDigits := func(printed string) bool { return shares(digits, printed) }
		if slices.ContainsFunc(texts(v), sharesText) || slices.ContainsFunc(numerals(v), sharesDigits) {
			return true
		}
	}
	return false
}

func bytesOf(value any) []byte {
	switch v := value.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	return nil
}

// texts are the ways in which databases and their drivers print a value.
func texts(v []byte) []string {
	return []string{string(v), strconv.Quote(string(v)), base64.StdEncoding.EncodeToString(v)}
}

// numerals are the ways in which they print it byte by byte, without what they
// put between the bytes.
func numerals(v []byte) []string {
	var hexadecimal, decimal, octal strings.Builder
	for _, b := range v {
		fmt.Fprintf(&hexadecimal, "%02x", b)
		fmt.Fprintf(&decimal, "%d", b)
		fmt.Fprintf(&octal, "%o", b)
	}
	return []string{hexadecimal.String(), decimal.String(), octal.String()}
}

// squeeze removes what stands between bytes that are printed one by one, as in
// "31 2f", "[49, 47]", "0x31, 0x2f" and "\x31\x2f".
var squeeze = strings.NewReplacer("0x", "", `\x`, "", " ", "", ",", "", ":", "", "-", "", "\n", "")

// shortest is the length of the shortest value that is looked for: shorter ones
// are in every text.
const shortest = 4

// window is how much of a value gives it away: a database quotes the part of a
// statement where it stumbled, not all of it.
const window = 12

// shares reports whether text has a part of printed that is window bytes long,
// or all of it where it is shorter.
func shares(text, printed string) bool {
	if len(printed) < window {
		return strings.Contains(text, printed)
	}
	for i := 0; i+window <= len(text); i++ {
		if strings.Contains(printed, text[i:i+window]) {
			return true
		}
	}
	return false
}
