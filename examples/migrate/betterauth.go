package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// secrets are those of better-auth, by their version. The one without a version is
// BETTER_AUTH_SECRET.
type secrets map[string]string

// readSecrets reads BETTER_AUTH_SECRET and BETTER_AUTH_SECRETS
// ("2:newer,1:older") from a .env file.
func readSecrets(path string) (secrets, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-secret: %w", err)
	}
	s := secrets{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch strings.TrimPrefix(name, "export ") {
		case "BETTER_AUTH_SECRET":
			s[""] = value
		case "BETTER_AUTH_SECRETS":
			for entry := range strings.SplitSeq(value, ",") {
				version, secret, _ := strings.Cut(entry, ":")
				s[strings.TrimSpace(version)] = strings.TrimSpace(secret)
			}
		}
	}
	if len(s) == 0 {
		return nil, errors.New("-secret: neither BETTER_AUTH_SECRET nor BETTER_AUTH_SECRETS is in the file")
	}
	return s, nil
}

var errDamaged = errors.New("encrypted, and damaged")

// open decrypts a token of better-auth's encryptOAuthTokens: hex of nonce,
// ciphertext and tag, after "$ba$VERSION$" where there are several secrets. A
// token from before that option is plain.
func (s secrets) open(token string) (string, error) {
	name, version, encrypted := "BETTER_AUTH_SECRET", "", token
	rest, versioned := strings.CutPrefix(token, "$ba$")
	if versioned {
		version, encrypted, _ = strings.Cut(rest, "$")
		name = "version " + version + " of BETTER_AUTH_SECRETS"
	}
	box, err := hex.DecodeString(encrypted)
	switch {
	case err != nil && versioned:
		return "", errDamaged
	case err != nil || token == "":
		return token, nil
	}
	secret, ok := s[version]
	if !ok {
		return "", fmt.Errorf("encrypted, and -secret lacks %s", name)
	}
	key := sha256.Sum256([]byte(secret))
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return "", err
	}
	if len(box) < aead.NonceSize() {
		return "", errDamaged
	}
	plain, err := aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], nil)
	if err != nil {
		return "", errors.New("encrypted with another secret")
	}
	return string(plain), nil
}
