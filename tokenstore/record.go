package tokenstore

import (
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/tlv"
)

// recordFormat is the first byte of the storage form. The fields follow; new ones
// come last, with odd tags if older releases may ignore them: see package tlv.
const recordFormat = 1

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
	if g.State != Active && g.State != NeedsConsent {
		return nil, fmt.Errorf("tokenstore: a grant in %s cannot be stored", g.State)
	}
	b = append(b, recordFormat)
	b = tlv.AppendString(b, 2, g.RefreshToken)
	b = tlv.AppendList(b, 4, g.Scopes)
	b = tlv.AppendTime(b, 6, g.RefreshTokenExpiry)
	b = tlv.AppendString(b, 8, g.AccessToken)
	b = tlv.AppendTime(b, 10, g.Expiry)
	b = tlv.AppendFlag(b, 12, g.State == NeedsConsent)
	b = tlv.AppendString(b, 14, g.Reason)
	b = tlv.AppendTime(b, 16, g.CreatedAt)
	b = tlv.AppendTime(b, 18, g.UpdatedAt)
	b = tlv.AppendTime(b, 20, g.RefreshedAt)
	b = tlv.AppendList(b, 21, g.hashes)
	b = tlv.AppendString(b, 23, g.lineage.id)
	b = tlv.AppendTime(b, 25, g.lineage.at)
	b = tlv.AppendFlag(b, 27, g.told)
	b = tlv.AppendFlag(b, 29, g.lineage.byGoogle)
	b = tlv.AppendList(b, 31, g.Lost)
	return append(b, g.unknown...), nil
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
	var needsConsent bool
	unknown, err := tlv.Read(data[1:], []tlv.Field{
		{Tag: 2, Value: &read.RefreshToken},
		{Tag: 4, Value: &read.Scopes},
		{Tag: 6, Value: &read.RefreshTokenExpiry},
		{Tag: 8, Value: &read.AccessToken},
		{Tag: 10, Value: &read.Expiry},
		{Tag: 12, Value: &needsConsent},
		{Tag: 14, Value: &read.Reason},
		{Tag: 16, Value: &read.CreatedAt},
		{Tag: 18, Value: &read.UpdatedAt},
		{Tag: 20, Value: &read.RefreshedAt},
		{Tag: 21, Value: &read.hashes},
		{Tag: 23, Value: &read.lineage.id},
		{Tag: 25, Value: &read.lineage.at},
		{Tag: 27, Value: &read.told},
		{Tag: 29, Value: &read.lineage.byGoogle},
		{Tag: 31, Value: &read.Lost},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errRecord, err)
	}
	if needsConsent {
		read.State = NeedsConsent
	}
	read.unknown = string(unknown)
	*g = read
	return nil
}
