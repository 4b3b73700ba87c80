package tokenstore_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// What this release writes, byte for byte. Every later one must read it; the
// record itself is pinned beside its own tests.

var pinnedGrant = tokenstore.Grant{
	RefreshToken: "1//refresh-of-jane",
	AccessToken:  "ya29.access",
	Expiry:       time.Unix(1800000000, 0).UTC(),
	Scopes:       []string{"openid"},
	CreatedAt:    time.Unix(1790000000, 0).UTC(),
}

// pinnedSealed is pinnedGrant as a Sealed passes it on for janeKey, under a key
// of the bytes 0 to 31.
const pinnedSealed = "\x01" +
	"\x02\x89\x01$sealed$1$Afjo58OFJVZLdP37vJha7JGOR+JUm/eJbHlXVUwEsD45iRVOKI/1VLNWGA4PvGasuMei" +
	"xsB0XmQnX5VsvQ4mkEhdsZEpqz5lSpJEaF8xYHTZE0HU9dlkRvbMIqOvR4c" +
	"\x04\x07\x06openid" +
	"\x0a\x0c\x00\x00\x00\x00\x6b\x49\xd2\x00\x00\x00\x00\x00" +
	"\x10\x0c\x00\x00\x00\x00\x6a\xb1\x3b\x80\x00\x00\x00\x00" +
	"\x15\xb2\x01" +
	"\x58Dod1fftOfmRQjEL5Q5RTkebQHZ6ArJJgDhKuKs5kN4bb10eJSGTgP2AYCVKOAzHEz35d07eFVbGK40LhpzVegA==" +
	"\x58/PrsGCiZ8uCCL88CYRs1e0piLHUfX8/DyGLtvcLlXQL0MvjkqUjcOi6vAPDlLWIgb7AXhNE2hr7xeEzTrU+F0g=="

func TestSealedRecordIsPinned(t *testing.T) {
	var secret [32]byte
	for i := range secret {
		secret[i] = byte(i)
	}
	keys, err := tokenstore.NewKeyring(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	var raw tokenstore.Grant
	if err := raw.UnmarshalBinary([]byte(pinnedSealed)); err != nil {
		t.Fatal(err)
	}
	rows := new(tokenstore.Memory)
	save(t, rows, janeKey, raw)
	got := load(t, &tokenstore.Sealed{Store: rows, Sealer: keys}, janeKey)
	if got.Version = ""; bytesOf(t, got) != bytesOf(t, pinnedGrant) {
		t.Errorf("Load = %v", got)
	}
	if want := pinnedGrant.Hashes(); !slices.Equal(raw.Hashes(), want) {
		t.Errorf("Hashes = %q, want %q", raw.Hashes(), want)
	}
	// The other tests spell out what a record is bound to.
	envelope, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(raw.RefreshToken, "$sealed$1$"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(t.Context(), envelope, associated(janeKey)); err != nil {
		t.Errorf("Open: %v", err)
	}
}
