package redact_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
)

type driverError struct{ text string }

func (e driverError) Error() string { return e.text }

func TestFailure(t *testing.T) {
	const token = "1//03-jane-refresh-token-of-some-length"
	const bound = "sealed-bound-as-a-string"
	record := []byte("\x01\x02" + token)
	tests := map[string]struct {
		text string
		said bool
	}{
		"plain":            {"dial tcp 127.0.0.1:5432: connect: connection refused", true},
		"empty":            {"", true},
		"the token":        {"near " + token, false},
		"a part of it":     {"near '" + token[8:24] + "…'", false},
		"quoted":           {fmt.Sprintf("bad value %q", record), false},
		"in hex":           {fmt.Sprintf("bad value %x", record), false},
		"in capital hex":   {fmt.Sprintf("X'%X'", record), false},
		"in spaced hex":    {fmt.Sprintf("bad value % x", record), false},
		"in marked hex":    {fmt.Sprintf("bad value %# x", record), false},
		"in Go":            {fmt.Sprintf("args: %#v", record), false},
		"a part in hex":    {fmt.Sprintf("near %x…", token[8:20]), false},
		"dumped":           {fmt.Sprintf("0000  % x\n0010  % x", record[:16], record[16:32]), false},
		"escaped":          {`near '\x66\x72\x65\x73\x68\x2d'`, false},
		"in decimal":       {fmt.Sprintf("args: %v", record), false},
		"in a list":        {"args: [" + strings.ReplaceAll(strings.Trim(fmt.Sprint(record), "[]"), " ", ", ") + "]", false},
		"in octal":         {fmt.Sprintf("args: %o", record), false},
		"in base64":        {base64.StdEncoding.EncodeToString(record), false},
		"the user":         {"Duplicate entry 'jane' for key 'PRIMARY'", false},
		"the user in hex":  {"Duplicate entry '6A616E65' for key 'PRIMARY'", false},
		"bound string":     {fmt.Sprintf("args: % x", bound), false},
		"a short value":    {"a value of 1", true},
		"a short one, hex": {"port 3131", true},
		"a little of each": {"1//03-jan and ane", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cause := driverError{test.text}
			err := redact.Failure(t.Context(), "saving", cause, record, bound, "jane", "1", nil, 7)
			if !errors.Is(err, cause) {
				t.Error("the cause is not in the chain")
			}
			for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x"} {
				printed := fmt.Sprintf(verb, err)
				if said := printed == "saving: "+test.text; said != test.said {
					t.Errorf("%s prints %q", verb, printed)
				}
				if !test.said && !strings.Contains(printed, "redact_test.driverError") {
					t.Errorf("%s prints %q, which does not name the type", verb, printed)
				}
			}
		})
	}
}

func TestFailureKeepsContextError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cause := driverError{"interrupted (9)"}
	if err := redact.Failure(ctx, "saving", cause); errors.Is(err, context.Canceled) {
		t.Errorf("%v is context.Canceled before the context has ended", err)
	}
	cancel()
	if err := redact.Failure(ctx, "saving", cause); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Errorf("%v, want it to wrap the cause and context.Canceled", err)
	}
}
