package idtokentest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

type key struct {
	id        string // 40 hexadecimal digits, like Google's
	private   *rsa.PrivateKey
	withdrawn bool
}

func newKey() *key {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(fmt.Sprintf("idtokentest: making a key: %v", err)) // crypto/rand does not fail
	}
	return keyOf(private)
}

func keyOf(private *rsa.PrivateKey) *key {
	sum := sha256.Sum256(private.N.Bytes())
	return &key{id: hex.EncodeToString(sum[:20]), private: private}
}

// JWKS returns the published keys as a JWK set (RFC 7517), as Google's
// /oauth2/v3/certs has them.
func (i *Issuer) JWKS() []byte {
	type jwk struct {
		Kty string `json:"kty"`
		Alg string `json:"alg"`
		Use string `json:"use"`
		Kid string `json:"kid"`
		N   string `json:"n"`
		E   string `json:"e"`
	}
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for _, k := range i.published() {
		set.Keys = append(set.Keys, jwk{
			Kty: "RSA", Alg: "RS256", Use: "sig", Kid: k.id,
			N: base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		})
	}
	return mustJSON(set)
}

// certificates returns the published keys as Google's /oauth2/v1/certs has them, for
// its older client libraries: a JSON object of PEM certificates by kid.
func (i *Issuer) certificates() []byte {
	certs := make(map[string]string)
	for _, k := range i.published() {
		certs[k.id] = k.certificate(i.now())
	}
	return mustJSON(certs)
}

// certificate returns a self-signed certificate in PEM.
func (k *key) certificate(now time.Time) string {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "federated-signon.system.gserviceaccount.com"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(15 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.private.PublicKey, k.private)
	if err != nil {
		panic(fmt.Sprintf("idtokentest: making a certificate: %v", err))
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func mustJSON(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("idtokentest: encoding keys: %v", err))
	}
	return append(b, '\n')
}

// Key returns the published key with this ID, for [idtoken.Config]: an Issuer is an
// [idtoken.KeySource] that needs no HTTP, and shows at once which keys are rotated or
// withdrawn.
func (i *Issuer) Key(_ context.Context, kid string) (*rsa.PublicKey, error) {
	for _, k := range i.published() {
		if k.id == kid {
			return &k.private.PublicKey, nil
		}
	}
	return nil, fmt.Errorf("idtokentest: no key %q: %w", kid, idtoken.ErrSignature)
}

// ServeHTTP serves the published keys with the caching header that Google sends:
// /oauth2/v1/certs as certificates, any other path as a JWK set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	body := i.JWKS
	if r.URL.Path == "/oauth2/v1/certs" {
		body = i.certificates
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "public, max-age=23474, must-revalidate, no-transform")
	w.Write(body())
}
