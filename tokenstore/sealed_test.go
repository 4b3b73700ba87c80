package tokenstore_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func ring(t testing.TB, keys ...byte) *tokenstore.Keyring {
	t.Helper()
	var secrets [][]byte
	for _, k := range keys {
		secrets = append(secrets, bytes.Repeat([]byte{k}, 32))
	}
	k, err := tokenstore.NewKeyring(secrets[0], secrets[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealed(t *testing.T) {
	t.Parallel()
	tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
		return &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: ring(t, 1)}
	})
}

func save(t testing.TB, s tokenstore.Store, key tokenstore.Key, g tokenstore.Grant) string {
	t.Helper()
	version, err := s.Save(context.Background(), key, g)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func load(t testing.TB, s tokenstore.Store, key tokenstore.Key) tokenstore.Grant {
	t.Helper()
	g, err := s.Load(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSealedHidesTheTokens(t *testing.T) {
	inner := new(tokenstore.Memory)
	s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}
	g := fullGrant
	g.Version = save(t, s, janeKey, fullGrant)
	raw := load(t, inner, janeKey)
	stored, err := raw.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(stored), g.RefreshToken) || strings.Contains(string(stored), g.AccessToken) || raw.AccessToken != "" {
		t.Error("a token is in the record")
	}
	if raw.State != g.State || !slices.Equal(raw.Scopes, g.Scopes) || !raw.RefreshedAt.Equal(g.RefreshedAt) {
		t.Errorf("the rest is not: %v", raw)
	}
	if got := load(t, s, janeKey); bytesOf(t, got) != bytesOf(t, g) {
		t.Errorf("Load = %v", got)
	}
	// A store that keeps the bytes indexes the same as one that keeps the grant.
	var back tokenstore.Grant
	if err := back.UnmarshalBinary(stored); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []tokenstore.Grant{raw, back} {
		if got := kept.Hashes(); !slices.Equal(got, g.Hashes()) {
			t.Errorf("Hashes = %q", got)
		}
	}
	var found []tokenstore.Key
	for key, err := range s.Find(t.Context(), tokenstore.PrefixHash(g.RefreshToken)) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, key)
	}
	if !slices.Equal(found, []tokenstore.Key{janeKey}) {
		t.Errorf("Find = %v", found)
	}

	g.Version = ""
	save(t, s, johnKey, g)
	if load(t, inner, johnKey).RefreshToken == raw.RefreshToken {
		t.Error("the same tokens are sealed to the same envelope")
	}

}

// Each case is a good record with one thing changed. None opens, none is lost.
func TestSealedRefuses(t *testing.T) {
	flip := func(at int) func(*testing.T, tokenstore.Grant) tokenstore.Grant {
		return func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			return changeEnvelope(t, g, func(b []byte) []byte {
				b[(at+len(b))%len(b)] ^= 1
				return b
			})
		}
	}
	type change = func(*testing.T, tokenstore.Grant) tokenstore.Grant
	cases := map[string]change{
		"its format":  flip(0),
		"its key":     flip(1),
		"its salt":    flip(9),
		"its nonce":   flip(33),
		"its content": flip(46),
		"its tag":     flip(-1),
		"cut off": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			return changeEnvelope(t, g, func(b []byte) []byte { return b[:len(b)-1] })
		},
		"cut to the header": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			return changeEnvelope(t, g, func(b []byte) []byte { return b[:45] })
		},
		"cut to nothing": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			return changeEnvelope(t, g, func(b []byte) []byte { return nil })
		},
		"another encoding": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			g.RefreshToken += "="
			return g
		},
		"plaintext": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			g.RefreshToken = "1//planted"
			return g
		},
		"empty": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			g.RefreshToken = ""
			return g
		},
		"sealed for another client": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			return sealedFor(t, tokenstore.Key{ClientID: "other", Subject: jane})
		},
		"sealed for another user": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			return sealedFor(t, johnKey)
		},
		"sealed for a key spelled alike": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			return sealedFor(t, tokenstore.Key{ClientID: client + jane[:1], Subject: jane[1:]})
		},
		"something else in it": func(t *testing.T, g tokenstore.Grant) tokenstore.Grant {
			b, err := ring(t, 1).Seal(t.Context(), []byte("something else"), associated(janeKey))
			if err != nil {
				t.Fatal(err)
			}
			g.RefreshToken = "$sealed$1$" + base64.RawStdEncoding.EncodeToString(b)
			return g
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			inner := new(tokenstore.Memory)
			s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}
			save(t, s, janeKey, tokenstore.Grant{RefreshToken: "1//refresh", AccessToken: "ya29", Scopes: []string{"openid"}})
			raw := load(t, inner, janeKey)
			version := raw.Version
			raw = change(t, raw)
			raw.Version = version
			raw.Version = save(t, inner, janeKey, raw)

			g, err := s.Load(t.Context(), janeKey)
			if !errors.Is(err, tokenstore.ErrSealed) || g.RefreshToken != "" || g.AccessToken != "" || g.Version != raw.Version {
				t.Errorf("Load = %v with version %q, %v", g, g.Version, err)
			}
			if bytesOf(t, load(t, inner, janeKey)) != bytesOf(t, raw) {
				t.Error("the record was changed")
			}
		})
	}
}

