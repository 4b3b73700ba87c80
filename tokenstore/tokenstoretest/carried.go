package tokenstoretest

import (
	"encoding/binary"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// Fields of the storage form that a Grant has and does not export.
const (
	carriedHashes = 21 // of the token inside a sealed record, each after its length
	carriedOrigin = 23 // names the sign-in that the refresh token comes from
)

// carrying returns g as it is read with one more field in its storage form.
func carrying(t *testing.T, g tokenstore.Grant, field byte, value []byte) tokenstore.Grant {
	t.Helper()
	b := binary.AppendUvarint(append(record(t, g), field), uint64(len(value)))
	b = append(b, value...)
	if err := g.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return g
}

// sealedGrant is one as a Sealed store passes it on: what is in its RefreshToken
// is not the token whose hashes it has.
func sealedGrant(t *testing.T, refreshToken string) tokenstore.Grant {
	t.Helper()
	var hashes []byte
	for _, hash := range grant(refreshToken).Hashes() {
		hashes = append(hashes, byte(len(hash)))
		hashes = append(hashes, hash...)
	}
	return carrying(t, grant("an envelope"), carriedHashes, hashes)
}

var carriedCases = []testCase{
	{"ValueNotExported", func(t *testing.T, s tokenstore.Store) {
		g := carrying(t, grant("1//jane"), carriedOrigin, []byte("a sign-in"))
		kept := save(t, s, jane, g)
		wantKept(t, s, jane, kept)
		kept = save(t, s, jane, kept)
		wantKept(t, s, jane, kept)
	}},
}
