package tokenstore_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// Log searches and alerts have these messages in them, so none is renamed or removed.
func TestEventsArePinned(t *testing.T) {
	want := []string{"disconnected", "imported", "lease_failed", "narrowed", "not_revoked", "refresh_failed",
		"refresh_not_noted", "refreshed", "refused", "replayed", "revoked", "rotated", "signed_in", "unsaved"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var logged, documented []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, match := range regexp.MustCompile(`"tokenstore\.(\w+)"`).FindAllSubmatch(source, -1) {
			logged = append(logged, string(match[1]))
		}
		for _, match := range regexp.MustCompile(`(?m)^\t//\ttokenstore\.(\w+) +(?:debug|info|warn|error)\b`).FindAllSubmatch(source, -1) {
			documented = append(documented, string(match[1]))
		}
	}
	for what, got := range map[string][]string{"logged": logged, "documented": documented} {
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s are %q, want %q", what, got, want)
		}
	}
}
