package redact

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Failure says what was being done when err, which is a dependency's, happened.
// Its text repeats that of err, unless that repeats one of values (strings and
// byte slices): then it names the type of err only. err is in the chain in any
// case, and so is ctx.Err() once ctx has ended.
func Failure(ctx context.Context, doing string, err error, values ...any) error {
	f := &failure{text: doing + ": " + err.Error(), causes: []error{err}}
	if repeats(err.Error(), values) {
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

func repeats(text string, values []any) bool {
	for _, value := range values {
		for _, printed := range printings(value) {
			if shares(text, printed) {
				return true
			}
		}
	}
	return false
}

// printings are the ways in which databases and their drivers print a value.
func printings(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v, strconv.Quote(v)}
	case []byte:
		s, hexed := string(v), hex.EncodeToString(v)
		return []string{s, strconv.Quote(s), hexed, strings.ToUpper(hexed), base64.StdEncoding.EncodeToString(v), fmt.Sprint(v)}
	}
	return nil
}

// window is how much of a value gives it away: a database quotes the part of a
// statement where it stumbled, not all of it.
const window = 12

// shares reports whether text has a part of printed that is window bytes long,
// or all of it where it is shorter. Of the shortest it says no: they are in
// every text.
func shares(text, printed string) bool {
	if len(printed) < window {
		return len(printed) > 3 && strings.Contains(text, printed)
	}
	for i := 0; i+window <= len(text); i++ {
		if strings.Contains(printed, text[i:i+window]) {
			return true
		}
	}
	return false
}
