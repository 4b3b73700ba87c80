package idtokentest_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

const clientID = "1234567890-web.apps.googleusercontent.com"

func verify(t *testing.T, i *idtokentest.Issuer, token string) (*idtoken.Profile, error) {
	t.Helper()
	keys, err := idtoken.StaticKeys(i.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	v, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}, Keys: keys, Now: i.Now})
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(t.Context(), token)
}

func TestToken(t *testing.T) {
	i := idtokentest.NewIssuer()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	i.Now = func() time.Time { return now }
	want := idtoken.Profile{
		Subject: "1", Email: "jane.doe@gmail.com", EmailVerified: true, Name: "Jane Doe", GivenName: "Jane", FamilyName: "Doe",
		Picture: "https://example.com/jane.png", Locale: "en", HostedDomain: "example.com", Issuer: "accounts.google.com",
		Audience: clientID, AuthorizedParty: clientID, Nonce: "n", IssuedAt: now.Add(-time.Minute), Expiry: now.Add(time.Minute),
	}
	got, err := verify(t, i, i.Token(want))
	if err != nil {
		t.Fatal(err)
	}
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if string(gotText) != string(wantText) {
		t.Errorf("profile is\n%s, want\n%s", gotText, wantText)
	}
}

func TestTokenDefaults(t *testing.T) {
	i := idtokentest.NewIssuer()
	p, err := verify(t, i, i.Token(idtoken.Profile{Subject: "1", Audience: clientID}))
	if err != nil {
		t.Fatal(err)
	}
	if p.Issuer != "https://accounts.google.com" || p.Expiry.Sub(p.IssuedAt) != time.Hour || time.Since(p.IssuedAt) > time.Minute {
		t.Errorf("profile is %+v", p)
	}
	if names := slices.Sorted(maps.Keys(p.Claims())); !slices.Equal(names, []string{"aud", "exp", "iat", "iss", "sub"}) {
		t.Errorf("claims are %v", names)
	}
	i.Now = func() time.Time { return time.Now().Add(-time.Minute) }
	if early, err := verify(t, i, i.Token(idtoken.Profile{Subject: "1", Audience: clientID})); err != nil || !early.IssuedAt.Before(p.IssuedAt) {
		t.Errorf("by the issuer's clock: %+v, %v", early, err)
	}
	i.URL = "https://issuer.example.com"
	if _, err := verify(t, i, i.Token(idtoken.Profile{Subject: "1", Audience: clientID})); !errors.Is(err, idtoken.ErrIssuer) {
		t.Errorf("of another issuer: %v", err)
	}
}

// TestSign pins that what is signed is what was given, to the byte.
func TestSign(t *testing.T) {
	i := idtokentest.NewIssuer()
	for token, want := range map[string][2]string{
		i.SignHeader(json.RawMessage(`{ "a":1,`), json.RawMessage("\xff")): {`{ "a":1,`, "\xff"},
		i.SignHeader(nil, []int{1}):                                        {`null`, `[1]`},
		i.Sign(map[string]string{"sub": "1"}):                              {`{"alg":"RS256","kid":"` + i.KeyID() + `","typ":"JWT"}`, `{"sub":"1"}`},
	} {
		parts := strings.Split(token, ".")
		for n := range 2 {
			if got, err := base64.RawURLEncoding.DecodeString(parts[n]); err != nil || string(got) != want[n] {
				t.Errorf("segment %d is %q, %v; want %q", n, got, err, want[n])
			}
		}
	}
	if token := i.SignInput("anything"); !strings.HasPrefix(token, "anything.") {
		t.Errorf("SignInput returns %q", token)
	}
	defer func() {
		if recover() == nil {
			t.Error("claims that are no JSON: no panic")
		}
	}()
	i.Sign(func() {})
}

func TestRotateAndWithdraw(t *testing.T) {
	i := idtokentest.NewIssuer()
	first, old := i.KeyID(), i.Token(idtoken.Profile{Subject: "1", Audience: clientID})
	i.Rotate()
	if i.KeyID() == first || len(i.KeyID()) != 40 {
		t.Errorf("kid is %q after %q", i.KeyID(), first)
	}
	for _, token := range []string{old, i.Token(idtoken.Profile{Subject: "1", Audience: clientID})} {
		if _, err := verify(t, i, token); err != nil {
			t.Error(err)
		}
	}
	i.Withdraw(first)
	if _, err := verify(t, i, old); !errors.Is(err, idtoken.ErrSignature) {
		t.Errorf("under a withdrawn key: %v", err)
	}
	i.Withdraw(i.KeyID())
	if got := string(i.JWKS()); strings.Join(strings.Fields(got), "") != `{"keys":[]}` {
		t.Errorf("with all keys withdrawn: %s", got)
	}
}

