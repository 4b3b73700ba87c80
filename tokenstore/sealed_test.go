package tokenstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"reflect"
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
	for name, newSealer := range sealers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokenstoretest.Run(t, func(t *testing.T) tokenstore.Store {
				return &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: newSealer(t)}
			})
		})
	}
}

var sealers = map[string]func(*testing.T) tokenstore.Sealer{
	"Keyring": func(t *testing.T) tokenstore.Sealer { return ring(t, 1) },
	"Envelope": func(t *testing.T) tokenstore.Sealer {
		envelope, _ := newKeyService().envelope(t)
		return envelope
	},
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
	for key, err := range s.Find(t.Context(), g.Hashes()[1]) {
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
	const headerSize = 3 + 40
	sealedForm := func(change func([]byte) []byte) func(*tokenstore.Grant) {
		return func(g *tokenstore.Grant) {
			form, ok := strings.CutPrefix(g.RefreshToken, "$sealed$")
			if !ok {
				t.Fatal("not sealed")
			}
			g.RefreshToken = "$sealed$" + string(change([]byte(form)))
		}
	}
	flip := func(at int) func(*tokenstore.Grant) {
		return sealedForm(func(b []byte) []byte {
			b[(at+len(b))%len(b)] ^= 1
			return b
		})
	}
	cut := func(size int) func(*tokenstore.Grant) {
		return sealedForm(func(b []byte) []byte { return b[:(size+len(b))%len(b)] })
	}
	theirs := func(key tokenstore.Key) func(*tokenstore.Grant) {
		return func(g *tokenstore.Grant) {
			g.RefreshToken = ""
			inner, version := new(tokenstore.Memory), g.Version
			s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}
			g.RefreshToken, g.Version = "1//theirs", ""
			save(t, s, key, *g)
			*g = load(t, inner, key)
			g.Version = version
		}
	}
	cases := map[string]func(*tokenstore.Grant){
		"its format":                     flip(0),
		"the length of its key":          flip(2),
		"its key":                        flip(3),
		"its salt":                       flip(11),
		"its nonce":                      flip(headerSize),
		"its content":                    flip(headerSize + 12),
		"its tag":                        flip(-1),
		"cut off":                        cut(-1),
		"cut to the nonce":               cut(headerSize + 12),
		"cut to the header":              cut(headerSize),
		"cut in the header":              cut(headerSize - 1),
		"cut to the format":              cut(1),
		"cut to nothing":                 cut(0),
		"longer":                         sealedForm(func(b []byte) []byte { return append(b, 0) }),
		"plaintext":                      func(g *tokenstore.Grant) { g.RefreshToken = "1//planted" },
		"empty":                          func(g *tokenstore.Grant) { g.RefreshToken = "" },
		"sealed for another client":      theirs(tokenstore.Key{ClientID: "other", Subject: jane}),
		"sealed for another user":        theirs(johnKey),
		"sealed for a key spelled alike": theirs(tokenstore.Key{ClientID: client + jane[:1], Subject: jane[1:]}),
		"active again":                   func(g *tokenstore.Grant) { g.State, g.Reason = tokenstore.Active, "" },
		"another reason":                 func(g *tokenstore.Grant) { g.Reason = "revoked" },
		"a scope more":                   func(g *tokenstore.Grant) { g.Scopes = append(g.Scopes, "profile") },
		"a scope less":                   func(g *tokenstore.Grant) { g.Scopes = g.Scopes[:1] },
		"nothing lost":                   func(g *tokenstore.Grant) { g.Lost = nil },
		"a later end":                    func(g *tokenstore.Grant) { g.RefreshTokenExpiry = g.RefreshTokenExpiry.Add(1) },
		"an access token that lives on":  func(g *tokenstore.Grant) { g.Expiry = g.Expiry.Add(time.Hour) },
		"created later":                  func(g *tokenstore.Grant) { g.CreatedAt = g.CreatedAt.Add(time.Hour) },
		"updated later":                  func(g *tokenstore.Grant) { g.UpdatedAt = g.UpdatedAt.Add(time.Hour) },
		"refreshed later":                func(g *tokenstore.Grant) { g.RefreshedAt = g.RefreshedAt.Add(time.Hour) },
	}
	full := everyField(t)
	stored := fields(t, full)
	stored[21] = nil // the hashes, which Sealed adds
	for tag := range stored {
		cases[fmt.Sprintf("without field %d", tag)] = func(g *tokenstore.Grant) { dropField(t, g, tag) }
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			inner := new(tokenstore.Memory)
			s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}
			kept := full
			kept.Version = save(t, s, janeKey, full)
			raw := load(t, inner, janeKey)
			if got := load(t, s, janeKey); bytesOf(t, got) != bytesOf(t, kept) {
				t.Fatalf("Load of the good record = %v", got)
			}
			version := raw.Version
			change(&raw)
			raw.Version = version
			raw.Version = save(t, inner, janeKey, raw)

			g, err := s.Load(t.Context(), janeKey)
			if !errors.Is(err, tokenstore.ErrSealed) {
				t.Errorf("Load: %v", err)
			}
			if want := (tokenstore.Grant{Version: raw.Version, CreatedAt: raw.CreatedAt}); !reflect.DeepEqual(g, want) {
				t.Errorf("Load = %v, want %v", g, want)
			}
			if bytesOf(t, load(t, inner, janeKey)) != bytesOf(t, raw) {
				t.Error("the record was changed")
			}
		})
	}
}

