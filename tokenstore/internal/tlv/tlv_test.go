package tlv_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/tlv"
)

// A record has one field of each kind, and leaves room for unknown ones.
type record struct {
	text string
	list []string
	time time.Time
	flag bool
}

func (r *record) read(b []byte) (unknown []byte, err error) {
	return tlv.Read(b, []tlv.Field{
		{Tag: 2, Value: &r.text}, {Tag: 4, Value: &r.list}, {Tag: 6, Value: &r.time}, {Tag: 8, Value: &r.flag},
	})
}

func (r *record) append(b []byte) []byte {
	b = tlv.AppendString(b, 2, r.text)
	b = tlv.AppendList(b, 4, r.list)
	b = tlv.AppendTime(b, 6, r.time)
	return tlv.AppendFlag(b, 8, r.flag)
}

func (r *record) equal(other *record) bool {
	return r.text == other.text && slices.Equal(r.list, other.list) && (r.list == nil) == (other.list == nil) &&
		r.time.Equal(other.time) && r.flag == other.flag
}

var examples = map[string]record{
	"nothing":    {},
	"all":        {"text", []string{"a", "", "b"}, time.Date(2026, 11, 28, 9, 30, 0, 123456789, time.UTC), true},
	"empty list": {list: []string{}},
	"long":       {text: string(make([]byte, 300)), list: []string{string(make([]byte, 127)), string(make([]byte, 128))}},
	"early":      {time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)},
	"late":       {time: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
}

func TestReadReturnsWhatWasAppended(t *testing.T) {
	for name, want := range examples {
		t.Run(name, func(t *testing.T) {
			b := want.append(nil)
			var got record
			if unknown, err := got.read(b); err != nil || unknown != nil || !got.equal(&want) {
				t.Errorf("Read = %+v, unknown %q, %v; want %+v", got, unknown, err, want)
			}
			const later = "\x09\x01x\x0b\x00" // two fields that may be ignored
			if unknown, err := new(record).read(append(b, later...)); err != nil || string(unknown) != later {
				t.Errorf("Read with later fields = unknown %q, %v; want %q", unknown, err, later)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for name, b := range map[string]string{
		"a tag alone":                  "\x02",
		"tag 0":                        "\x00\x01x",
		"a length that is cut off":     "\x02\x80",
		"a value that is cut off":      "\x02\x02x",
		"a length beyond 64 bits":      "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"the greatest length":          "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"a length longer than needed":  "\x02\x81\x00x",
		"a tag longer than needed":     "\x82\x00\x01x",
		"a field twice":                "\x02\x01x\x02\x01x",
		"fields in the wrong order":    "\x08\x01\x01\x02\x01x",
		"an unknown field of need":     "\x0a\x01x",
		"an unknown one before others": "\x03\x01x\x01\x01x",
		"an empty string":              "\x02\x00",
		"a list that is cut off":       "\x04\x02\x05x",
		"a time of 11 bytes":           "\x06\x0b" + string(make([]byte, 11)),
		"a billion nanoseconds":        "\x06\x0c" + string(make([]byte, 8)) + "\x3b\x9a\xca\x00",
		"the zero time":                "\x06\x0c\xff\xff\xff\xf1\x88\x6e\x09\x00" + string(make([]byte, 4)),
		"a flag of 0":                  "\x08\x01\x00",
		"an empty flag":                "\x08\x00",
	} {
		t.Run(name, func(t *testing.T) {
			if unknown, err := new(record).read([]byte(b)); err == nil {
				t.Errorf("Read(%q) = unknown %q, no error", b, unknown)
			}
		})
	}
}

// FuzzRead checks that a record which is read has one spelling: without the
// unknown fields between known ones, it is written as it was.
func FuzzRead(f *testing.F) {
	for _, r := range examples {
		f.Add(r.append(nil))
	}
	f.Add([]byte("\x02\x01x\x09\x00"))
	f.Add([]byte("\x02\x81\x00x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again record
		unknown, err := r.read(b)
		if err != nil {
			return
		}
		written := append(r.append(nil), unknown...)
		if passed, err := again.read(written); err != nil || !bytes.Equal(passed, unknown) || !again.equal(&r) {
			t.Fatalf("%q is read as %+v, and that as %+v, unknown %q, %v", b, r, again, passed, err)
		}
		if len(written) == len(b) && !bytes.Equal(written, b) {
			t.Errorf("%q and %q are one record", b, written)
		}
	})
}

func TestCut(t *testing.T) {
	if value, rest, ok := tlv.Cut([]byte("\x02abc")); !ok || string(value) != "ab" || string(rest) != "c" {
		t.Errorf("Cut = %q, %q, %t", value, rest, ok)
	}
	for _, b := range []string{"", "\x80", "\x02a", "\x82\x00ab"} {
		if value, _, ok := tlv.Cut([]byte(b)); ok {
			t.Errorf("Cut(%q) = %q", b, value)
		}
	}
}
