package tokenstore

import (
	"crypto/sha512"
	"encoding/base64"
)

// prefixLength is how much of a refresh token Google's "prefix" identifier has.
const prefixLength = 16

// TokenHash returns the hash under which a refresh token is found: standard
// base64 of SHA-512 of SHA-512 of the token, as Google's token-revoked events
// write it with "hash_base64_sha512_sha512". An event that gives the first 16
// characters of the token instead ("prefix") is looked up with TokenHash of
// those (https://developers.google.com/identity/protocols/risc#supported_event_types).
func TokenHash(refreshToken string) string {
	once := sha512.Sum512([]byte(refreshToken))
	twice := sha512.Sum512(once[:])
	return base64.StdEncoding.EncodeToString(twice[:])
}

// PrefixHash returns [TokenHash] of the first 16 bytes of a refresh token.
func PrefixHash(refreshToken string) string {
	return TokenHash(refreshToken[:min(len(refreshToken), prefixLength)])
}

// Hashes returns what a [Store] indexes the grant under so that a [Finder] finds
// it: [TokenHash] and [PrefixHash] of its refresh token, or nothing where there
// is none. A sealed record brings along those of the token inside.
func (g Grant) Hashes() []string {
	switch {
	case g.hashes != nil:
		return append([]string(nil), g.hashes...)
	case g.RefreshToken != "":
		return []string{TokenHash(g.RefreshToken), PrefixHash(g.RefreshToken)}
	}
	return nil
}
