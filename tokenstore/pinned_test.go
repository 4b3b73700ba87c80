package tokenstore_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// What this release writes, byte for byte. Every later one must read it; the
// record itself is pinned beside its own tests. testdata/sealed/README.md says from
// when on that holds for sealed records.

var pinnedGrant = tokenstore.Grant{
	RefreshToken: "1//refresh-of-jane",
	AccessToken:  "ya29.access",
	Expiry:       time.Unix(1800000000, 0).UTC(),
	Scopes:       []string{"openid"},
	CreatedAt:    time.Unix(1790000000, 0).UTC(),
}

var update = flag.Bool("update", false, "write the golden files of Sealed anew")

// The golden files are pinnedGrant as a Sealed passes it on for janeKey.
func TestSealedRecordsArePinned(t *testing.T) {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i)
	}
	keyring, err := tokenstore.NewKeyring(secret)
	if err != nil {
		t.Fatal(err)
	}
	envelope, _ := newKeyService().envelope(t)
	for name, sealer := range map[string]tokenstore.Sealer{"keyring": keyring, "envelope": envelope} {
		t.Run(name, func(t *testing.T) {
			rows := new(tokenstore.Memory)
			sealed := &tokenstore.Sealed{Store: rows, Sealer: sealer}
			file := filepath.Join("testdata", "sealed", name+".golden")
			if *update {
				save(t, sealed, janeKey, pinnedGrant)
				record, err := load(t, rows, janeKey).MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, record, 0o600); err != nil {
					t.Fatal(err)
				}
				rows = new(tokenstore.Memory)
				sealed.Store = rows
			}
			record, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var raw tokenstore.Grant
			if err := raw.UnmarshalBinary(record); err != nil {
				t.Fatal(err)
			}
			save(t, rows, janeKey, raw)
			got := load(t, sealed, janeKey)
			if got.Version = ""; bytesOf(t, got) != bytesOf(t, pinnedGrant) {
				t.Errorf("Load = %v", got)
			}
			if want := pinnedGrant.Hashes(); !slices.Equal(raw.Hashes(), want) {
				t.Errorf("Hashes = %q, want %q", raw.Hashes(), want)
			}
			// The form is fixed in size too: nothing was added to what is written now.
			save(t, sealed, johnKey, pinnedGrant)
			if now := load(t, rows, johnKey); len(now.RefreshToken) != len(raw.RefreshToken) {
				t.Errorf("a sealed form has %d bytes, in the golden file %d", len(now.RefreshToken), len(raw.RefreshToken))
			}
		})
	}
}
