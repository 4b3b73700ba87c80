package tokenstore_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var fullGrant = tokenstore.Grant{
	RefreshToken:       "1//refresh",
	Scopes:             []string{"email", "openid"},
	RefreshTokenExpiry: time.Unix(1800000000, 5).UTC(),
	AccessToken:        "ya29",
	Expiry:             time.Unix(1790000000, 0).UTC(),
	State:              tokenstore.NeedsConsent,
	Reason:             "invalid_rapt",
	CreatedAt:          time.Unix(1, 0).UTC(),
	UpdatedAt:          time.Unix(-1, 999999999).UTC(),
	RefreshedAt:        time.Unix(math.MaxInt32, 0).UTC(),
}

// fullRecord is fullGrant in format 1. Every later release must read it.
const fullRecord = "01" +
	"020a312f2f72656672657368" +
	"040d05656d61696c066f70656e6964" +
	"060c000000006b49d20000000005" +
	"080479613239" +
	"0a0c000000006ab13b8000000000" +
	"0c0101" +
	"0e0c696e76616c69645f72617074" +
	"100c000000000000000100000000" +
	"120cffffffffffffffff3b9ac9ff" +
	"140c000000007fffffff00000000"

func TestRecordIsPinned(t *testing.T) {
	got, err := fullGrant.MarshalBinary()
	if err != nil || hex.EncodeToString(got) != fullRecord {
		t.Errorf("MarshalBinary = %x, %v\nwant %s", got, err, fullRecord)
	}
}

// The fields that are not in fullRecord.
func TestLastFieldsArePinned(t *testing.T) {
	const pinned = "01" + "020a312f2f72656672657368" + "1f080770726f66696c65" + "20036a6b74"
	want := tokenstore.Grant{RefreshToken: "1//refresh", Lost: []string{"profile"}, KeyThumbprint: "jkt"}
	if got, err := want.MarshalBinary(); err != nil || hex.EncodeToString(got) != pinned {
		t.Errorf("MarshalBinary = %x, %v\nwant %s", got, err, pinned)
	}
	record, err := hex.DecodeString(pinned)
	if err != nil {
		t.Fatal(err)
	}
	var got tokenstore.Grant
	if err := got.UnmarshalBinary(record); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("UnmarshalBinary = %v, %v", got, err)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	local := fullGrant
	local.CreatedAt = local.CreatedAt.In(time.FixedZone("", 3600))
	for name, g := range map[string]tokenstore.Grant{
		"zero":         {},
		"full":         fullGrant,
		"other zone":   local,
		"no scopes":    {Scopes: []string{}},
		"empty scope":  {Scopes: []string{"", "openid", ""}},
		"12 KiB":       {RefreshToken: strings.Repeat("t", 12<<10)},
		"not UTF-8":    {RefreshToken: "\xff\x00", Reason: "\n"},
		"bound":        {RefreshToken: "1//refresh", KeyThumbprint: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		"with version": {RefreshToken: "1//refresh", Version: "v"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := g.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			got := tokenstore.Grant{RefreshToken: "old", Version: "old"}
			if err := got.UnmarshalBinary(b); err != nil {
				t.Fatal(err)
			}
			g.Version, g.CreatedAt = "", g.CreatedAt.UTC()
			if !reflect.DeepEqual(got, g) {
				t.Error("the grant is another one")
			}
		})
	}
	if _, err := (tokenstore.Grant{State: 7}).MarshalBinary(); err == nil {
		t.Error("MarshalBinary stored a state that is none")
	}
}

// Each case is fullRecord with one thing changed.
func TestUnmarshalBinaryRefuses(t *testing.T) {
	for _, c := range []struct{ name, old, new string }{
		{"another format", "01020a", "02020a"},
		{"a tag twice", "0c0101", "0c01010c0101"},
		{"tags out of order", "0c0101", "0c0101020131"},
		{"a tag that must be known", "140c000000007fffffff00000000", "140c000000007fffffff0000000016010a"},
		{"a length beyond the end", "140c000000007fffffff00000000", "140d000000007fffffff00000000"},
		{"a length of 2^63", "140c000000007fffffff00000000", "14ffffffffffffffffff7f"},
		{"a long-winded length", "0c0101", "0c810001"},
		{"cut off", "140c000000007fffffff00000000", "14"},
		{"the zero state", "0c0101", "0c0100"},
		{"an unknown state", "0c0101", "0c0102"},
		{"a state of two bytes", "0c0101", "0c020101"},
		{"an empty string", "080479613239", "0800"},
		{"a list cut off", "040d05656d61696c066f70656e6964", "040d05656d61696c076f70656e6964"},
		{"a short time", "0a0c000000006ab13b8000000000", "0a0b000000006ab13b80000000"},
		{"a billion nanoseconds", "3b9ac9ff", "3b9aca00"},
		{"the zero time", "0a0c000000006ab13b8000000000", "0a0cfffffff1886e090000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(fullRecord, c.old) != 1 {
				t.Fatal("the case does not fit the record")
			}
			b, err := hex.DecodeString(strings.Replace(fullRecord, c.old, c.new, 1))
			if err != nil {
				t.Fatal(err)
			}
			g := tokenstore.Grant{Reason: "untouched"}
			if err := g.UnmarshalBinary(b); err == nil || g.Reason != "untouched" {
				t.Errorf("UnmarshalBinary: %v", err)
			}
		})
	}
	if err := new(tokenstore.Grant).UnmarshalBinary(nil); err == nil {
		t.Error("UnmarshalBinary took nothing")
	}
}