// associated is what a record is bound to, written out;
// TestSealedRecordIsPinned holds it to that.
func associated(key tokenstore.Key) []byte {
	b := []byte("\x12tokenstore grant 1")
	b = append(append(b, byte(len(key.ClientID))), key.ClientID...)
	return append(append(b, byte(len(key.Subject))), key.Subject...)
}

func sealedFor(t *testing.T, key tokenstore.Key) tokenstore.Grant {
	inner := new(tokenstore.Memory)
	save(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}, key, tokenstore.Grant{RefreshToken: "1//theirs"})
	return load(t, inner, key)
}

func changeEnvelope(t *testing.T, g tokenstore.Grant, change func([]byte) []byte) tokenstore.Grant {
	text, ok := strings.CutPrefix(g.RefreshToken, "$sealed$1$")
	if !ok {
		t.Fatal("not sealed")
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	g.RefreshToken = "$sealed$1$" + base64.RawStdEncoding.EncodeToString(change(b))
	return g
}

// A Manager does not lose what it cannot read, and gets over it.
func TestManagerOverASealedRecord(t *testing.T) {
	memory := new(tokenstore.Memory)
	store := func(key byte) func(*tokenstore.Config) {
		return func(c *tokenstore.Config) {
			c.Store = &tokenstore.Sealed{Store: memory, Sealer: ring(t, key)}
		}
	}
	before := newBench(t, store(1))
	first := before.signIn(t, before.google.consent("openid"))
	raw := bytesOf(t, load(t, memory, janeKey))

	b := newBench(t, store(2)) // with another key
	b.google = before.google
	if _, err := b.SignIn(t.Context(), jane, b.google.again("openid")); !errors.Is(err, tokenstore.ErrSealed) || errors.Is(err, tokenstore.ErrNeedsConsent) {
		t.Errorf("SignIn without a refresh token: %v", err)
	}
	if _, err := b.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Token: %v", err)
	}
	if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Revoked: %v", err)
	}
	if err := b.Disconnect(t.Context(), jane); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Disconnect: %v", err)
	}
	if bytesOf(t, load(t, memory, janeKey)) != raw {
		t.Error("the record was changed")
	}
	tok := b.google.consent("openid")
	got := b.signIn(t, tok)
	if got.RefreshToken != tok.RefreshToken || !got.CreatedAt.Equal(first.CreatedAt) || b.token(t) != tok.AccessToken {
		t.Errorf("SignIn = %v", got)
	}
}

