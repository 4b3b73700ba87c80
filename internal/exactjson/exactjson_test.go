package exactjson_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
)

func TestMembers(t *testing.T) {
	const none = "none"
	for object, want := range map[string]string{
		`{"sub":"a"}`:                     "a",
		`{"s\u0075b":"a"}`:                "a",
		` {"x":{"sub":"b"},"sub":"a"} `:   "a",
		`{"SUB":"b","sub":"a","Sub":"c"}`: "a",
		`{"x":1,"x":2,"sub":"a"}`:         "a",
		`{"SUB":"b"}`:                     none,
		`{"sub":null}`:                    none,
		`{}`:                              none,
		`{"sub":"a","sub":"b"}`:           "",
		`{"sub":"a","sub":"a"}`:           "",
		`{"sub":"a","s\u0075b":"b"}`:      "",
		`{"sub":1}`:                       "",
		`{"sub":"a"}{}`:                   "",
		`{"sub":"a"} x`:                   "",
		`{"sub":"a"`:                      "",
		`{"sub":"a",}`:                    "",
		`[{"sub":"a"}]`:                   "",
		`"sub"`:                           "",
		`null`:                            "",
		``:                                "",
	} {
		for way, read := range map[string]func(string, map[string]any) error{
			"Members": func(s string, into map[string]any) error { return exactjson.Members([]byte(s), into) },
			"Claims": func(s string, into map[string]any) error {
				return exactjson.Claims("e30."+base64.RawURLEncoding.EncodeToString([]byte(s))+".c2ln", into)
			},
		} {
			got := none
			err := read(object, map[string]any{"sub": &got})
			if (err != nil) != (want == "") || err == nil && got != want {
				t.Errorf("%s of %s: %q, %v; want %q", way, object, got, err, want)
			}
		}
	}
}

func TestClaimsOfNoToken(t *testing.T) {
	for _, token := range []string{"", "a.e30", "a.e30.b.c", "a.e31.b", "a.e30=.b", "a.e 0.b"} {
		if err := exactjson.Claims(token, nil); err == nil {
			t.Errorf("%q: no error", token)
		}
	}
}

// FuzzMembers: encoding/json, to which names are the same in any case, agrees where
// there is only one name.
func FuzzMembers(f *testing.F) {
	f.Add(`{"sub":"a"}`)
	f.Add(`{"sub":"a","sub":"b"}`)
	f.Add(`{"x":[{}],"SUB":1}`)
	f.Fuzz(func(t *testing.T, object string) {
		var got string
		if exactjson.Members([]byte(object), map[string]any{"sub": &got}) != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(object), &want); err != nil {
			t.Fatalf("%s is read, though %v", object, err)
		}
		var sub string
		if raw, ok := want["sub"]; ok && (json.Unmarshal(raw, &sub) != nil || sub != got) {
			t.Errorf("%s: %q, want %s", object, strings.ToValidUTF8(got, "?"), raw)
		}
	})
}
