package jose_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

func TestParseObject(t *testing.T) {
	members, err := jose.ParseObject(" {\"a\": 1 ,\r\n\"\\u0062\\ud83d\\ude00\":\t\"x\\ny\", \"c\":{\"a\":[{\"a\":1},[]]},\"\":null} ")
	if err != nil {
		t.Fatal(err)
	}
	want := jose.Object{{"a", "1"}, {"b😀", `"x\ny"`}, {"c", `{"a":[{"a":1},[]]}`}, {"", "null"}}
	if !reflect.DeepEqual(members, want) {
		t.Errorf("members are %q, want %q", members, want)
	}
	if v, ok := members.Get("A"); ok {
		t.Errorf("A is %s", v)
	}
}

func TestDistinctNames(t *testing.T) {
	for n := 1; n < 48; n++ {
		var names []string
		for i := range n {
			names = append(names, strings.Repeat("x", i%9)+fmt.Sprint(i))
		}
		text := func(names []string) string { return `{"` + strings.Join(names, `":0,"`) + `":0}` }
		if _, err := jose.ParseObject(text(names)); err != nil {
			t.Fatalf("%d names: %v", n, err)
		}
		for i := range n {
			if _, err := jose.ParseObject(text(append(names[:n:n], names[i]))); err == nil {
				t.Errorf("of %d names, the %dth twice: accepted", n, i)
			}
		}
	}
}

func TestValues(t *testing.T) {
	type result struct {
		str     string
		isStr   bool
		isBool  bool
		strings []string
		isTime  bool
		time    time.Time
		object  bool
	}
	for text, want := range map[jose.Value]result{
		`"x"`:            {str: "x", isStr: true, strings: []string{"x"}},
		`"\u0031\/"`:     {str: "1/", isStr: true, strings: []string{"1/"}},
		`""`:             {isStr: true, strings: []string{""}},
		`true`:           {isBool: true},
		`false`:          {isBool: true},
		`null`:           {},
		`[]`:             {},
		`[ "a" , "b" ]`:  {strings: []string{"a", "b"}},
		`["a",1]`:        {},
		`[["a"]]`:        {},
		`{}`:             {object: true},
		`0`:              {isTime: true, time: time.Unix(0, 0)},
		`-1`:             {isTime: true, time: time.Unix(-1, 0)},
		`1.5`:            {isTime: true, time: time.Unix(1, 5e8)},
		`-1.5`:           {isTime: true, time: time.Unix(-2, 5e8)},
		`1.7E9`:          {isTime: true, time: time.Unix(1_700_000_000, 0)},
		`253402300799`:   {isTime: true, time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		`253402300800`:   {},
		`253402300799.9`: {},
		`-62135596801`:   {},
		`1e-400`:         {isTime: true, time: time.Unix(0, 0)},
		`1e400`:          {},
		`"1"`:            {str: "1", isStr: true, strings: []string{"1"}},
		``:               {},
	} {
		var got result
		got.str, got.isStr = text.Str()
		_, got.isBool = text.Bool()
		got.strings, _ = text.Strings()
		got.time, got.isTime = text.Time()
		if got.time.Equal(want.time) || !got.isTime {
			got.time = want.time
		}
		_, got.object = text.Object()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
	}
}

// FuzzParseObject compares with encoding/json: whatever is accepted means the
// same to both, and what only encoding/json accepts is what it should not.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":"\ud83d\ude00"}`, `{"a":[1,{"b":null}],"c":true}`, `{"a":1,"a":1}`, `{"a":-0.1e+5}`,
		`[1]`, `{"a":"\ud800"}`, `{"a":{"b":{}}} `, "{\"a\":\"\xff\"}", `{"a":01}`, `{"\u0061":1,"a":2}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := jose.ParseObject(text)
		var std map[string]json.RawMessage
		stdErr := json.Unmarshal([]byte(text), &std)
		if err != nil {
			if stdErr == nil && std != nil && !mayDiffer(text) {
				t.Errorf("refused with %v what encoding/json accepts", err)
			}
			return
		}
		if stdErr != nil || len(std) != len(members) {
			t.Fatalf("accepted %d members, encoding/json has %d, %v", len(members), len(std), stdErr)
		}
		for _, m := range members {
			if string(std[m.Name]) != string(m.Value) {
				t.Errorf("%q is %s, encoding/json has %s", m.Name, m.Value, std[m.Name])
			}
			var s any
			if got, ok := m.Value.Str(); ok && (json.Unmarshal([]byte(m.Value), &s) != nil || s != got) {
				t.Errorf("%s is %q, encoding/json has %q", m.Value, got, s)
			}
			m.Value.Time()
			m.Value.Strings()
			m.Value.Object()
		}
	})
}

// mayDiffer reports whether encoding/json is known to be too lenient with text:
// a name twice at any depth, half a surrogate pair, bad UTF-8, endless nesting,
// endless members and elements, between which there are commas.
func mayDiffer(text string) bool {
	if !utf8.ValidString(text) || strings.Contains(strings.ToLower(text), `\ud`) || strings.Count(text, "[")+strings.Count(text, "{")+strings.Count(text, ",") > 32 {
		return true
	}
	return twice(json.NewDecoder(strings.NewReader(text)))
}

// twice reads one value and reports whether an object in it has a name twice.
func twice(d *json.Decoder) bool {
	token, err := d.Token()
	if err != nil {
		return false
	}
	found, names := false, make(map[string]bool)
	switch token {
	case json.Delim('{'):
		for d.More() {
			name, _ := d.Token()
			key, _ := name.(string)
			found = found || names[key]
			names[key] = true
			found = twice(d) || found
		}
		d.Token()
	case json.Delim('['):
		for d.More() {
			found = twice(d) || found
		}
		d.Token()
	}
	return found
}