func TestKeyringKeys(t *testing.T) {
	if _, err := tokenstore.NewKeyring(make([]byte, 31)); err == nil {
		t.Error("NewKeyring took 31 bytes")
	}
	if _, err := tokenstore.NewKeyring(make([]byte, 32), make([]byte, 33)); err == nil {
		t.Error("NewKeyring took 33 bytes")
	}
	secret := bytes.Repeat([]byte{1}, 32)
	k, err := tokenstore.NewKeyring(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret) // the keyring has its own copy
	sealed, err := k.Seal(t.Context(), []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*tokenstore.Keyring{"same": ring(t, 1), "as old": ring(t, 2, 3, 1)} {
		if got, err := other.Open(t.Context(), sealed, nil); err != nil || string(got) != "text" {
			t.Errorf("%s: Open = %q, %v", name, got, err)
		}
	}
	if _, err := ring(t, 2, 3).Open(t.Context(), sealed, nil); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("without the key: Open: %v", err)
	}
	if !ring(t, 1, 2).UnderPrimary(sealed) || ring(t, 2, 1).UnderPrimary(sealed) || ring(t, 1).UnderPrimary(nil) {
		t.Error("UnderPrimary is wrong")
	}
}

// pinnedEnvelope is "text", bound to "bound", as this release seals it. Every
// later one must open it.
func pinnedEnvelope(t testing.TB) []byte {
	b, err := base64.RawStdEncoding.DecodeString("AVbG8mGTcOWpmK6rGLlwum+8My1SrGvJWwjUaYLS0Ly2wNb1S9oC8/UriiPFkDuDTdPtk6/0DrFtWvz1ptFfWOM")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeyringEnvelopeIsPinned(t *testing.T) {
	if got, err := ring(t, 1).Open(t.Context(), pinnedEnvelope(t), []byte("bound")); err != nil || string(got) != "text" {
		t.Errorf("Open = %q, %v", got, err)
	}
}

func FuzzKeyringOpen(f *testing.F) {
	k, sealed := ring(f, 1), pinnedEnvelope(f)
	f.Add(sealed)
	f.Add(sealed[:45])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := k.Open(t.Context(), b, []byte("bound")); err == nil && !bytes.Equal(b, sealed) {
			t.Errorf("%x opened", b)
		} else if err != nil && !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("Open: %v", err)
		}
	})
}

// kms is a Sealer that is no Keyring, like one around a cloud KMS.
type kms struct {
	down bool
	key  tokenstore.Sealer
}

func (k *kms) Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	if k.down {
		return nil, errDown
	}
	return k.key.Seal(ctx, plaintext, associated)
}

func (k *kms) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	if k.down {
		return nil, errDown
	}
	return k.key.Open(ctx, sealed, associated)
}

func TestSealedWithoutItsSealer(t *testing.T) {
	inner := new(tokenstore.Memory)
	k := &kms{key: ring(t, 1)}
	s := &tokenstore.Sealed{Store: inner, Sealer: k}
	save(t, s, janeKey, tokenstore.Grant{RefreshToken: "1//refresh"})
	raw := bytesOf(t, load(t, inner, janeKey))
	k.down = true
	g, err := s.Load(t.Context(), janeKey)
	if !errors.Is(err, tokenstore.ErrSealed) || !errors.Is(err, errDown) {
		t.Errorf("Load: %v", err)
	}
	if _, err := s.Save(t.Context(), janeKey, g); !errors.Is(err, errDown) {
		t.Errorf("Save: %v", err)
	}
	if bytesOf(t, load(t, inner, janeKey)) != raw {
		t.Error("the record was changed")
	}
}

func fill(t testing.TB, s tokenstore.Store, n int) []tokenstore.Key {
	var keys []tokenstore.Key
	for i := range n {
		key := tokenstore.Key{ClientID: client, Subject: fmt.Sprintf("%05d", i)}
		save(t, s, key, tokenstore.Grant{RefreshToken: "1//refresh-of-" + key.Subject, Scopes: []string{"openid"}})
		keys = append(keys, key)
	}
	return keys
}

func TestReseal(t *testing.T) {
	inner := new(tokenstore.Memory)
	keys := fill(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}, 10)
	s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 2, 1)}

	// It stops, and goes on from where it was.
	ctx, cancel := context.WithCancel(t.Context())
	var done []tokenstore.Key
	n, err := s.Reseal(ctx, tokenstore.Key{}, func(key tokenstore.Key) {
		if done = append(done, key); len(done) == 4 {
			cancel()
		}
	})
	if n != 4 || !errors.Is(err, context.Canceled) {
		t.Errorf("Reseal = %d, %v", n, err)
	}
	n, err = s.Reseal(t.Context(), done[3], func(key tokenstore.Key) { done = append(done, key) })
	if n != 6 || err != nil || !slices.Equal(done, keys) {
		t.Errorf("Reseal = %d, %v; done %v", n, err, done)
	}
	if n, err = s.Reseal(t.Context(), tokenstore.Key{}, nil); n != 0 || err != nil {
		t.Errorf("Reseal again = %d, %v", n, err)
	}
	for _, key := range keys { // the old key is not needed any more
		got := load(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 2)}, key)
		if got.RefreshToken != "1//refresh-of-"+key.Subject {
			t.Errorf("%v: %v", key, got)
		}
	}
}