// An access token that was planted beside the sealed ones is not used.
func TestSealedIgnoresAPlantedAccessToken(t *testing.T) {
	inner := new(tokenstore.Memory)
	s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}
	save(t, s, janeKey, tokenstore.Grant{RefreshToken: "1//refresh"})
	raw := load(t, inner, janeKey)
	raw.AccessToken = "ya29.planted"
	save(t, inner, janeKey, raw)
	if g, err := s.Load(t.Context(), janeKey); err == nil && g.AccessToken != "" {
		t.Errorf("Load = %v", g)
	}
}

// everyField returns a grant that has every field of the storage form, those that
// are not exported and one of a later release among them, but for the hashes.
func everyField(t *testing.T) tokenstore.Grant {
	g := fullGrant
	g.Lost = []string{"profile"}
	const lineage, signedIn, told, byGoogle = "\x17\x02id", "\x19\x0c\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", "\x1b\x01\x01", "\x1d\x01\x01"
	const lost, key, later = "\x1f\x08\x07profile", "\x20\x03key", "\x63\x03new"
	record, ok := strings.CutSuffix(bytesOf(t, g), lost)
	if !ok {
		t.Fatalf("%x does not end with the scopes that are lost", record)
	}
	if err := g.UnmarshalBinary([]byte(record + lineage + signedIn + told + byGoogle + lost + key + later)); err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(g)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Version" && name != "hashes" {
			t.Fatalf("everyField lacks %s", name)
		}
	}
	return g
}

// fields returns the fields of the storage form by their tags, but for the tokens.
func fields(t *testing.T, g tokenstore.Grant) map[byte][]byte {
	g.RefreshToken, g.AccessToken, g.Version = "", "", ""
	all := make(map[byte][]byte)
	for b := []byte(bytesOf(t, g))[1:]; len(b) > 0; {
		size, n := binary.Uvarint(b[1:])
		end := 1 + n + int(size)
		all[b[0]], b = b[:end], b[end:]
	}
	return all
}

