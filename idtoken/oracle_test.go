package idtoken_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// oracle verifies a token with a library that has its own idea of the format. It returns the payload.
func oracle(t testing.TB, token string) ([]byte, error) {
	t.Helper()
	set, err := jwk.Parse(issuer().JWKS())
	if err != nil {
		t.Fatal(err)
	}
	key, _ := set.LookupKeyID(issuer().KeyID())
	parts := strings.Split(token, ".")
	header, err := decodeSegment(parts[0])
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if json.Compact(&compact, header) == nil && compact.Len() == len(header) { // jwx drops white space in a header before it checks
		return jws.Verify([]byte(token), jws.WithKey(jwa.RS256, key))
	}
	payload, err := decodeSegment(parts[1])
	if err != nil {
		return nil, err
	}
	signature, err := decodeSegment(parts[2])
	if err != nil {
		return nil, err
	}
	var public rsa.PublicKey
	if err := key.Raw(&public); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return payload, rsa.VerifyPKCS1v15(&public, crypto.SHA256, sum[:], signature)
}

// checkAccepted fails unless an accepted token is good in the oracle's eyes, and
// says of the user what the profile says.
func checkAccepted(t testing.TB, token string, p *idtoken.Profile) {
	t.Helper()
	payload, err := oracle(t, token)
	if err != nil {
		t.Fatalf("accepted, but the oracle says: %v", err)
	}
	var claims map[string]any
	if err := unmarshal(payload, &claims); err != nil {
		t.Fatalf("accepted, but encoding/json says: %v", err)
	}
	if claims["sub"] != p.Subject || claims["iss"] != p.Issuer {
		t.Errorf("profile says %s of %s, encoding/json %v of %v", p.Subject, p.Issuer, claims["sub"], claims["iss"])
	}
	if azp, _ := claims["azp"].(string); azp != p.AuthorizedParty {
		t.Errorf("profile says azp %q, encoding/json %q", p.AuthorizedParty, azp)
	}
	if email, _ := claims["email"].(string); email != p.Email {
		t.Errorf("profile says email %q, encoding/json %q", p.Email, email)
	}
	number, _ := claims["exp"].(json.Number)
	if exp, err := number.Float64(); err != nil || int64(math.Floor(exp)) != p.Expiry.Unix() {
		t.Errorf("profile says exp %d, encoding/json %v", p.Expiry.Unix(), number)
	}
	own := make(map[string]any)
	for name, text := range p.Claims() {
		var v any
		if err := unmarshal(text, &v); err != nil {
			t.Errorf("claim %s: %v", name, err)
		}
		own[name] = v
	}
	if !reflect.DeepEqual(own, claims) {
		t.Errorf("claims are\n%v, encoding/json has\n%v", own, claims)
	}
}

// unmarshal is json.Unmarshal for numbers of any size.
func unmarshal(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// TestOracle compares with jwx on the whole corpus: what is accepted must be
// good in its eyes, and what is refused for its signature alone must be bad.
func TestOracle(t *testing.T) {
	for _, tc := range corpus() {
		t.Run(tc.name, func(t *testing.T) {
			p, err := newVerifier(t, tc.config).Verify(t.Context(), tc.token)
			if err == nil {
				checkAccepted(t, tc.token, p)
			}
			if tc.want == idtoken.ErrSignature && !strings.Contains(tc.name, "kid") {
				if _, err := oracle(t, tc.token); err == nil {
					t.Error("the oracle accepts the signature")
				}
			}
		})
	}
}

// TestOneByte changes, inserts and removes each single byte of a good token.
func TestOneByte(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\x00\xff"
	token := good()
	for _, size := range []int{0, 10} {
		v := newVerifier(t, func(c *idtoken.Config) { c.CacheSize = size })
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(1, uint64(size)))
		for i := range len(token) + 1 {
			c := alphabet[random.IntN(len(alphabet))]
			changed := []string{token[:i] + string([]byte{c}) + token[i:]}
			if i < len(token) {
				changed = append(changed, token[:i]+token[i+1:])
				if c != token[i] {
					changed = append(changed, token[:i]+string([]byte{c})+token[i+1:])
				}
			}
			for _, bad := range changed {
				if _, err := v.Verify(t.Context(), bad); err == nil {
					t.Fatalf("accepted with byte %d changed: %q", i, bad)
				}
			}
		}
	}
}
