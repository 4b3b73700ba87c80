package idtoken_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// keyEntry returns the issuer's key as a JWK, edited.
func keyEntry(edits ...edit) json.RawMessage {
	var set struct{ Keys []struct{ N string } }
	if err := json.Unmarshal(issuer().JWKS(), &set); err != nil {
		panic(err)
	}
	return object([][2]string{
		{"kty", `"RSA"`}, {"use", `"sig"`}, {"alg", `"RS256"`},
		{"kid", `"` + issuer().KeyID() + `"`}, {"n", `"` + set.Keys[0].N + `"`}, {"e", `"AQAB"`},
	}, edits)
}

func jwks(keys ...json.RawMessage) []byte {
	var texts []string
	for _, k := range keys {
		texts = append(texts, string(k))
	}
	return []byte(`{"keys":[` + strings.Join(texts, ",") + `]}`)
}

func TestKeySets(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	modulus := func(n *big.Int) string { return `"` + base64.RawURLEncoding.EncodeToString(n.Bytes()) + `"` }
	huge := new(big.Int).SetBit(big.NewInt(1), 8192, 1)
	rest := keyEntry(set("kid", `"other"`))
	for _, tc := range []struct {
		name  string
		entry json.RawMessage
		good  bool
	}{
		{"as Google's", keyEntry(), true},
		{"without alg", keyEntry(drop("alg")), true},
		{"without use", keyEntry(drop("use")), true},
		{"with unknown members", keyEntry(add("foo", `{"bar":1}`)), true},
		{"with key_ops verify", keyEntry(add("key_ops", `["verify"]`)), true},
		{"for encryption", keyEntry(set("use", `"enc"`)), false},
		{"with key_ops encrypt", keyEntry(add("key_ops", `["encrypt"]`)), false},
		{"for RS512", keyEntry(set("alg", `"RS512"`)), false},
		{"for PS256", keyEntry(set("alg", `"PS256"`)), false},
		{"for RSA-OAEP", keyEntry(set("alg", `"RSA-OAEP"`)), false},
		{"without kid", keyEntry(drop("kid")), false},
		{"with an empty kid", keyEntry(set("kid", `""`)), false},
		{"of 1024 bits", keyEntry(set("n", modulus(small.N))), false},
		{"of 8193 bits", keyEntry(set("n", modulus(huge))), false},
		{"exponent 1", keyEntry(set("e", `"AQ"`)), false},
		{"exponent even", keyEntry(set("e", `"AQAC"`)), false},
		{"exponent of 8 bytes", keyEntry(set("e", `"AQAAAAAAAQAB"`)), false},
		{"exponent absent", keyEntry(drop("e")), false},
		{"modulus no base64", keyEntry(set("n", `"!"`)), false},
		{"unknown kty", keyEntry(set("kty", `"XYZ"`)), false},
		{"EC", json.RawMessage(`{"kty":"EC","crv":"P-256","kid":"` + issuer().KeyID() + `","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`), false},
		{"symmetric", json.RawMessage(`{"kty":"oct","kid":"` + issuer().KeyID() + `","k":"AQAB"}`), false},
		{"a number", json.RawMessage(`1`), false},
		{"null", json.RawMessage(`null`), false},
		{"EC on secp256k1", json.RawMessage(`{"kty":"EC","crv":"secp256k1","alg":"ES256K","kid":"1","x":"AQ","y":"AQ"}`), false},
		{"EC on P-224", json.RawMessage(`{"kty":"EC","crv":"P-224","kid":"1","x":"AQ","y":"AQ"}`), false},
		{"OKP of Ed448", json.RawMessage(`{"kty":"OKP","crv":"Ed448","alg":"Ed448","kid":"1","x":"AQ"}`), false},
		{"AKP", json.RawMessage(`{"kty":"AKP","alg":"ML-DSA-44","kid":"1","pub":"AQ"}`), false},
		{"of an unknown alg", keyEntry(set("alg", `"RS1024"`)), false},
		{"of an unknown use", keyEntry(set("use", `"other"`)), false},
		{"of an unknown kty with RSA's members", keyEntry(set("kty", `"RSA2"`)), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			keys, err := idtoken.StaticKeys(jwks(rest, tc.entry))
			if err != nil {
				t.Fatal(err)
			}
			want := error(nil)
			if !tc.good {
				want = idtoken.ErrSignature
			}
			_, err = newVerifier(t, func(c *idtoken.Config) { c.Keys = keys }).Verify(t.Context(), good())
			expectOnly(t, err, want)
			if _, err := idtoken.StaticKeys(jwks(tc.entry)); (err == nil) != tc.good {
				t.Errorf("a set of this entry alone: %v", err)
			}
		})
	}
	for name, text := range map[string]string{"empty": "", "no JSON": "x", "no keys": `{"keys":[]}`, "array": `[]`, "a bare key": string(keyEntry()), "keys null": `{"keys":null}`, "trailing data": string(jwks(keyEntry())) + "x"} {
		if _, err := idtoken.StaticKeys([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "idtoken: static keys: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// source is a KeySource of somebody else's making.
type source func(kid string) (*rsa.PublicKey, error)

func (s source) Key(_ context.Context, kid string) (*rsa.PublicKey, error) { return s(kid) }

func TestKeySource(t *testing.T) {
	own := errors.New("vault is sealed")
	key, err := staticKeys(t, issuer()).Key(t.Context(), issuer().KeyID())
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		key  *rsa.PublicKey
		err  error
		want error
	}{
		{"key", key, nil, nil},
		{"nothing", nil, nil, idtoken.ErrSignature},
		{"no such key", nil, fmt.Errorf("no: %w", idtoken.ErrSignature), idtoken.ErrSignature},
		{"failure", nil, own, idtoken.ErrKeysUnavailable},
		{"failure beside a key", key, own, idtoken.ErrKeysUnavailable},
		{"unavailable", nil, fmt.Errorf("no: %w", idtoken.ErrKeysUnavailable), idtoken.ErrKeysUnavailable},
		{"zero key", &rsa.PublicKey{}, nil, idtoken.ErrSignature},
		{"small key", &small.PublicKey, nil, idtoken.ErrSignature},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := newVerifier(t, func(c *idtoken.Config) {
				c.Keys = source(func(string) (*rsa.PublicKey, error) { return tc.key, tc.err })
			})
			_, err := v.Verify(t.Context(), good())
			expectOnly(t, err, tc.want)
			if tc.err == own && !errors.Is(err, own) {
				t.Errorf("the source's error is lost: %v", err)
			}
			if err != nil && strings.Count(err.Error(), idtoken.ErrKeysUnavailable.Error()) > 1 {
				t.Errorf("the text says it twice: %v", err)
			}
		})
	}
}

// TestKeySourceChangesItsMind pins what a cache makes of a key that is none.
func TestKeySourceChangesItsMind(t *testing.T) {
	key, err := staticKeys(t, issuer()).Key(t.Context(), issuer().KeyID())
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, func(c *idtoken.Config) {
		c.CacheSize = 10
		c.Keys = source(func(string) (*rsa.PublicKey, error) { return key, nil })
	})
	_, err = v.Verify(t.Context(), good())
	expectOnly(t, err, nil)
	for _, key = range []*rsa.PublicKey{{N: key.N, E: key.E + 2}, {E: key.E}, nil} {
		_, err = v.Verify(t.Context(), good())
		expectOnly(t, err, idtoken.ErrSignature)
	}
}
