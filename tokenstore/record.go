package tokenstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The storage form: one byte of format version, then fields, each a tag, the
// length of its value and the value. Tags rise strictly, and numbers are
// minimal uvarints, so a record has one spelling. A field with its zero value
// is left out.
const recordFormat = 1

// A reader refuses an even tag that it does not know, and passes on an odd one: a
// later release can add what older ones may ignore, while both run. New tags are
// greater than all others, so that what is passed on comes last.
const (
	tagRefreshToken       = 2
	tagScopes             = 4
	tagRefreshTokenExpiry = 6
	tagAccessToken        = 8
	tagExpiry             = 10
	tagState              = 12
	tagReason             = 14
	tagCreatedAt          = 16
	tagUpdatedAt          = 18
	tagRefreshedAt        = 20
	tagHashes             = 21
	tagLineage            = 23
	tagSignedIn           = 25
	tagTold               = 27
	tagByGoogle           = 29
	tagLost               = 31

	lastTag = tagLost
)

// MarshalBinary returns the form in which a [Store] keeps the grant: everything
// but Version, which is the store's. It holds the tokens as they are; what a
// [Sealed] store passes on holds them sealed.
//
// The form is versioned: every later release of this module reads what this one
// writes.
func (g Grant) MarshalBinary() ([]byte, error) {
	return g.appendBinary(make([]byte, 0, 96+len(g.RefreshToken)+len(g.AccessToken)+64*len(g.Scopes)+96*len(g.hashes)+len(g.lineage.id)+64*len(g.Lost)))
}

func (g *Grant) appendBinary(b []byte) ([]byte, error) {
	b = append(b, recordFormat)
	b = appendString(b, tagRefreshToken, g.RefreshToken)
	b = appendList(b, tagScopes, g.Scopes)
	b = appendTime(b, tagRefreshTokenExpiry, g.RefreshTokenExpiry)
	b = appendString(b, tagAccessToken, g.AccessToken)
	b = appendTime(b, tagExpiry, g.Expiry)
	if g.State != Active {
		if g.State != NeedsConsent {
			return nil, fmt.Errorf("tokenstore: a grant in %s cannot be stored", g.State)
		}
		b = append(b, tagState, 1, byte(g.State))
	}
	b = appendString(b, tagReason, g.Reason)
	b = appendTime(b, tagCreatedAt, g.CreatedAt)
	b = appendTime(b, tagUpdatedAt, g.UpdatedAt)
	b = appendTime(b, tagRefreshedAt, g.RefreshedAt)
	b = appendList(b, tagHashes, g.hashes)
	b = appendString(b, tagLineage, g.lineage.id)
	b = appendTime(b, tagSignedIn, g.lineage.at)
	b = appendFlag(b, tagTold, g.told)
	b = appendFlag(b, tagByGoogle, g.lineage.byGoogle)
	b = appendList(b, tagLost, g.Lost)
	return append(b, g.unknown...), nil
}

func appendFlag(b []byte, tag byte, flag bool) []byte {
	if flag {
		return append(b, tag, 1, 1)
	}
	return b
}

func appendString(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendList writes nil as no field and an empty list as an empty field.
func appendList(b []byte, tag byte, list []string) []byte {
	if list == nil {
		return b
	}
	size := 0
	for _, s := range list {
		size += uvarintLen(len(s)) + len(s)
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(size))
	for _, s := range list {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

func uvarintLen(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

const timeSize = 12 // seconds since 1970, nanoseconds; big endian

func appendTime(b []byte, tag byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, tag, timeSize)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

var errRecord = errors.New("tokenstore: not a stored grant")

// UnmarshalBinary reads what [Grant.MarshalBinary] wrote and replaces *g with
// it, Version empty, times in UTC. It refuses anything else, with an error that
// repeats nothing of the data, and then leaves *g alone.
func (g *Grant) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != recordFormat {
		return fmt.Errorf("%w: unknown format", errRecord)
	}
	var read Grant
	last := uint64(0)
	for rest := data[1:]; len(rest) > 0; {
		tag, value, after, ok := cutField(rest)
		if !ok || tag <= last {
			return fmt.Errorf("%w: malformed", errRecord)
		}
		if !read.setField(tag, value) {
			return fmt.Errorf("%w: field %d", errRecord, tag)
		}
		if tag > lastTag {
			read.unknown += string(rest[:len(rest)-len(after)])
		}
		last, rest = tag, after
	}
	*g = read
	return nil
}

func (g *Grant) setField(tag uint64, value []byte) (ok bool) {
	switch tag {
	case tagRefreshToken:
		return setString(&g.RefreshToken, value)
	case tagScopes:
		return setList(&g.Scopes, value)
	case tagRefreshTokenExpiry:
		return setTime(&g.RefreshTokenExpiry, value)
	case tagAccessToken:
		return setString(&g.AccessToken, value)
	case tagExpiry:
		return setTime(&g.Expiry, value)
	case tagState:
		g.State = NeedsConsent // the one state that is written
		return len(value) == 1 && State(value[0]) == NeedsConsent
	case tagReason:
		return setString(&g.Reason, value)
	case tagCreatedAt:
		return setTime(&g.CreatedAt, value)
	case tagUpdatedAt:
		return setTime(&g.UpdatedAt, value)
	case tagRefreshedAt:
		return setTime(&g.RefreshedAt, value)
	case tagHashes:
		return setList(&g.hashes, value)
	case tagLineage:
		return setString(&g.lineage.id, value)
	case tagSignedIn:
		return setTime(&g.lineage.at, value)
	case tagTold:
		return setFlag(&g.told, value)
	case tagByGoogle:
		return setFlag(&g.lineage.byGoogle, value)
	case tagLost:
		return setList(&g.Lost, value)
	}
	return tag%2 == 1
}

func cutField(b []byte) (tag uint64, value, rest []byte, ok bool) {
	if tag, b, ok = cutUvarint(b); !ok {
		return 0, nil, nil, false
	}
	value, rest, ok = cutValue(b)
	return tag, value, rest, ok
}

func cutValue(b []byte) (value, rest []byte, ok bool) {
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

func setFlag(dst *bool, value []byte) bool {
	*dst = true
	return len(value) == 1 && value[0] == 1
}

func setString(dst *string, value []byte) bool {
	*dst = string(value)
	return len(value) > 0
}

func setList(dst *[]string, value []byte) bool {
	list := []string{}
	for len(value) > 0 {
		s, rest, ok := cutValue(value)
		if !ok {
			return false
		}
		list, value = append(list, string(s)), rest
	}
	*dst = list
	return true
}

func setTime(dst *time.Time, value []byte) bool {
	if len(value) != timeSize {
		return false
	}
	seconds, nanos := binary.BigEndian.Uint64(value), binary.BigEndian.Uint32(value[8:])
	*dst = time.Unix(int64(seconds), int64(nanos)).UTC()
	return nanos < 1e9 && !dst.IsZero()
}