func dropField(t *testing.T, g *tokenstore.Grant, tag byte) {
	field, ok := fields(t, *g)[tag]
	if !ok {
		t.Fatalf("the sealed record has no field %d", tag)
	}
	g.Version = ""
	if err := g.UnmarshalBinary(bytes.Replace([]byte(bytesOf(t, *g)), field, nil, 1)); err != nil {
		t.Fatal(err)
	}
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
	if _, err := b.Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrSealed) || statusOf(err) != 500 {
		t.Errorf("Token: %v with the status %d, which promises that it passes", err, statusOf(err))
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

// kms is a Sealer of a user's own, like one around a cloud KMS.
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
	wantUnavailable(t, "Load", err)
	_, err = s.Save(t.Context(), janeKey, g)
	wantUnavailable(t, "Save", err)
	if _, err = s.Save(t.Context(), tokenstore.Key{ClientID: client}, g); !errors.Is(err, tokenstore.ErrSubject) {
		t.Errorf("Save without a subject: %v", err)
	}
	if bytesOf(t, load(t, inner, janeKey)) != raw {
		t.Error("the record was changed")
	}
}

// wantUnavailable checks for a failure that says nothing about a record and is
// reported as 503.
func wantUnavailable(t *testing.T, doing string, err error) {
	t.Helper()
	type statusError interface {
		error
		HTTPStatus() int
	}
	status, ok := errors.AsType[statusError](err)
	if !errors.Is(err, errDown) || errors.Is(err, tokenstore.ErrSealed) || !ok || status.HTTPStatus() != 503 {
		t.Errorf("%s: %v, want errDown with the status 503, and not ErrSealed", doing, err)
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

// Under an Envelope, Reseal brings all records under one data key, which the key
// service wraps with its present key.
func TestResealUnderAnEnvelope(t *testing.T) {
	inner, service := new(tokenstore.Memory), newKeyService()
	for i := range 4 { // processes
		e, _ := service.envelope(t)
		key := tokenstore.Key{ClientID: client, Subject: fmt.Sprint(i)}
		save(t, &tokenstore.Sealed{Store: inner, Sealer: e}, key, tokenstore.Grant{RefreshToken: "1//refresh"})
	}
	e, _ := service.envelope(t)
	s := &tokenstore.Sealed{Store: inner, Sealer: e}
	for _, want := range []int{4, 0} {
		if n, err := s.Reseal(t.Context(), tokenstore.Key{}, nil); n != want || err != nil {
			t.Errorf("Reseal = %d, %v, want %d", n, err, want)
		}
	}
	wantCalls(t, service, 5, 4)
	later, _ := service.envelope(t)
	for i := range 4 {
		key := tokenstore.Key{ClientID: client, Subject: fmt.Sprint(i)}
		if g := load(t, &tokenstore.Sealed{Store: inner, Sealer: later}, key); g.RefreshToken != "1//refresh" {
			t.Errorf("Load = %v", g)
		}
	}
	wantCalls(t, service, 5, 5)
}

func TestResealPassesOverWhatDoesNotOpen(t *testing.T) {
	inner := new(tokenstore.Memory)
	keys := fill(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}, 3)
	foreign := tokenstore.Key{ClientID: client, Subject: "00001x"}
	for _, subject := range []string{foreign.Subject, "00001y"} {
		key := tokenstore.Key{ClientID: client, Subject: subject}
		save(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 9)}, key, tokenstore.Grant{RefreshToken: "1//r"})
	}
	raw := bytesOf(t, load(t, inner, foreign))
	s := &tokenstore.Sealed{Store: inner, Sealer: ring(t, 2, 1)}
	n, err := s.Reseal(t.Context(), tokenstore.Key{}, nil)
	if n != len(keys) || !errors.Is(err, tokenstore.ErrSealed) || !strings.HasSuffix(err.Error(), "2 of them, the first that of 00001x") {
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

	h.beforeLoad = func(tokenstore.Key) error { return memory.Delete(t.Context(), key, tokenstore.AnyVersion) }
	if n, err := s.Reseal(t.Context(), tokenstore.Key{}, nil); n != 0 || err != nil {
		t.Errorf("Reseal of a record that is deleted once it is listed = %d, %v", n, err)
	}
}