// A later release may add what this one can do without. It is passed on: a Sealed
// of that release has authenticated it.
func TestUnmarshalBinaryPassesOnWhatItMay(t *testing.T) {
	b, _ := hex.DecodeString(fullRecord + "6303abcdef" + "7f0101")
	var g tokenstore.Grant
	if err := g.UnmarshalBinary(b); err != nil || g.RefreshToken != fullGrant.RefreshToken || g.Reason != fullGrant.Reason {
		t.Errorf("UnmarshalBinary: %v", err)
	}
	if again, err := g.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
		t.Errorf("MarshalBinary = %x, %v", again, err)
	}
}

func FuzzUnmarshalBinary(f *testing.F) {
	b, _ := hex.DecodeString(fullRecord)
	f.Add(b)
	f.Add([]byte{1})
	f.Add(append(slices.Clone(b), 0x63, 1, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		var g, again tokenstore.Grant
		if g.UnmarshalBinary(b) != nil {
			return
		}
		out, err := g.MarshalBinary()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if len(out) == len(b) && !bytes.Equal(out, b) {
			t.Errorf("%x has two spellings", b)
		}
		if err := again.UnmarshalBinary(out); err != nil || !reflect.DeepEqual(g, again) {
			t.Errorf("written and read again it is another grant: %v", err)
		}
	})
}

func TestHashes(t *testing.T) {
	const token = "1//0a-refresh-token-of-jane"
	// printf %s "$token" | openssl dgst -sha512 -binary | openssl dgst -sha512 -binary | base64 -w0
	const hash = "OOuQpqYuAFT3HfixMaVbr0QXTCrIgXeiX4+goibSeHAw+hNlqT9eDCJnx4BDQmlG8cvu0xwBrxHTaWbhbyaIhA=="
	const prefix = "PlUnbGGVW/7D1maT/WqB5AqrXM5loC3YYFG8W+GtYUqxXZNbslpf0aOIoluZTVms+Pi5ccyV0RIxWvQ7mJiB8w=="
	if got := tokenstore.TokenHash(token); got != hash {
		t.Errorf("TokenHash = %s", got)
	}
	if got := tokenstore.TokenHash(token[:16]); got != prefix {
		t.Errorf("TokenHash of the prefix = %s", got)
	}
	if got := (tokenstore.Grant{RefreshToken: "short"}).Hashes(); len(got) != 2 || got[0] != got[1] {
		t.Errorf("Hashes of a short token = %q", got)
	}
	if got := (tokenstore.Grant{RefreshToken: token}).Hashes(); !slices.Equal(got, []string{hash, prefix}) {
		t.Errorf("Hashes = %q", got)
	}
	if got := (tokenstore.Grant{}).Hashes(); got != nil {
		t.Errorf("Hashes without a token = %q", got)
	}
}

func TestKeyValidate(t *testing.T) {
	long := strings.Repeat("1", 255)
	for _, c := range []struct {
		name string
		key  tokenstore.Key
		ok   bool
	}{
		{"usual", janeKey, true},
		{"255 bytes", tokenstore.Key{ClientID: long, Subject: long}, true},
		{"hostile", tokenstore.Key{ClientID: "../a'b", Subject: "é\"%_"}, true},
		{"no subject", tokenstore.Key{ClientID: client}, false},
		{"no client", tokenstore.Key{Subject: jane}, false},
		{"256 bytes", tokenstore.Key{ClientID: client, Subject: long + "1"}, false},
		{"control character", tokenstore.Key{ClientID: client, Subject: "a\x00"}, false},
		{"not UTF-8", tokenstore.Key{ClientID: client, Subject: "\xff"}, false},
	} {
		if err := c.key.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: Validate = %v", c.name, err)
		}
	}
}

// A record carries more than its exported fields: what the Manager knows about
// the sign-in and who ended the grant.
func TestRecordKeepsWhatDoesNotShow(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	want := b.kept(t)
	record, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var got tokenstore.Grant
	if err := got.UnmarshalBinary(record); err != nil {
		t.Fatal(err)
	}
	if got.Version = want.Version; !reflect.DeepEqual(got, want) {
		t.Error("the grant is another one")
	}
	for _, odd := range []string{"1b0100", "1b020101", "1900"} {
		field, _ := hex.DecodeString(odd)
		if err := got.UnmarshalBinary(append([]byte{1}, field...)); err == nil {
			t.Errorf("UnmarshalBinary took the field %s", odd)
		}
	}
}
