package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// sealedCookies are sessions in the browser's hands: encrypted and
// authenticated, and of no use under another name or after their time. Nothing is
// kept here, so a browser can bring back what was dropped; a visit to Google is
// over all the same, because its code is spent.
type sealedCookies struct {
	cookies
	aead cipher.AEAD
}

// newSealedCookies takes a key of 32 random bytes.
func newSealedCookies(key []byte, secure bool) (*sealedCookies, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealedCookies{cookies{secure}, aead}, nil
}

type sealed struct {
	Until time.Time
	Value json.RawMessage
}

func (s *sealedCookies) put(w http.ResponseWriter, name string, v any, ttl time.Duration) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(sealed{time.Now().Add(ttl), value})
	if err != nil {
		return err
	}
	box := s.aead.Seal(nil, nil, plain, []byte(name))
	s.set(w, name, base64.RawURLEncoding.EncodeToString(box), ttl)
	return nil
}

func (s *sealedCookies) get(r *http.Request, name string, v any) bool {
	box, err := base64.RawURLEncoding.DecodeString(s.cookies.get(r, name))
	if err != nil {
		return false
	}
	plain, err := s.aead.Open(nil, nil, box, []byte(name))
	if err != nil {
		return false
	}
	var found sealed
	return json.Unmarshal(plain, &found) == nil && time.Now().Before(found.Until) && json.Unmarshal(found.Value, v) == nil
}

func (s *sealedCookies) drop(w http.ResponseWriter, _ *http.Request, name string) {
	s.set(w, name, "", -time.Second)
}
