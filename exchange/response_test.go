package exchange

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

// What flatObject decodes, encoding/json decodes to the same.
func FuzzFlatObject(f *testing.F) {
	for _, text := range []string{
		`{"access_token":"ya29.x","expires_in":3599,"scope":"openid email","token_type":"Bearer"}`,
		" {\n\t\"a\" : \"b\" ,\r\n \"n\" : 0 } \n", `{"a":"b","a":1}`, `{"":""}`, `{"n":999999999999999}`,
		`{}`, `{"a":01}`, `{"a":1.5}`, `{"a":-1}`, `{"a":"\u0041"}`, `{"a":"é"}`, `{"a":null}`, `{"a":{"b":1}}`,
		`{"a":1}x`, `{"a":1`, `{"a":1,}`, `{"a" "b"}`, `{"a":"`, `{"a":"b"`, `{"a":1e5}`, `{"a":1 2}`, `{"a":12"b"}`, "{\"a\":\"\x7f\"}", `null`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := flatObject(text)
		if got == nil {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(text, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v (%v)", text, got, want, err)
		}
	})
}

func TestFlatObjectIsUsed(t *testing.T) {
	const text = `{"access_token":"ya29.x","expires_in":3599,"scope":"openid https://www.googleapis.com/auth/drive.appdata","token_type":"Bearer"}`
	if got := flatObject([]byte(text)); len(got) != 4 || got["expires_in"] != 3599.0 {
		t.Errorf("%v, want the members", got)
	}
}

func TestFieldsOf(t *testing.T) {
	for text, want := range map[string]map[string]any{
		`{"n":1e999}`:               {"n": math.MaxFloat64},
		`{"n":-1e999,"s":"\u0041"}`: {"n": -math.MaxFloat64, "s": "A"},
		`{"n":1.5}`:                 {"n": 1.5},
		`{"n":1e999}{}`:             nil,
		`{"n":1e999`:                nil,
		`{} {}`:                     nil,
		`[]`:                        nil,
		`null`:                      nil,
		``:                          nil,
	} {
		if got := fieldsOf([]byte(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
