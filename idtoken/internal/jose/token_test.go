package jose

import (
	"encoding/base64"
	"testing"
)

// FuzzDecode compares with encoding/base64, which skips line breaks.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "A", "AA", "AB", "AAA", "AAB", "AAAA", "AAAAA", "-_-_", "AAAAAAAAAAAAAAAAAAAAAAAAAAA", "AA==", "A\nAA", "\r\n", "AAAAAAAA\nAAAA", "++//", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := decode(make([]byte, len(s)), s)
		want, stdErr := base64.RawURLEncoding.Strict().DecodeString(s)
		if err == nil && (stdErr != nil || string(got) != string(want) || base64.RawURLEncoding.EncodeToString(got) != s) {
			t.Errorf("%q: got %x; encoding/base64 has %x, %v", s, got, want, stdErr)
		}
		if err != nil && stdErr == nil && base64.RawURLEncoding.EncodeToString(want) == s {
			t.Errorf("%q: refused", s)
		}
	})
}

// TestDecodeAlphabet puts every byte in every place of a segment.
func TestDecodeAlphabet(t *testing.T) {
	const length = 23
	for place := range length {
		for c := range 256 {
			s := []byte("AAAAAAAAAAAAAAAAAAAAAAA")
			s[place] = byte(c)
			got, err := decode(make([]byte, length), string(s))
			want, stdErr := base64.RawURLEncoding.Strict().DecodeString(string(s))
			if lineBreak := c == '\n' || c == '\r'; (err == nil) != (stdErr == nil && !lineBreak) || err == nil && string(got) != string(want) {
				t.Errorf("%q: got %x, %v; encoding/base64 has %x, %v", s, got, err, want, stdErr)
			}
		}
	}
}
