package exchange

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

// thumbprintField is the field of a token's Extra that names the key. RFC 9449
// section 10 has that name for a thumbprint in an authorization request.
const thumbprintField = "dpop_jkt"

// A dpopKey makes proofs (RFC 9449 section 4.2). The signer is behind a function,
// because fmt looks into the fields of a Client.
type dpopKey struct {
	thumbprint string // RFC 7638
	header     string // of every proof, encoded
	sign       func(digest []byte) (der []byte, err error)
}

func newDPoPKey(signer crypto.Signer) (*dpopKey, error) {
	if signer == nil {
		return nil, errors.New("is nil")
	}
	public, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || public == nil || public.Curve != elliptic.P256() {
		return nil, errors.New("is not a key on the curve P-256")
	}
	point, err := public.Bytes() // 4, x and y
	if err != nil {
		return nil, errors.New("has a public key that is not on its curve")
	}
	x, y := encode(point[1:33]), encode(point[33:])
	thumbprint := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return &dpopKey{
		thumbprint: encode(thumbprint[:]),
		header:     encode([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"}}`)),
		sign:       func(digest []byte) ([]byte, error) { return signer.Sign(rand.Reader, digest, crypto.SHA256) },
	}, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// newDPoPKeys returns the keys of a Config, the one for new grants first.
func newDPoPKeys(c *Config) ([]*dpopKey, error) {
	var keys []*dpopKey
	if c.DPoP != nil {
		key, err := newDPoPKey(c.DPoP)
		if err != nil {
			return nil, fmt.Errorf("exchange: Config.DPoP %w", err)
		}
		keys = append(keys, key)
	}
	for i, signer := range c.DPoPKeys {
		key, err := newDPoPKey(signer)
		if err != nil {
			return nil, fmt.Errorf("exchange: Config.DPoPKeys[%d] %w", i, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// dpop is the part of a Client that proves possession of a key.
type dpop struct {
	keys []*dpopKey // the first is for new grants
	htu  string     // the token endpoint without query, as a JSON string

	// The nonces that the next proof must have. Google keeps them apart.
	exchangeNonce, refreshNonce atomic.Pointer[string]
}

func newDPoP(c *Config) (*dpop, error) {
	keys, err := newDPoPKeys(c)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(c.Endpoint.TokenURL)
	if err != nil {
		return nil, err
	}
	u.RawQuery, u.ForceQuery = "", false
	htu, err := json.Marshal(u.String())
	return &dpop{keys: keys, htu: string(htu)}, err
}

// first returns the key for new grants, or nil.
func (d *dpop) first() *dpopKey {
	if len(d.keys) == 0 {
		return nil
	}
	return d.keys[0]
}

// bound returns the key with that thumbprint, nil for none, or an error that Is
// ErrKey.
func (d *dpop) bound(thumbprint string) (*dpopKey, error) {
	if thumbprint == "" {
		return nil, nil
	}
	known := &KeyError{Bound: strings.Clone(thumbprint)}
	for _, key := range d.keys {
		if key.thumbprint == thumbprint {
			return key, nil
		}
		known.Configured = append(known.Configured, key.thumbprint)
	}
	return nil, &Error{Op: opRefresh, kind: ErrKey, cause: known}
}

// A KeyError names the keys of an error that Is [ErrKey], by their thumbprints
// (RFC 7638).
type KeyError struct {
	Bound      string   // the key that the refresh token is bound to
	Configured []string // those of Config.DPoP and Config.DPoPKeys
}

// Error names all of them.
func (e *KeyError) Error() string {
	configured := strings.Join(e.Configured, ", ")
	if configured == "" {
		configured = "none"
	}
	return fmt.Sprintf("it is bound to the key %q; configured: %s", e.Bound, configured)
}

// nonce returns where the nonce of an operation is kept.
func (d *dpop) nonce(op string) *atomic.Pointer[string] {
	if op == opExchange {
		return &d.exchangeNonce
	}
	return &d.refreshNonce
}

// learn keeps the nonce of a response, if there is one, for the next proof.
func (d *dpop) learn(op string, h http.Header) (learned bool) {
	nonce := h.Get("Dpop-Nonce") // as net/http spells it, which saves an allocation
	if nonce == "" || len(nonce) > maxNonce || strings.ContainsFunc(nonce, notNQCHAR) {
		return false
	}
	if last := d.nonce(op).Load(); last == nil || *last != nonce {
		d.nonce(op).Store(new(nonce))
	}
	return true
}

const maxNonce = 1024 // bytes; RFC 9449 has no limit

// notNQCHAR reports whether RFC 9449 section 8.1 does not allow r in a nonce. What
// it allows needs no escaping in JSON.
func notNQCHAR(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

// proof returns a proof for one request with f. again says that it is the second
// one, after use_dpop_nonce.
func (c *Client) proof(key *dpopKey, op string, f form, again bool) (string, error) {
	id := rand.Text()
	if op == opExchange && !(again && c.cfg.DPoPNewID) {
		hash := sha256.Sum256([]byte(f.value("code")))
		id = encode(hash[:])
	}
	payload := make([]byte, 0, 512)
	payload = append(append(payload, `{"htm":"POST","htu":`...), c.dpop.htu...)
	payload = strconv.AppendInt(append(payload, `,"iat":`...), c.cfg.Now().Unix(), 10)
	payload = append(append(payload, `,"jti":"`...), id...)
	if nonce := c.dpop.nonce(op).Load(); nonce != nil {
		payload = append(append(payload, `","nonce":"`...), *nonce...)
	}
	payload = append(payload, `"}`...)
	proof := make([]byte, 0, 1024)
	proof = append(append(proof, key.header...), '.')
	proof = base64.RawURLEncoding.AppendEncode(proof, payload)
	digest := sha256.Sum256(proof)
	der, err := key.sign(digest[:])
	if err != nil {
		return "", err
	}
	signature, err := rawSignature(der)
	if err != nil {
		return "", err
	}
	return string(base64.RawURLEncoding.AppendEncode(append(proof, '.'), signature[:])), nil
}

// rawSignature returns the form that a JWT has (RFC 7518 section 3.4): r and s, of
// 32 bytes each.
func rawSignature(der []byte) (raw [64]byte, err error) {
	var s struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &s)
	if err != nil || len(rest) > 0 || s.R.Sign() <= 0 || s.S.Sign() <= 0 || s.R.BitLen() > 256 || s.S.BitLen() > 256 {
		return raw, errors.New("it has signed with something else than ECDSA on P-256")
	}
	s.R.FillBytes(raw[:32])
	s.S.FillBytes(raw[32:])
	return raw, nil
}

// sendProved sends f to the token endpoint with a proof, or without one if key is
// nil. A provider that asks for a nonce has redeemed nothing: f is sent once more.
// It sets sent while the provider may have redeemed something.
func (c *Client) sendProved(ctx context.Context, op string, f form, key *dpopKey, sent *bool) (*response, error) {
	if key == nil {
		*sent = true
		return c.send(ctx, op, c.tokenURL, f, "")
	}
	for again := false; ; again = true {
		*sent = false
		proof, err := c.proof(key, op, f, again)
		if err != nil {
			return nil, &Error{Op: op, kind: ErrTemporary, reason: "the DPoP key does not sign", cause: ctxerr.With(ctx, f.secrets().cleanError(err)),
				hint: "The signer of Config.DPoP or DPoPKeys has failed: see where it keeps the key."}
		}
		*sent = true
		resp, err := c.send(ctx, op, c.tokenURL, f, proof)
		if err != nil {
			return nil, err
		}
		learned := c.dpop.learn(op, resp.header)
		if again || !learned || resp.status != http.StatusBadRequest || resp.text("error") != "use_dpop_nonce" {
			return resp, nil
		}
	}
}
