// Package tlv is the encoding of stored records: fields, each a tag, the length
// of its value and the value. Tags rise strictly, numbers are minimal uvarints,
// and a field with its zero value is left out, so a record has one spelling.
//
// A reader refuses an even tag that it does not know, and passes on an odd one: a
// later release can add what older ones may ignore, while both run. New tags are
// greater than all others, so that what is passed on comes last.
package tlv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

const timeSize = 12 // seconds since 1970, nanoseconds; big endian

// AppendString appends a field with a string.
func AppendString(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	return appendValue(append(b, tag), s)
}

func appendValue(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendList appends a field with a list. Nil is its zero value; an empty list is
// none.
func AppendList(b []byte, tag byte, list []string) []byte {
	if list == nil {
		return b
	}
	size := 0
	for _, s := range list {
		size += (bits.Len(uint(len(s)|1))+6)/7 + len(s) // a uvarint has 7 bits a byte
	}
	b = binary.AppendUvarint(append(b, tag), uint64(size))
	for _, s := range list {
		b = appendValue(b, s)
	}
	return b
}

// AppendTime appends a field with a time.
func AppendTime(b []byte, tag byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = binary.BigEndian.AppendUint64(append(b, tag, timeSize), uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// AppendFlag appends a field with a bool.
func AppendFlag(b []byte, tag byte, flag bool) []byte {
	if !flag {
		return b
	}
	return append(b, tag, 1, 1)
}

// A Field is a tag, and a pointer to what [Read] sets: a *string, *[]string,
// *time.Time or *bool.
type Field struct {
	Tag   uint64
	Value any
}

var errMalformed = errors.New("malformed")

// Read sets those of the fields, in the order of their tags, that b has, and leaves the others alone. It returns the
// encoding of those that it passes on. An error repeats nothing of b.
func Read(b []byte, fields []Field) (unknown []byte, err error) {
	for last := uint64(0); len(b) > 0; {
		start := b
		tag, rest, ok := cutUvarint(b)
		if !ok || tag <= last {
			return nil, errMalformed
		}
		value, rest, ok := Cut(rest)
		if !ok {
			return nil, errMalformed
		}
		for len(fields) > 0 && fields[0].Tag < tag {
			fields = fields[1:]
		}
		switch {
		case len(fields) > 0 && fields[0].Tag == tag:
			ok = set(fields[0].Value, value)
		case len(fields) == 0 && unknown == nil:
			unknown = start
			fallthrough
		default:
			ok = tag%2 == 1
		}
		if !ok {
			return nil, fmt.Errorf("field %d", tag)
		}
		last, b = tag, rest
	}
	return unknown, nil
}

// set sets what dst points to; ok is false if value is none for it.
func set(dst any, value []byte) (ok bool) {
	switch dst := dst.(type) {
	case *string:
		*dst = string(value)
		return len(value) > 0
	case *[]string:
		*dst = []string{}
		for len(value) > 0 {
			s, rest, ok := Cut(value)
			if !ok {
				return false
			}
			*dst, value = append(*dst, string(s)), rest
		}
		return true
	case *time.Time:
		if len(value) != timeSize {
			return false
		}
		seconds, nanos := binary.BigEndian.Uint64(value), binary.BigEndian.Uint32(value[8:])
		*dst = time.Unix(int64(seconds), int64(nanos)).UTC()
		return nanos < 1e9 && !dst.IsZero()
	case *bool:
		*dst = true
		return len(value) == 1 && value[0] == 1
	}
	return false
}

// Cut returns the value at the beginning of b, which has its length before it, and
// what follows.
func Cut(b []byte) (value, rest []byte, ok bool) {
	size, b, ok := cutUvarint(b)
	if !ok || size > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:size], b[size:], true
}

// cutUvarint refuses a spelling longer than needed.
func cutUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
