package sqlstore

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

// failed says what was being done when err happened. bound are the values of
// the statement.
func failed(ctx context.Context, doing string, err error, bound ...any) error {
	f := &failure{text: "sqlstore: " + doing + ": " + err.Error(), causes: []error{err}}
	if repeats(err.Error(), bound) {
		f.text = fmt.Sprintf("sqlstore: %s: %T, whose text repeats stored values", doing, err)
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		f.causes = append(f.causes, ended) // some drivers only say "interrupted"
	}
	return f
}

// failure keeps a driver's error in the chain, and its text in our hands.
type failure struct {
	text   string
	causes []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.causes }

// Format writes the text under every verb: %#v would go into the cause.
func (f *failure) Format(s fmt.State, _ rune) { io.WriteString(s, f.text) }

// window is how much of a bound value gives it away: databases quote parts of
// a statement, not all of it.
const window = 12

// repeats reports whether text has in it what was bound to the statement, in
// one of the ways in which drivers and databases print values.
func repeats(text string, bound []any) bool {
	for _, value := range bound {
		switch v := value.(type) {
		case string:
			if shares(text, v) || shares(text, strconv.Quote(v)) {
				return true
			}
		case []byte:
			s := string(v)
			for _, printed := range []string{s, strconv.Quote(s), hex.EncodeToString(v), strings.ToUpper(hex.EncodeToString(v)),
				base64.StdEncoding.EncodeToString(v), fmt.Sprint(v)} {
				if shares(text, printed) {
					return true
				}
			}
		}
	}
	return false
}

// shares reports whether text has a part of printed that is window bytes long,
// or all of it where it is shorter. Of the shortest values it says no: they
// are in every text.
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