// Claims that rotate the issuer's keys while they are encoded.
type rotating struct {
	issuer *idtokentest.Issuer
	claims map[string]any
}

func (r rotating) MarshalJSON() ([]byte, error) {
	r.issuer.Rotate()
	return json.Marshal(r.claims)
}

func TestRotateDuringSign(t *testing.T) {
	i := idtokentest.NewSharedIssuer()
	if _, err := verify(t, i, i.Sign(rotating{i, i.Claims(idtoken.Profile{Subject: "1", Audience: clientID})})); err != nil {
		t.Error(err)
	}
}

// TestSharedIssuer checks that the issuers of one key stay apart in all else.
func TestSharedIssuer(t *testing.T) {
	one, other := idtokentest.NewSharedIssuer(), idtokentest.NewSharedIssuer()
	token := one.Token(idtoken.Profile{Subject: "1", Audience: clientID})
	if _, err := verify(t, other, token); err != nil || one.KeyID() != other.KeyID() {
		t.Errorf("two shared issuers have two keys: %v", err)
	}
	shared := one.KeyID()
	one.Rotate()
	one.Withdraw(shared)
	if _, err := verify(t, one, token); !errors.Is(err, idtoken.ErrSignature) {
		t.Errorf("under a withdrawn key: %v", err)
	}
	if _, err := verify(t, other, token); err != nil {
		t.Errorf("withdrawn from the other issuer as well: %v", err)
	}
	if idtokentest.NewIssuer().KeyID() == shared {
		t.Error("NewIssuer has the shared key")
	}
}

func TestKeySource(t *testing.T) {
	i := idtokentest.NewSharedIssuer()
	v, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}, Keys: i})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := v.Verify(t.Context(), i.Token(idtoken.Profile{Subject: "1", Audience: clientID})); err != nil {
			t.Error(err)
		}
		i.Rotate()
	}
	i.Withdraw(i.KeyID())
	if _, err := v.Verify(t.Context(), i.Token(idtoken.Profile{Subject: "1", Audience: clientID})); !errors.Is(err, idtoken.ErrSignature) {
		t.Errorf("under a withdrawn key: %v", err)
	}
}

// The example of OpenID Connect Core appendix A.3.
func TestAccessTokenHash(t *testing.T) {
	if got := idtokentest.AccessTokenHash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Error(got)
	}
}

func TestServe(t *testing.T) {
	i := idtokentest.NewIssuer()
	i.Rotate()
	srv := httptest.NewServer(i)
	defer srv.Close()
	get := func(path string) []byte {
		t.Helper()
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
		}
		if got := resp.Header.Get("Cache-Control"); got != "public, max-age=23474, must-revalidate, no-transform" {
			t.Errorf("%s: Cache-Control is %q", path, got)
		}
		return body
	}
	keys, err := idtoken.StaticKeys(get("/oauth2/v3/certs"))
	if err != nil {
		t.Fatal(err)
	}
	var certs map[string]string
	if err := json.Unmarshal(get("/oauth2/v1/certs"), &certs); err != nil || len(certs) != 2 {
		t.Fatalf("%d certificates, %v; want 2", len(certs), err)
	}
	for kid, text := range certs {
		block, rest := pem.Decode([]byte(text))
		if block == nil || len(rest) > 0 {
			t.Fatalf("not one PEM block: %q", text)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if now := time.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			t.Errorf("%s: good from %v to %v", kid, cert.NotBefore, cert.NotAfter)
		}
		key, err := keys.Key(t.Context(), kid)
		if err != nil || !key.Equal(cert.PublicKey.(*rsa.PublicKey)) {
			t.Errorf("%s: another key than in the JWK set, %v", kid, err)
		}
	}
	resp, err := srv.Client().Head(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("HEAD: status %d", resp.StatusCode)
	}
	resp, err = srv.Client().Post(srv.URL, "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", resp.StatusCode)
	}
}
