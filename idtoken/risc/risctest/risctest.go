// Package risctest makes security event tokens for tests of what a backend does
// about Google's events, and has a fake of the API that manages their stream
// ([Server]).
//
//	google := idtokentest.NewIssuer()
//	token := risctest.Token(google, clientID, risc.SessionsRevoked{Meta: risctest.About(google, "1234567890")})
//	response, err := http.Post(backend.URL+"/google/events", "application/secevent+jwt", strings.NewReader(token))
package risctest

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
)

// About returns the Meta of an event about an account of the issuer's.
func About(i *idtokentest.Issuer, subject string) risc.Meta {
	return risc.Meta{Subject: risc.Subject{ID: subject, Issuer: i.URL}}
}

// TokenRevoked returns the event that a refresh token was revoked.
func TokenRevoked(refreshToken string) risc.TokenRevoked {
	once := sha512.Sum512([]byte(refreshToken))
	twice := sha512.Sum512(once[:])
	return risc.TokenRevoked{TokenHash: base64.StdEncoding.EncodeToString(twice[:])}
}

// Token returns a token of the issuer's for a client ID, with events of different
// types. The jti and the time are those of the first event; by default a fresh
// one, and now. The audience is the client ID alone: Meta.Audiences is ignored.
// The Payload of a risc.Unknown is {} by default. Without events it is a token
// that is refused. It panics if an event is of no type of package risc's.
func Token(i *idtokentest.Issuer, audience string, events ...risc.Event) string {
	claims := map[string]any{"iss": i.URL, "aud": audience, "jti": rand.Text(), "iat": now(i).Unix()}
	members := make(map[string]any)
	for n, event := range events {
		uri, meta, payload := encode(event)
		if n == 0 && meta.ID != "" {
			claims["jti"] = meta.ID
		}
		if n == 0 && !meta.IssuedAt.IsZero() {
			claims["iat"] = meta.IssuedAt.Unix()
		}
		members[uri] = payload
	}
	claims["events"] = members
	for {
		kid := i.KeyID()
		token := i.SignHeader(map[string]string{"alg": "RS256", "kid": kid, "typ": "secevent+jwt"}, claims)
		if i.KeyID() == kid { // otherwise Rotate was called, perhaps before the signature
			return token
		}
	}
}

func now(i *idtokentest.Issuer) time.Time {
	if i.Now != nil {
		return i.Now()
	}
	return time.Now()
}

// encode returns an event as Google writes it.
func encode(event risc.Event) (uri string, meta risc.Meta, payload any) {
	const prefix = "https://schemas.openid.net/secevent/"
	switch e := event.(type) {
	case risc.SessionsRevoked:
		return prefix + "risc/event-type/sessions-revoked", e.Meta, about(e.Subject)
	case risc.TokensRevoked:
		return prefix + "oauth/event-type/tokens-revoked", e.Meta, about(e.Subject)
	case risc.TokenRevoked:
		return prefix + "oauth/event-type/token-revoked", e.Meta, map[string]any{"subject": map[string]string{
			"subject_type": "oauth_token", "token_type": "refresh_token",
			"token_identifier_alg": "hash_base64_sha512_sha512", "token": e.TokenHash,
		}}
	case risc.AccountDisabled:
		payload := about(e.Subject)
		if e.Reason != "" {
			payload["reason"] = e.Reason
		}
		return prefix + "risc/event-type/account-disabled", e.Meta, payload
	case risc.AccountEnabled:
		return prefix + "risc/event-type/account-enabled", e.Meta, about(e.Subject)
	case risc.AccountPurged:
		return prefix + "risc/event-type/account-purged", e.Meta, about(e.Subject)
	case risc.CredentialChangeRequired:
		return prefix + "risc/event-type/account-credential-change-required", e.Meta, about(e.Subject)
	case risc.Verification:
		return prefix + "risc/event-type/verification", e.Meta, map[string]string{"state": e.State}
	case risc.Unknown:
		if len(e.Payload) == 0 {
			e.Payload = json.RawMessage("{}")
		}
		return e.Type, e.Meta, e.Payload
	}
	panic(fmt.Sprintf("risctest: %T is no event", event))
}

func about(s risc.Subject) map[string]any {
	subject := map[string]string{"subject_type": "iss-sub", "iss": s.Issuer, "sub": s.ID}
	if s.Email != "" {
		subject["subject_type"] = "id_token_claims"
		subject["email"] = s.Email
	}
	return map[string]any{"subject": subject}
}