// The last key that Reseal reports is where the next one goes on: a record that was
// not written, or did not open because the time was up, is not passed over.
func TestResealReportsNoKeyBeforeItIsDone(t *testing.T) {
	inner := new(tokenstore.Memory)
	fill(t, &tokenstore.Sealed{Store: inner, Sealer: ring(t, 1)}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	full := &hooked{Store: inner, beforeSave: func(tokenstore.Grant) error { return errDown }}
	for _, c := range []struct {
		sealed *tokenstore.Sealed
		want   error
	}{
		{&tokenstore.Sealed{Store: listed{full, inner}, Sealer: ring(t, 2, 1)}, errDown},
		{&tokenstore.Sealed{Store: inner, Sealer: opens{ring(t, 1), func() ([]byte, error) {
			cancel()
			return nil, fmt.Errorf("%w: %w", tokenstore.ErrSealed, ctx.Err())
		}}}, context.Canceled},
	} {
		n, err := c.sealed.Reseal(ctx, tokenstore.Key{}, func(key tokenstore.Key) { t.Errorf("%v is done", key) })
		if n != 0 || !errors.Is(err, c.want) {
			t.Errorf("Reseal = %d, %v, want %v", n, err, c.want)
		}
	}
}

// opens is a Sealer with another Open.
type opens struct {
	tokenstore.Sealer
	open func() ([]byte, error)
}

func (o opens) Open(context.Context, []byte, []byte) ([]byte, error) { return o.open() }

// What a Sealer opens may be something else that it has sealed.
func TestSealedOpensOtherContent(t *testing.T) {
	for _, content := range []string{"", "\x05four", "\xff"} {
		s := &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: opens{ring(t, 1), func() ([]byte, error) { return []byte(content), nil }}}
		save(t, s, janeKey, tokenstore.Grant{RefreshToken: "1//refresh"})
		if g, err := s.Load(t.Context(), janeKey); !errors.Is(err, tokenstore.ErrSealed) {
			t.Errorf("%q: Load = %v, %v", content, g, err)
		}
	}
}

type listed struct {
	tokenstore.Store
	tokenstore.Lister
}

// A store with the optional interfaces has them through the wrapper.
func TestSealedPassesOn(t *testing.T) {
	ctx, s := t.Context(), &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: ring(t, 1)}
	keys := fill(t, s, 2)
	var listed []tokenstore.Key
	for key, err := range s.Keys(ctx, keys[0]) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, key)
	}
	if !slices.Equal(listed, keys[1:]) {
		t.Errorf("Keys = %v", listed)
	}
	release, ok, err := s.Lease(ctx, keys[0], "test", time.Hour)
	if !ok || err != nil {
		t.Fatalf("Lease = %v, %v", ok, err)
	}
	if _, ok, err := s.Lease(ctx, keys[0], "test", time.Hour); ok || err != nil {
		t.Errorf("Lease, while it is held = %v, %v", ok, err)
	}
	release()
	if _, ok, err := s.Lease(ctx, keys[0], "test", time.Hour); !ok || err != nil {
		t.Errorf("Lease, once it is released = %v, %v", ok, err)
	}
}

