package tokenstore_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
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

// A Dir's file of pinnedGrant for janeKey, and its name:
//
//	printf '\x27407408718192.apps.googleusercontent.com\x15108365719284610937465' | sha256sum
const (
	pinnedName    = "a/a854c3b9f4929e4c8a8141bda0d99337230261eee4acfe690b169c3627d9d469.grant"
	pinnedVersion = "XB7R65U43UAGHCNFBO37F3AYJU"
	pinnedFile    = "01" +
		"27" + "3430373430383731383139322e617070732e676f6f676c6575736572636f6e74656e742e636f6d" +
		"15" + "313038333635373139323834363130393337343635" +
		"1a" + "58423752363555343355414748434e46424f3337463341594a55" +
		"47" + "01" +
		"0212312f2f726566726573682d6f662d6a616e65" +
		"0407066f70656e6964" +
		"080b796132392e616363657373" +
		"0a0c000000006b49d20000000000" +
		"100c000000006ab13b8000000000"
)

func TestDirFileIsPinned(t *testing.T) {
	path := t.TempDir()
	content, err := hex.DecodeString(pinnedFile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(path, filepath.FromSlash(pinnedName))
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := tokenstore.OpenDir(path)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := load(t, dir, janeKey)
	if got.Version != pinnedVersion {
		t.Errorf("Version = %q", got.Version)
	}
	save(t, dir, janeKey, got) // replaces that file
	if got.Version = ""; bytesOf(t, got) != bytesOf(t, pinnedGrant) {
		t.Errorf("Load = %v", got)
	}
	files, err := filepath.Glob(filepath.Join(path, "*", "*.grant"))
	if err != nil || !slices.Equal(files, []string{file}) {
		t.Errorf("the folder has %q, %v", files, err)
	}
	for key, err := range dir.Keys(t.Context(), tokenstore.Key{}) {
		if err != nil || key != janeKey {
			t.Errorf("Keys: %v, %v", key, err)
		}
	}
}
