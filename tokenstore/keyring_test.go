package tokenstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

func TestNewKeyring(t *testing.T) {
	good := bytes.Repeat([]byte{1}, 32)
	for name, keys := range map[string][][]byte{
		"none":          {nil},
		"31 bytes":      {good[:31]},
		"33 bytes":      {good, append(good, 1)},
		"zeros":         {make([]byte, 32)},
		"zeros, as old": {good, make([]byte, 32)},
		"empty, as old": {good, {}},
	} {
		if _, err := tokenstore.NewKeyring(keys[0], keys[1:]...); err == nil {
			t.Errorf("%s: NewKeyring takes them", name)
		}
	}
}

func TestKeyringKeys(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, 32)
	k, err := tokenstore.NewKeyring(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret) // the keyring has its own copy
	sealed := seal(t, k, "text")
	for name, other := range map[string]*tokenstore.Keyring{"same": ring(t, 1), "as old": ring(t, 2, 3, 1)} {
		if got, err := other.Open(t.Context(), sealed, []byte("bound")); err != nil || string(got) != "text" {
			t.Errorf("%s: Open = %q, %v", name, got, err)
		}
	}
	if _, err := ring(t, 2, 3).Open(t.Context(), sealed, []byte("bound")); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("without the key: Open: %v", err)
	}
	if !ring(t, 1, 2).UnderPrimary(sealed) || ring(t, 2, 1).UnderPrimary(sealed) || ring(t, 1).UnderPrimary(nil) || new(tokenstore.Keyring).UnderPrimary(sealed) {
		t.Error("UnderPrimary is wrong")
	}
}

func seal(t testing.TB, s tokenstore.Sealer, plaintext string) []byte {
	t.Helper()
	sealed, err := s.Seal(t.Context(), []byte(plaintext), []byte("bound"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// Each process derives a data key of its own, and seals each record with a nonce
// of its own.
func TestSealersAreRandom(t *testing.T) {
	const saltAt, saltSize, nonceSize = 3 + 8, 32, 12
	const nonceAt = saltAt + saltSize
	one, other := ring(t, 1), ring(t, 1)
	first, second, theirs := seal(t, one, "text"), seal(t, one, "text"), seal(t, other, "text")
	if !bytes.Equal(first[:nonceAt], second[:nonceAt]) {
		t.Error("one process has used two data keys")
	}
	if !bytes.Equal(first[:saltAt], theirs[:saltAt]) || bytes.Equal(first[saltAt:nonceAt], theirs[saltAt:nonceAt]) {
		t.Error("two processes have used the same data key, or different primary keys")
	}
	for name, b := range map[string][]byte{"salt": first[saltAt:nonceAt], "nonce": first[nonceAt:][:nonceSize], "nonce of the second": second[nonceAt:][:nonceSize]} {
		if len(bytes.Trim(b, "\x00")) == 0 {
			t.Errorf("the %s is all zeros", name)
		}
	}
	if bytes.Equal(first[nonceAt:][:nonceSize], second[nonceAt:][:nonceSize]) {
		t.Error("two records have the same nonce")
	}
}

func FuzzKeyringOpen(f *testing.F) {
	k := ring(f, 1)
	sealed := seal(f, k, "text")
	f.Add(sealed)
	f.Add(sealed[:43])
	f.Add([]byte{1})
	f.Add([]byte{2, 0, 1, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := k.Open(t.Context(), b, []byte("bound")); err == nil && !bytes.Equal(b, sealed) {
			t.Errorf("%x opened", b)
		} else if err != nil && !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("Open: %v", err)
		}
	})
}

// The recipe of NewKeyring, one replica at a time, with users who sign in and
// are called for at every replica between any two steps.
func TestChangingTheKey(t *testing.T) {
	const oldKey, newKey = 1, 2
	rows, google := &hooked{Store: new(tokenstore.Memory)}, newGoogle()
	var stores [2]*tokenstore.Sealed
	var replicas [2]*bench
	deploy := func(replica int, keys ...byte) {
		stores[replica] = &tokenstore.Sealed{Store: rows.Store, Sealer: ring(t, keys...)}
		replicas[replica] = join(t, google, rows, func(c *tokenstore.Config) { c.Store = stores[replica] })
	}
	var users []string
	use := func(when string) {
		t.Helper()
		for at, b := range replicas {
			user := fmt.Sprintf("%s-at-%d", when, at)
			users = append(users, user)
			noAccess := &oauth2.Token{RefreshToken: google.consent("openid").RefreshToken}
			if _, err := b.SignIn(t.Context(), user, noAccess); err != nil {
				t.Errorf("%s, replica %d: %v", when, at, err)
			}
		}
		for at, b := range replicas {
			for _, user := range users {
				b.Invalidate(user, "")
				if _, err := b.Token(t.Context(), user); err != nil {
					t.Errorf("%s, replica %d: %v", when, at, err)
				}
				if _, err := b.SignIn(t.Context(), user, google.again("openid")); err != nil {
					t.Errorf("%s, replica %d: %v", when, at, err)
				}
			}
		}
	}
	roll := func(step string, keys ...byte) {
		t.Helper()
		for at := range replicas {
			deploy(at, keys...)
			use(fmt.Sprint(step, at))
		}
	}

	deploy(0, oldKey)
	deploy(1, oldKey)
	use("before")
	roll("first", oldKey, newKey)
	roll("second", newKey, oldKey)
	if n, err := stores[0].Reseal(t.Context(), tokenstore.Key{}, nil); err != nil || n == 0 {
		t.Errorf("Reseal = %d, %v", n, err)
	}
	use("resealed")
	roll("third", newKey)
}
