// Package redact decides how a type that holds a secret looks when it is
// printed, logged or encoded.
//
// A type whose fields are all unexported embeds a [Form] and needs nothing
// else. A struct of exported fields has the methods Format, MarshalText and
// GobEncode, of one line each, which call those of its Form.
package redact

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret returns the text that stands for a secret: "none" if s is empty.
func Secret[T ~string | ~[]byte](s T) string {
	if len(s) == 0 {
		return "none"
	}
	return hidden
}

const hidden = "[redacted]"

// A Form is the text that a type shows instead of its contents, the same
// everywhere. If empty, "[redacted]" is used.
type Form string

func (f Form) text() string {
	if f == "" {
		return hidden
	}
	return string(f)
}

// Format implements [fmt.Formatter]. It writes the form under every verb.
func (f Form) Format(s fmt.State, _ rune) { io.WriteString(s, f.text()) }

// LogValue implements [slog.LogValuer].
func (f Form) LogValue() slog.Value { return slog.StringValue(f.text()) }

// MarshalText implements encoding.TextMarshaler. The handlers of log/slog,
// encoding/json, encoding/xml and most other encoders use it.
func (f Form) MarshalText() ([]byte, error) { return []byte(f.text()), nil }

// GobEncode implements gob.GobEncoder. It returns an error, because
// encoding/gob is for values that are read back.
func (f Form) GobEncode() ([]byte, error) {
	return nil, fmt.Errorf("encoding/gob does not write secrets: %s", f.text())
}