func TestResealPassesOverWhatDoesNotOpen(t *testing.T) {
	inner := new(tokenstore.Memory)
	keys := fill(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}, 3)
	foreign := tokenstore.Key{ClientID: client, Subject: "00001x"}
	save(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 9)}, foreign, tokenstore.Grant{RefreshToken: "1//r"})
	raw := bytesOf(t, load(t, inner, foreign))
	s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 2, 1)}
	n, err := s.Reseal(t.Context(), tokenstore.Key{}, nil)
	if n != len(keys) || !errors.Is(err, tokenstore.ErrSealed) || !strings.Contains(err.Error(), foreign.Subject) {
		t.Errorf("Reseal = %d, %v", n, err)
	}
	if bytesOf(t, load(t, inner, foreign)) != raw {
		t.Error("the record was changed")
	}
}

// A KMS that goes away in the middle says nothing about the records.
func TestResealStopsWithItsSealer(t *testing.T) {
	inner := new(tokenstore.Memory)
	k := &kms{key: ring(t, 2, 1)}
	s := &tokenstore.Sealed{Store: inner, Sealer: k}
	keys := fill(t, s, 10)
	foreign := tokenstore.Key{ClientID: client, Subject: "00001x"}
	save(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 9)}, foreign, tokenstore.Grant{RefreshToken: "1//r"})

	var done []tokenstore.Key
	n, err := s.Reseal(t.Context(), tokenstore.Key{}, func(key tokenstore.Key) {
		done = append(done, key)
		k.down = len(done) == 5
	})
	if n != 4 || len(done) != 5 || !errors.Is(err, errDown) || errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Reseal = %d, %v; told %d; want 4, what the Sealer says and not that the rest is ErrSealed, 5", n, err, len(done))
	}
	k.down = false
	n, err = s.Reseal(t.Context(), done[len(done)-1], nil)
	if n != len(keys)-4 || err != nil {
		t.Errorf("Reseal, gone on = %d, %v; want %d", n, err, len(keys)-4)
	}
}

func TestResealAgainstAConflict(t *testing.T) {
	memory := new(tokenstore.Memory)
	key := fill(t, &tokenstore.Sealed{Store: memory, Sealer: ring(t, 1)}, 1)[0]
	h := &hooked{Store: memory}
	h.beforeSave = func(tokenstore.Grant) error {
		h.beforeSave = nil
		other := &tokenstore.Sealed{Store: memory, Sealer: ring(t, 1)}
		g := load(t, other, key)
		g.RefreshToken = "1//newer"
		save(t, other, key, g)
		return nil
	}
	s := &tokenstore.Sealed{Store: listed{h, memory}, Sealer: ring(t, 2, 1)}
	if n, err := s.Reseal(t.Context(), tokenstore.Key{}, nil); n != 1 || err != nil {
		t.Errorf("Reseal = %d, %v", n, err)
	}
	if got := load(t, &tokenstore.Sealed{Store: memory, Sealer: ring(t, 2)}, key); got.RefreshToken != "1//newer" {
		t.Errorf("kept %v", got)
	}
}

type listed struct {
	tokenstore.Store
	tokenstore.Lister
}

