package jose

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A Value is the text of one valid JSON value.
type Value string

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v == "null" }

// Str returns what a JSON string stands for; false for any other value.
func (v Value) Str() (string, bool) {
	if v == "" || v[0] != '"' {
		return "", false
	}
	return unquote(string(v)), true
}

// Bool returns a JSON true or false; false for any other value.
func (v Value) Bool() (b, ok bool) {
	return v == "true", v == "true" || v == "false"
}

// Object returns the members of a JSON object; false for any other value.
func (v Value) Object() (Object, bool) {
	members, err := ParseObject(string(v))
	return members, err == nil
}

// Strings returns the elements of an array of strings, or a string as the only
// one (what RFC 7519 section 4.1.3 allows an audience to be); false for any
// other value.
func (v Value) Strings() ([]string, bool) {
	if s, ok := v.Str(); ok {
		return []string{s}, true
	}
	if v == "" || v[0] != '[' {
		return nil, false
	}
	p := parser{text: string(v), pos: 1}
	var all []string
	for p.space(); !p.take(']'); p.space() {
		p.take(',')
		p.space()
		s, err := p.string()
		if err != nil {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// The years 1 to 9999: what RFC 3339 can write, far from any overflow.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

// Time returns the time that a NumericDate stands for (RFC 7519 section 2: any
// JSON number of seconds); false for any other value, and for what lies outside
// the years 1 to 9999.
func (v Value) Time() (time.Time, bool) {
	if v == "" || v[0] != '-' && !digit(v[0]) {
		return time.Time{}, false
	}
	if !strings.ContainsAny(string(v), ".eE") {
		s, err := strconv.ParseInt(string(v), 10, 64)
		return time.Unix(s, 0).UTC(), err == nil && minSeconds <= s && s <= maxSeconds
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < minSeconds || f > maxSeconds {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
}

// Get returns the value of the member with exactly this name.
func (o Object) Get(name string) (Value, bool) {
	for _, m := range o {
		if m.Name == name {
			return m.Value, true
		}
	}
	return "", false
}
