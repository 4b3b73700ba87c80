package exchange

import (
	"bytes"
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
	sign       func(ctx context.Context, digest []byte) (der []byte, err error)
}

func newDPoPKey(signer crypto.Signer) (*dpopKey, error) {
	private, local := signer.(*ecdsa.PrivateKey)
	if signer == nil || local && private == nil {
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
	key := &dpopKey{
		thumbprint: encode(thumbprint[:]),
		header:     encode([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"}}`)),
		sign:       func(ctx context.Context, digest []byte) ([]byte, error) { return signRemotely(ctx, signer, digest) },
	}
	if local {
		// Without random numbers the signature is deterministic (RFC 6979), and takes
		// a fifth less time. Proofs differ in jti, iat or nonce, and to sign the same
		// proof twice gives nothing away.
		key.sign = func(_ context.Context, digest []byte) ([]byte, error) {
			return private.Sign(nil, digest, crypto.SHA256)
		}
	}
	return key, nil
}

// signRemotely calls a signer that may be a key service. It has no context, so a
// call that outlasts ctx is left behind on its goroutine.
func signRemotely(ctx context.Context, signer crypto.Signer, digest []byte) ([]byte, error) {
	type result struct {
		der      []byte
		err      error
		panicked any
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			r.panicked = recover()
			done <- r
		}()
		r.der, r.err = signer.Sign(rand.Reader, digest, crypto.SHA256)
	}()
	select {
	case <-ctx.Done():
		return nil, ctxerr.Of(ctx)
	case r := <-done:
		if r.panicked != nil {
			panic(r.panicked) // where the caller, or net/http, can recover it
		}
		return r.der, r.err
	}
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

// bound returns the key with that thumbprint, or an error that Is ErrKey. It returns
// nil if thumbprint is empty.
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

// learn returns the nonce of a response, and keeps it for the next proof; empty: there
// is none.
func (d *dpop) learn(op string, h http.Header) string {
	nonce := h.Get("Dpop-Nonce") // as net/http spells it, which saves an allocation
	if nonce == "" || len(nonce) > maxNonce || strings.ContainsFunc(nonce, notNQCHAR) {
		return ""
	}
	if last := d.nonce(op).Load(); last == nil || *last != nonce {
		d.nonce(op).Store(new(nonce))
	}
	return nonce
}

const maxNonce = 1024 // bytes; RFC 9449 has no limit

// proof returns a proof for one request with f. asked is the nonce that came with
// use_dpop_nonce, if it is the second one; empty: it has the one that came last.
func (c *Client) proof(ctx context.Context, key *dpopKey, op string, f form, asked string) (string, error) {
	var id [sha256.Size]byte
	if op == opExchange && !(asked != "" && c.cfg.DPoPNewID) {
		id = sha256.Sum256(append(make([]byte, 0, maxCode), f.value("code")...)) // on the stack
	} else {
		rand.Read(id[:])
	}
	payload := make([]byte, 0, 512)
	payload = append(append(payload, `{"htm":"POST","htu":`...), c.dpop.htu...)
	payload = strconv.AppendInt(append(payload, `,"iat":`...), c.cfg.Now().Unix(), 10)
	payload = base64.RawURLEncoding.AppendEncode(append(payload, `,"jti":"`...), id[:])
	if last := c.dpop.nonce(op).Load(); asked == "" && last != nil {
		asked = *last
	}
	if asked != "" { // learn has let no character in that needs escaping
		payload = append(append(payload, `","nonce":"`...), asked...)
	}
	payload = append(payload, `"}`...)
	proof := make([]byte, 0, 1024)
	proof = append(append(proof, key.header...), '.')
	proof = base64.RawURLEncoding.AppendEncode(proof, payload)
	digest := sha256.Sum256(proof)
	der, err := key.sign(ctx, digest[:])
	if err != nil {
		return "", err
	}
	signature, ok := rawSignature(der)
	if !ok {
		return "", errors.New("its signature is not one of ECDSA on P-256")
	}
	return string(base64.RawURLEncoding.AppendEncode(append(proof, '.'), signature[:])), nil
}

// rawSignature returns the form that a JWT has (RFC 7518 section 3.4): r and s, of
// 32 bytes each.
func rawSignature(der []byte) (raw [64]byte, ok bool) {
	var s struct{ R, S asn1.RawValue }
	rest, err := asn1.Unmarshal(der, &s)
	ok = err == nil && len(rest) == 0 && fillInteger(raw[:32], s.R) && fillInteger(raw[32:], s.S)
	return raw, ok
}

// fillInteger writes n, which must be positive, to the end of into.
func fillInteger(into []byte, n asn1.RawValue) bool {
	digits := bytes.TrimLeft(n.Bytes, "\x00")
	if n.Tag != asn1.TagInteger || len(digits) == 0 || len(digits) > len(into) || n.Bytes[0] >= 0x80 {
		return false
	}
	copy(into[len(into)-len(digits):], digits)
	return true
}

// sendProved sends f to the token endpoint with a proof, or without one if key is
// nil. A provider that asks for a nonce has redeemed nothing: f is sent once more.
// It sets sent while the provider may have redeemed something.
func (c *Client) sendProved(ctx context.Context, op string, f form, key *dpopKey, sent *bool) (*response, error) {
	if key == nil {
		*sent = true
		return c.send(ctx, op, c.tokenURL, f, "")
	}
	for asked := ""; ; {
		*sent = false
		proof, err := c.proof(ctx, key, op, f, asked)
		if err != nil {
			return nil, &Error{Op: op, kind: ErrTemporary, reason: "the DPoP key does not sign", cause: ctxerr.With(ctx, f.secrets().cleanError(err)),
				hint: "The signer of Config.DPoP or DPoPKeys has failed: see where it keeps the key."}
		}
		*sent = true
		resp, err := c.send(ctx, op, c.tokenURL, f, proof)
		if err != nil {
			return nil, err
		}
		nonce := c.dpop.learn(op, resp.header)
		if asked != "" || nonce == "" || resp.status != http.StatusBadRequest || resp.text("error") != "use_dpop_nonce" {
			return resp, nil
		}
		asked = nonce
	}
}
