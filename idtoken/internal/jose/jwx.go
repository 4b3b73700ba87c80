package jose

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// This file alone knows jwx. It is used as a primitive: a parser of key sets and
// a check of one signature over exact bytes.

const (
	minKeyBits = 2048 // RFC 7518 section 3.3
	maxKeyBits = 8192 // beyond, a signature costs more than a stranger should make us pay
)

// rs256 is taken from jwx's registry, which any package can write to, when
// the program starts. It has no state.
var rs256, errRS256 = jws.NewVerifier(jwa.RS256)

// Verify reports whether the token is signed with RS256 under key.
func (t *Token) Verify(key *rsa.PublicKey) bool {
	if errRS256 != nil || !usable(key) {
		return false
	}
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	input := append(buf.bytes[:0], t.signingInput...)
	return rs256.Verify(input, t.signature, key) == nil
}

// ParseKeys returns the keys of a JWK set (RFC 7517) that RS256 signatures can
// be checked with, by kid. Entries that are something else, or that cannot be
// read, are ignored, as section 5 asks; having no key at all is an error.
func ParseKeys(jwks []byte) (map[string]*rsa.PublicKey, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(jwks, &members) != nil || members["keys"] == nil { // jwx takes a bare key too, and stops reading where the set ends
		return nil, errors.New("not a JWK set")
	}
	set, err := jwk.Parse(jwks, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, errors.New("not a JWK set")
	}
	keys := make(map[string]*rsa.PublicKey)
	for i := range set.Len() {
		entry, _ := set.Key(i)
		if key, ok := signingKey(entry); ok {
			keys[entry.KeyID()] = key
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("none of the %d keys is for RS256", set.Len())
	}
	return keys, nil
}

func signingKey(entry jwk.Key) (*rsa.PublicKey, bool) {
	if alg := entry.Algorithm().String(); alg != "" && alg != "RS256" {
		return nil, false
	}
	if use := entry.KeyUsage(); use != "" && use != "sig" {
		return nil, false
	}
	if ops := entry.KeyOps(); len(ops) > 0 && !slices.Contains(ops, jwk.KeyOpVerify) {
		return nil, false
	}
	public, ok := entry.(jwk.RSAPublicKey)
	if !ok || len(public.E()) > 4 || entry.KeyID() == "" { // jwx would cut a longer exponent off
		return nil, false
	}
	var key rsa.PublicKey
	if err := entry.Raw(&key); err != nil {
		return nil, false
	}
	return &key, usable(&key)
}

func usable(key *rsa.PublicKey) bool {
	if key == nil || key.N == nil || key.E < 3 || key.E&1 == 0 {
		return false
	}
	bits := key.N.BitLen()
	return minKeyBits <= bits && bits <= maxKeyBits
}
