package exchangetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
)

// A verifier checks DPoP proofs (RFC 9449 section 4.3).
type verifier struct {
	now func() time.Time // calls Options.Now, so not with mu held

	mu     sync.Mutex
	nonces map[string]*nonces   // by grant_type: Google keeps them apart
	seen   map[string]time.Time // by jti of the proofs at refreshes: when to forget them
}

// nonces are the nonces that a proof may have.
type nonces struct {
	current, previous string
	since             time.Time // when current was made
}

const (
	// proofWindow is how far iat may be from the server's clock. Google states no
	// time; RFC 9449 section 11.1 speaks of seconds or minutes.
	proofWindow = 5 * time.Minute

	// nonceLifetime is how long a nonce is the current one; it is good for as long
	// again. Google states no time.
	nonceLifetime = 5 * time.Minute
)

func newVerifier(now func() time.Time) *verifier {
	return &verifier{now: now, nonces: make(map[string]*nonces), seen: make(map[string]time.Time)}
}

// nonce returns the current nonce for a kind of request.
func (v *verifier) nonce(grantType string) string {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.noncesOf(grantType, now).current
}

// noncesOf is for callers that hold v.mu.
func (v *verifier) noncesOf(grantType string, now time.Time) *nonces {
	n := v.nonces[grantType]
	if n == nil {
		n = new(nonces)
		v.nonces[grantType] = n
	}
	switch age := now.Sub(n.since); {
	case n.current == "" || age >= 2*nonceLifetime:
		*n = nonces{current: secret("", 24), since: now}
	case age >= nonceLifetime:
		*n = nonces{current: secret("", 24), previous: n.current, since: now}
	}
	return n
}

// A proof is the payload of a proof that was verified.
type proof struct {
	method, uri, id, nonce string
	issued                 float64
	thumbprint             string // of its key
}

// provedKey returns the thumbprint of the key that the request proves possession
// of, or "" if it has no proof.
func (s *Server) provedKey(r *http.Request) (thumbprint string, no *refusal) {
	headers := r.Header.Values("DPoP")
	if len(headers) == 0 {
		if s.options.RequireDPoP {
			return "", badProof("DPoP proof is missing.")
		}
		return "", nil
	}
	if len(headers) > 1 {
		return "", badProof("More than one DPoP header.")
	}
	p, wrong := parseProof(headers[0])
	if wrong != "" {
		return "", badProof(wrong)
	}
	if wrong := s.mismatch(r, p); wrong != "" {
		return "", badProof(wrong)
	}
	return p.thumbprint, s.proofs.accept(r.PostForm.Get("grant_type"), p)
}

func badProof(description string) *refusal { return badRequest("invalid_dpop_proof", description) }

// mismatch returns why p is not for this request, or "".
func (s *Server) mismatch(r *http.Request, p proof) string {
	switch age := s.Now().Sub(time.Unix(int64(p.issued), 0)); {
	case p.method != http.MethodPost:
		return "Invalid htm."
	case p.uri != s.URL+r.URL.Path && p.uri != "https://oauth2.googleapis.com"+r.URL.Path:
		return "Invalid htu."
	case age.Abs() > proofWindow:
		return "Invalid iat."
	case p.id == "":
		return "Invalid jti."
	}
	if r.PostForm.Get("grant_type") == "authorization_code" && !s.options.RandomProofIDs {
		if hash := sha256.Sum256([]byte(r.PostForm.Get("code"))); p.id != encode(hash[:]) {
			return "Invalid jti: not the hash of the code."
		}
	}
	return ""
}

// accept checks the nonce of a proof, and that it was not used before.
func (v *verifier) accept(grantType string, p proof) *refusal {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.noncesOf(grantType, now)
	if p.nonce == "" || p.nonce != n.current && p.nonce != n.previous {
		return badRequest("use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")
	}
	if grantType == "authorization_code" {
		return nil // the code itself is good once
	}
	for id, until := range v.seen {
		if now.After(until) {
			delete(v.seen, id)
		}
	}
	if _, seen := v.seen[p.id]; seen {
		return badProof("Proof was used before.")
	}
	v.seen[p.id] = now.Add(2 * proofWindow)
	return nil
}

// parseProof verifies the form and the signature of a proof. Its header is taken
// with the members that Google's guide names, and no others.
func parseProof(raw string) (p proof, wrong string) {
	segments := strings.Split(raw, ".")
	if len(segments) != 3 {
		return proof{}, "Not a JWT."
	}
	var parts [3][]byte
	for i, segment := range segments {
		var err error
		if parts[i], err = base64.RawURLEncoding.Strict().DecodeString(segment); err != nil {
			return proof{}, "Not a JWT."
		}
	}
	key, thumbprint, wrong := proofKey(parts[0])
	if wrong != "" {
		return proof{}, wrong
	}
	digest := sha256.Sum256([]byte(segments[0] + "." + segments[1]))
	if signature := parts[2]; len(signature) != 64 ||
		!ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return proof{}, "Invalid signature."
	}
	p.thumbprint = thumbprint
	if exactjson.Members(parts[1], map[string]any{
		"htm": &p.method, "htu": &p.uri, "iat": &p.issued, "jti": &p.id, "nonce": &p.nonce,
	}) != nil {
		return proof{}, "Invalid payload."
	}
	return p, ""
}

// proofKey reads the header of a proof: typ, alg and jwk, with the public key.
func proofKey(header []byte) (key *ecdsa.PublicKey, thumbprint, wrong string) {
	var typ, alg, kty, crv, x, y string
	var jwk json.RawMessage
	if exactjson.Members(header, map[string]any{"typ": &typ, "alg": &alg, "jwk": &jwk}) != nil ||
		!slices.Equal(memberNames(header), []string{"alg", "jwk", "typ"}) || typ != "dpop+jwt" || alg != "ES256" {
		return nil, "", "Invalid header: want typ dpop+jwt, alg ES256, and jwk."
	}
	if exactjson.Members(jwk, map[string]any{"kty": &kty, "crv": &crv, "x": &x, "y": &y}) != nil ||
		!slices.Equal(memberNames(jwk), []string{"crv", "kty", "x", "y"}) || kty != "EC" || crv != "P-256" {
		return nil, "", "Invalid jwk: want kty EC, crv P-256, x and y."
	}
	point := []byte{4}
	for _, coordinate := range []string{x, y} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(coordinate)
		if err != nil || len(b) != 32 {
			return nil, "", "Invalid jwk: x or y."
		}
		point = append(point, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, "", "Invalid jwk: not on the curve."
	}
	hash := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`)) // RFC 7638
	return key, encode(hash[:]), ""
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// memberNames returns the names of the members of a JSON object, sorted.
func memberNames(object []byte) []string {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil
	}
	var names []string
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
