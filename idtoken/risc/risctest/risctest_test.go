package risctest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
)

func TestTokenWhileKeysRotate(t *testing.T) {
	google := idtokentest.NewSharedIssuer()
	done := make(chan struct{})
	go func() {
		defer close(done)
		google.Rotate()
		google.Rotate()
	}()
	// It takes so long to encode that a Rotate is likely to come between.
	long := risc.Unknown{Type: "urn:long", Payload: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}
	for rotated := false; !rotated; {
		select {
		case <-done:
			rotated = true
		default:
		}
		token := risctest.Token(google, "client", long)
		dot := strings.LastIndex(token, ".")
		first, _, _ := strings.Cut(token, ".")
		header, err := base64.RawURLEncoding.DecodeString(first)
		if err != nil {
			t.Fatal(err)
		}
		var named struct{ Kid string }
		if err := json.Unmarshal(header, &named); err != nil {
			t.Fatal(err)
		}
		key, err := google.Key(t.Context(), named.Kid)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte(token[:dot]))
		if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
			t.Errorf("kid %s: %v", named.Kid, err)
		}
	}
}