// New refuses what would fail or panic later.
func TestNewChecksSealed(t *testing.T) {
	rows, keyring := new(tokenstore.Memory), ring(t, 1)
	envelope, _ := newKeyService().envelope(t)
	for name, c := range map[string]struct {
		store *tokenstore.Sealed
		wrong string
	}{
		"complete":           {&tokenstore.Sealed{Store: rows, Sealer: keyring}, ""},
		"Envelope":           {&tokenstore.Sealed{Store: rows, Sealer: envelope}, ""},
		"nil":                {nil, "Sealed.Store"},
		"no Store":           {&tokenstore.Sealed{Sealer: keyring}, "Sealed.Store"},
		"no Sealer":          {&tokenstore.Sealed{Store: rows}, "Sealed.Sealer"},
		"nil Keyring":        {&tokenstore.Sealed{Store: rows, Sealer: (*tokenstore.Keyring)(nil)}, "Keyring"},
		"zero Keyring":       {&tokenstore.Sealed{Store: rows, Sealer: new(tokenstore.Keyring)}, "Keyring"},
		"nil Envelope":       {&tokenstore.Sealed{Store: rows, Sealer: (*tokenstore.Envelope)(nil)}, "Envelope"},
		"zero Envelope":      {&tokenstore.Sealed{Store: rows, Sealer: new(tokenstore.Envelope)}, "Envelope"},
		"no Sealer, twofold": {&tokenstore.Sealed{Store: &tokenstore.Sealed{Store: rows}, Sealer: keyring}, "Sealed.Sealer"},
	} {
		_, err := tokenstore.New(tokenstore.Config{ClientID: client, Store: c.store, Refresher: newGoogle()})
		if (err == nil) != (c.wrong == "") || err != nil && !(strings.HasPrefix(err.Error(), "tokenstore: Config.Store: ") && strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: New: %v, want %q", name, err, c.wrong)
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
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	if got, want := b.kept(t).Hashes(), (tokenstore.Grant{RefreshToken: tok.RefreshToken}).Hashes(); !slices.Equal(got, want) {
		t.Errorf("Hashes = %q, want those of the new token, %q", got, want)
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
			if _, err := s.Load(t.Context(), janeKey); err == nil || errors.Is(err, tokenstore.ErrSealed) {
				t.Errorf("Load: %v, want an error that says nothing about the record", err)
			}
		})
	}
}

// A Sealer that works on another record in the middle of each call finds its
// arguments as they were.
func TestSealedCallsShareNoMemory(t *testing.T) {
	sealer := &interrupted{Sealer: ring(t, 1)}
	sealed := &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: sealer}
	key, other := tokenstore.Key{ClientID: client, Subject: jane}, johnKey
	save(t, sealed, other, tokenstore.Grant{RefreshToken: "1//john", Scopes: []string{"openid"}})
	sealer.during = func() {
		g := load(t, sealed, other)
		save(t, sealed, other, g)
	}
	g := tokenstore.Grant{Scopes: []string{"https://www.googleapis.com/auth/drive.appdata"}}
	for i := range 20 {
		g.RefreshToken = fmt.Sprintf("1//jane-%d", i)
		g.Version = save(t, sealed, key, g)
		if got := load(t, sealed, key); got.RefreshToken != g.RefreshToken {
			t.Fatalf("loaded %q, want %q", got.RefreshToken, g.RefreshToken)
		}
	}
}

// A Sealer may append to an argument: what is behind it is not the other one.
func TestSealedArgumentsAreApart(t *testing.T) {
	s := &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: appends{ring(t, 1)}}
	save(t, s, janeKey, tokenstore.Grant{RefreshToken: "1//refresh"})
	if g := load(t, s, janeKey); g.RefreshToken != "1//refresh" {
		t.Errorf("Load = %v", g)
	}
}

type appends struct{ tokenstore.Sealer }

func (a appends) Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	_ = append(plaintext, "more"...)
	return a.Sealer.Seal(ctx, plaintext, associated)
}

func (a appends) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	_ = append(sealed, "more"...)
	return a.Sealer.Open(ctx, sealed, associated)
}

type interrupted struct {
	tokenstore.Sealer
	during func()
	inside bool
}

func (s *interrupted) interrupt() {
	if s.during != nil && !s.inside {
		s.inside = true
		s.during()
		s.inside = false
	}
}

func (s *interrupted) Seal(ctx context.Context, plaintext, associated []byte) ([]byte, error) {
	s.interrupt()
	return s.Sealer.Seal(ctx, plaintext, associated)
}

func (s *interrupted) Open(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	s.interrupt()
	return s.Sealer.Open(ctx, sealed, associated)
}