func TestAdoptPlaintext(t *testing.T) {
	inner := new(tokenstore.Memory)
	keys := fill(t, inner, 3)
	s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}
	if _, err := s.Load(t.Context(), keys[0]); !errors.Is(err, tokenstore.ErrSealed) {
		t.Errorf("Load: %v", err)
	}
	s.AdoptPlaintext = true
	g := load(t, s, keys[0])
	if g.RefreshToken != "1//refresh-of-"+keys[0].Subject {
		t.Errorf("Load = %v", g)
	}
	save(t, s, keys[0], g)
	if n, err := s.Reseal(t.Context(), tokenstore.Key{}, nil); n != 2 || err != nil {
		t.Errorf("Reseal = %d, %v", n, err)
	}
	s.AdoptPlaintext = false
	for _, key := range keys {
		if got := load(t, s, key); got.RefreshToken != "1//refresh-of-"+key.Subject {
			t.Errorf("Load = %v", got)
		}
	}
}

// A store without the optional interfaces says so through the wrapper.
func TestSealedOverABareStore(t *testing.T) {
	s := &tokenstore.Sealed{Store: &hooked{Store: new(tokenstore.Memory)}, Sealer: ring(t, 1)}
	for name, seq := range map[string]iter.Seq2[tokenstore.Key, error]{
		"Keys": s.Keys(t.Context(), tokenstore.Key{}),
		"Find": s.Find(t.Context(), "hash"),
	} {
		n := 0
		for _, err := range seq {
			if n++; !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s yielded %d times", name, n)
		}
	}
	if _, ok, err := s.Lease(t.Context(), janeKey, "test", time.Second); ok || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Lease = %v, %v", ok, err)
	}
	if _, err := s.Reseal(t.Context(), tokenstore.Key{}, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Reseal: %v", err)
	}
}

// A Manager that was given the store inside a Sealed by mistake sends no
// envelope to Google, and leaves what is kept alone.
func TestManagerWithoutItsSealed(t *testing.T) {
	ring, err := tokenstore.NewKeyring(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	good := join(t, b.google, &hooked{Store: &tokenstore.Sealed{Store: b.store.Store, Sealer: ring}})
	good.signIn(t, b.google.consent("openid"))
	before := bytesOf(t, b.kept(t))
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Token":      func() error { _, err := b.Token(ctx, jane); return err },
		"Grant":      func() error { _, err := b.Grant(ctx, jane); return err },
		"SignIn":     func() error { _, err := b.SignIn(ctx, jane, b.google.again("openid")); return err },
		"Revoked":    func() error { return b.MarkRevoked(ctx, jane, "", time.Time{}) },
		"Disconnect": func() error { return b.Disconnect(ctx, jane) },
	} {
		if err := call(); !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("%s: %v, want ErrSealed", name, err)
		}
	}
	if b.google.calls() != 0 || len(b.google.revoked) != 0 || bytesOf(t, b.kept(t)) != before {
		t.Errorf("Google was asked with %q and told to revoke %q; kept %v", b.google.asked, b.google.revoked, b.kept(t))
	}
}

// A key may stand on the ring twice.
func TestResealWithThePrimaryAmongTheOld(t *testing.T) {
	memory := new(tokenstore.Memory)
	s := &tokenstore.Sealed{Store: memory, Sealer: ring(t, 2, 1, 2)}
	save(t, s, janeKey, tokenstore.Grant{RefreshToken: "1//x"})
	if n, err := s.Reseal(t.Context(), tokenstore.Key{}, nil); n != 0 || err != nil {
		t.Errorf("Reseal = %d, %v; it is under the primary key", n, err)
	}
}

func TestSealedWithoutKeys(t *testing.T) {
	for name, sealer := range map[string]tokenstore.Sealer{"no Sealer": nil, "zero Keyring": new(tokenstore.Keyring)} {
		t.Run(name, func(t *testing.T) {
			memory := new(tokenstore.Memory)
			s := &tokenstore.Sealed{Store: memory, Sealer: sealer}
			if _, err := s.Save(t.Context(), janeKey, tokenstore.Grant{RefreshToken: "1//x"}); err == nil {
				t.Error("Save succeeded")
			}
			save(t, &tokenstore.Sealed{Store: memory, Sealer: ring(t, 1)}, janeKey, tokenstore.Grant{RefreshToken: "1//x"})
			if _, err := s.Load(t.Context(), janeKey); !errors.Is(err, tokenstore.ErrSealed) {
				t.Errorf("Load: %v", err)
			}
		})
	}
}
