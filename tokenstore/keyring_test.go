package tokenstore_test

import (
	"fmt"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

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
