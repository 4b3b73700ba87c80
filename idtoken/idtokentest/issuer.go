// Package idtokentest is an issuer of ID tokens for tests: it signs whatever it
// is asked to sign, also what Google never would, and serves its keys as Google
// does. It needs no network.
//
//	issuer := idtokentest.NewIssuer()
//	verifier, _ := idtoken.New(idtoken.Config{Audiences: []string{clientID}, Keys: issuer})
//	raw := issuer.Token(idtoken.Profile{Subject: "1234567890", Audience: clientID})
//
// An Issuer is also an [http.Handler]; behind an httptest.Server it takes the
// place of Google's key endpoint:
//
//	srv := httptest.NewServer(issuer)
//	keys, _ := idtoken.RemoteKeys(idtoken.RemoteConfig{URL: srv.URL + "/oauth2/v3/certs"})
package idtokentest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// An Issuer signs ID tokens with RSA keys. Make one with [NewIssuer] or
// [NewSharedIssuer]. Its methods are safe for concurrent use; its fields are to be
// set before the first of them is called.
type Issuer struct {
	// URL is the iss of the tokens. NewIssuer sets it to https://accounts.google.com.
	URL string

	// Now is the issuer's clock. If nil, time.Now is used.
	Now func() time.Time

	mu   sync.Mutex
	keys []*key // published; the last one signs
}

// NewIssuer returns an issuer with a fresh RSA key of 2048 bits, which takes up to a
// second to make; see [NewSharedIssuer].
func NewIssuer() *Issuer {
	return &Issuer{URL: "https://accounts.google.com", keys: []*key{newKey()}}
}

// Token returns a signed ID token with the [Issuer.Claims] of p.
func (i *Issuer) Token(p idtoken.Profile) string {
	return i.Sign(i.Claims(p))
}

// Claims returns the claims of an ID token for p, as Google makes them: issued
// now by URL and good for one hour, unless p says otherwise. Whatever else is
// empty in p is absent. The map is the caller's, to add claims to or to spoil
// before signing.
func (i *Issuer) Claims(p idtoken.Profile) map[string]any {
	if p.Issuer == "" {
		p.Issuer = i.URL
	}
	if p.IssuedAt.IsZero() {
		p.IssuedAt = i.now()
	}
	if p.Expiry.IsZero() {
		p.Expiry = p.IssuedAt.Add(time.Hour)
	}
	claims := map[string]any{"iat": p.IssuedAt.Unix(), "exp": p.Expiry.Unix()}
	for name, value := range map[string]string{
		"iss":         p.Issuer,
		"aud":         p.Audience,
		"azp":         p.AuthorizedParty,
		"sub":         p.Subject,
		"nonce":       p.Nonce,
		"email":       p.Email,
		"name":        p.Name,
		"given_name":  p.GivenName,
		"family_name": p.FamilyName,
		"picture":     p.Picture,
		"locale":      p.Locale,
		"hd":          p.HostedDomain,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	if !p.AuthTime.IsZero() {
		claims["auth_time"] = p.AuthTime.Unix()
	}
	if p.Methods != nil {
		claims["amr"] = p.Methods
	}
	if p.Email != "" {
		claims["email_verified"] = p.EmailVerified
	}
	return claims
}

// AccessTokenHash returns the at_hash of an ID token that is issued together
// with accessToken (OpenID Connect Core section 3.1.3.6).
func AccessTokenHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2])
}

// Sign returns a token with the claims, in JSON, signed with RS256 under the
// current key. A json.RawMessage is taken as it is, whether it is valid or not.
// Sign panics if the claims cannot be represented in JSON.
func (i *Issuer) Sign(claims any) string {
	k := i.current() // one key both names and signs the token, even if Rotate is called now
	header := map[string]any{"alg": "RS256", "kid": k.id, "typ": "JWT"}
	return k.sign(segment(header) + "." + segment(claims))
}

// SignHeader is [Issuer.Sign] under a header of the caller's making. Whatever
// the header says, the signature is RS256 under the current key. A kid from
// [Issuer.KeyID] is that of a former key if Rotate was called since.
func (i *Issuer) SignHeader(header, claims any) string {
	return i.SignInput(segment(header) + "." + segment(claims))
}

// SignInput returns the input with a dot and its RS256 signature under the
// current key. The input need not be the two segments of a token.
func (i *Issuer) SignInput(input string) string { return i.current().sign(input) }

func (k *key) sign(input string) string {
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, sum[:])
	if err != nil {
		panic(fmt.Sprintf("idtokentest: signing: %v", err)) // 2048 bits always hold a SHA-256
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func segment(v any) string {
	raw, ok := v.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			panic(fmt.Sprintf("idtokentest: claims of type %T: %v", v, err))
		}
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// KeyID returns the kid of the key that signs now.
func (i *Issuer) KeyID() string { return i.current().id }

// Rotate makes a new key that signs from now on. The former keys stay published.
func (i *Issuer) Rotate() {
	k := newKey()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, k)
}

var _ idtoken.KeySource = (*Issuer)(nil)

// Withdraw stops publishing the key with this kid. The current key, withdrawn,
// still signs until Rotate.
func (i *Issuer) Withdraw(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, k := range i.keys {
		if k.id == kid {
			k.withdrawn = true
		}
	}
}

func (i *Issuer) current() *key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

func (i *Issuer) published() []*key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(i.keys), func(k *key) bool { return k.withdrawn })
}

func (i *Issuer) now() time.Time {
	if i.Now != nil {
		return i.Now()
	}
	return time.Now()
}
