package tokenstore

import (
	"bytes"
	"testing"
)

// What the buffers of a Sealed had in them is gone when they are given back.
func TestBuffersAreWiped(t *testing.T) {
	keyring, err := NewKeyring(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	s := &Sealed{Store: new(Memory), Sealer: keyring}
	key := Key{ClientID: "client", Subject: "jane"}
	g := Grant{RefreshToken: "1//refresh"}
	for range 20 {
		if g.Version, err = s.Save(t.Context(), key, g); err != nil {
			t.Fatal(err)
		}
		b := s.borrow()
		if *b != (buffer{}) {
			t.Fatalf("a buffer has %q in it", bytes.Trim(b[:], "\x00"))
		}
		s.giveBack(b)
	}
}
