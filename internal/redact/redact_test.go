package redact_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/redact"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redacttest"
)

type form = redact.Form

// opaque embeds its form, as types without exported fields do.
type opaque struct {
	form
	token string
}

// plain has the methods, as types with exported fields have.
type plain struct{ Name, Token string }

func (p plain) form() form {
	return form(fmt.Sprintf("plain{Name: %q, Token: %s}", p.Name, redact.Secret(p.Token)))
}

func (p plain) Format(s fmt.State, verb rune) { p.form().Format(s, verb) }
func (p plain) MarshalText() ([]byte, error)  { return p.form().MarshalText() }
func (p plain) GobEncode() ([]byte, error)    { return p.form().GobEncode() }

func TestForm(t *testing.T) {
	const token = "1//03-secret"
	closed := opaque{"opaque{jane}", token}
	redacttest.Check(t, closed, "opaque{jane}", token)
	redacttest.Check(t, &closed, "opaque{jane}", token)
	redacttest.Check(t, &opaque{token: token}, "[redacted]", token)

	open := plain{"<jane & co>", token}
	redacttest.Check(t, open, `plain{Name: "<jane & co>", Token: [redacted]}`, token)
	redacttest.Check(t, &open, `plain{Name: "<jane & co>", Token: [redacted]}`, token)
	redacttest.Check(t, plain{}, `plain{Name: "", Token: none}`)
}

// The form is not read back as if it were the value.
func TestFormIsNotDecoded(t *testing.T) {
	encoded, err := json.Marshal(plain{"jane", "1//03-secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, new(plain)); err == nil {
		t.Errorf("%s is decoded", encoded)
	}
}
