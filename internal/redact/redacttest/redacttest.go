// Package redacttest checks that a type that holds a secret shows the form that
// package redact gives it.
package redacttest

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
)

// Check reports an error unless v shows exactly form under every verb of fmt, in
// log/slog, encoding/json and encoding/xml, alone and inside other values, and
// encoding/gob refuses it. None of secrets may be in any output.
func Check(t testing.TB, v any, form string, secrets ...string) {
	t.Helper()
	CheckPrinted(t, v, form, secrets...)
	inside := map[string]any{"V": v}
	encoded, err := json.Marshal(inside)
	var decoded map[string]string
	if err != nil || json.Unmarshal(encoded, &decoded) != nil || decoded["V"] != form {
		t.Errorf("%T: JSON %s, error %v, want %q", v, encoded, err, form)
	}
	noSecret(t, v, "JSON", string(encoded), secrets)
	encoded, err = xml.Marshal(struct {
		XMLName xml.Name `xml:"x"`
		V       any
	}{V: v})
	var element struct{ V string }
	if err != nil || xml.Unmarshal(encoded, &element) != nil || element.V != form {
		t.Errorf("%T: XML %s, error %v, want %q", v, encoded, err, form)
	}
	noSecret(t, v, "XML", string(encoded), secrets)
}

// CheckPrinted is [Check] without the encoders that v may be stored with.
func CheckPrinted(t testing.TB, v any, form string, secrets ...string) {
	t.Helper()
	if form == "" {
		t.Fatalf("%T: a form that is empty hides what helps, too", v)
	}
	// Not %T, %p and %w: fmt never calls Format for them. go vet reports the last
	// two where the value is no pointer and no error.
	for _, verb := range strings.Split("v +v #v s q x X d o b U t e", " ") {
		printed := fmt.Sprintf("%"+verb, v)
		if printed != form {
			t.Errorf("%T: %%%s prints %q, want %q", v, verb, printed, form)
		}
		noSecret(t, v, verb, printed, secrets)
		for _, within := range []any{[]any{v}, map[string]any{"V": v}, struct{ V any }{v}, &struct{ V any }{v}} {
			printed := fmt.Sprintf("%"+verb, within)
			noSecret(t, v, verb+" inside", printed, secrets)
		}
	}
	var text, lines bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, slog.Group("g", "v", v))
	for _, attr := range []string{" v=", " g.v="} {
		if !strings.Contains(text.String(), attr+form) && !strings.Contains(text.String(), attr+strconv.Quote(form)) {
			t.Errorf("%T: slog's text handler writes %s, want%s%q", v, text.String(), attr, form)
		}
	}
	noSecret(t, v, "slog text", text.String(), secrets)
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("m", "v", v, slog.Group("g", "v", v))
	var record struct {
		V string
		G struct{ V string }
	}
	if err := json.Unmarshal(lines.Bytes(), &record); err != nil || record.V != form || record.G.V != form {
		t.Errorf("%T: slog's JSON handler writes %s, error %v, want %q", v, lines.String(), err, form)
	}
	noSecret(t, v, "slog JSON", lines.String(), secrets)
	var stream bytes.Buffer
	if err := gob.NewEncoder(&stream).Encode(v); err == nil || !strings.Contains(err.Error(), form) {
		t.Errorf("%T: gob returns %v, want an error that says %q", v, err, form)
	}
	noSecret(t, v, "gob", stream.String(), secrets)
}

func noSecret(t testing.TB, v any, how, output string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		for _, spelling := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprint([]byte(secret)), "[]")} {
			if strings.Contains(output, spelling) {
				t.Errorf("%T: %s shows the secret %q", v, how, secret)
			}
		}
	}
}
