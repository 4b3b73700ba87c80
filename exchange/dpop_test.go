package exchange_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A kms is a signer that is not an *ecdsa.PrivateKey, and counts.
type kms struct {
	key    *ecdsa.PrivateKey
	signed atomic.Int64
}

func newKMS(t testing.TB) *kms {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &kms{key: key}
}

func (k *kms) Public() crypto.PublicKey { return k.key.Public() }

func (k *kms) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	k.signed.Add(1)
	if opts != crypto.SHA256 {
		return nil, fmt.Errorf("hash %v", opts)
	}
	return k.key.Sign(random, digest, opts)
}

func withKey(k crypto.Signer) func(*exchange.Config) {
	return func(cfg *exchange.Config) { cfg.DPoP = k }
}

// thumbprintOf computes RFC 7638.
func thumbprintOf(t *testing.T, k *kms) string {
	t.Helper()
	point, err := k.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, encode(point[1:33]), encode(point[33:])))
	return encode(sum[:])
}

// segment decodes a part of a JWT.
func segment(t *testing.T, raw string, n int) string {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%d segments", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// RFC 9449 section 4.2 and Google's guide, byte by byte.
func TestProof(t *testing.T) {
	k := newKMS(t)
	var proofs []string
	answer := func(r *http.Request) (*http.Response, error) {
		proofs = append(proofs, r.Header["Dpop"]...)
		return says(200, tokenAnswer, "DPoP-Nonce", fmt.Sprint("nonce-", len(proofs)))(r)
	}
	c := newClient(t, scripted(answer), withKey(k), func(cfg *exchange.Config) {
		cfg.Endpoint.TokenURL = "https://oauth2.googleapis.com/token?prettyPrint=false"
	})
	for range 2 {
		if _, err := c.Exchange(t.Context(), fmt.Sprint(goodCode, len(proofs)), exchange.App); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Refresh(t.Context(), refreshToken); err != nil {
			t.Fatal(err)
		}
	}
	if len(proofs) != 4 || k.signed.Load() != 4 {
		t.Fatalf("%d proofs, %d signatures; want one for each request", len(proofs), k.signed.Load())
	}
	point, _ := k.key.PublicKey.Bytes()
	encode := base64.RawURLEncoding.EncodeToString
	header := `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"` + encode(point[1:33]) + `","y":"` + encode(point[33:]) + `"}}`
	hash := func(code string) string { sum := sha256.Sum256([]byte(code)); return encode(sum[:]) }
	payload := func(jti, nonce string) string {
		return fmt.Sprintf(`^{"htm":"POST","htu":"https://oauth2.googleapis.com/token","iat":%d,"jti":"%s"%s}$`, start.Unix(), jti, nonce)
	}
	for i, want := range []string{
		payload(hash(goodCode+"0"), ""),
		payload("[-_A-Za-z0-9]{43}", ""),
		payload(hash(goodCode+"2"), `,"nonce":"nonce-1"`), // of the exchange before, not of the refresh
		payload("[-_A-Za-z0-9]{43}", `,"nonce":"nonce-2"`),
	} {
		if got := segment(t, proofs[i], 0); got != header {
			t.Errorf("header %s, want %s", got, header)
		}
		if got := segment(t, proofs[i], 1); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("payload %s, want %s", got, want)
		}
		digest := sha256.Sum256([]byte(proofs[i][:strings.LastIndexByte(proofs[i], '.')]))
		signature := []byte(segment(t, proofs[i], 2))
		if len(signature) != 64 || !ecdsa.Verify(&k.key.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
			t.Error("the signature is not that of the key")
		}
	}
}

// RFC 9449 section 4.2: htu has no query.
func TestProofAddress(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.com/token":          "https://example.com/token",
		"https://example.com/token?":         "https://example.com/token",
		"https://example.com/token?a=b&c=d":  "https://example.com/token",
		"http://127.0.0.1:8080/a%22b/to&ken": "http://127.0.0.1:8080/a%22b/to&ken",
	} {
		var payload struct{ HTU string }
		g := scripted(func(r *http.Request) (*http.Response, error) {
			if err := json.Unmarshal([]byte(segment(t, r.Header.Get("DPoP"), 1)), &payload); err != nil {
				t.Error(err)
			}
			return says(200, tokenAnswer)(r)
		})
		c := newClient(t, g, withKey(newKMS(t)), func(cfg *exchange.Config) { cfg.Endpoint.TokenURL = address })
		if _, err := c.Refresh(t.Context(), refreshToken); err != nil {
			t.Fatal(err)
		}
		if payload.HTU != want {
			t.Errorf("%s: htu %q, want %q", address, payload.HTU, want)
		}
	}
}

func TestDPoP(t *testing.T) {
	g := exchangetest.NewServer(exchangetest.Options{RequireDPoP: true, RotateRefreshTokens: true})
	defer g.Close()
	cfg := g.Config()
	k := newKMS(t)
	cfg.DPoP = k
	c, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Exchange(t.Context(), g.AppCode(exchangetest.CodeRequest{}), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	thumbprint, _ := tokens.Extra("dpop_jkt").(string)
	tok := &tokens.Token
	for _, refresh := range []func(string) error{
		func(token string) error { tok, err = c.Refresh(t.Context(), token); return err },
		func(token string) error { tok, err = c.RefreshBound(t.Context(), token, thumbprint); return err },
		func(token string) error {
			g.Advance(time.Hour) // the nonce has expired
			tok, err = c.Refresh(t.Context(), token)
			return err
		},
	} {
		if err := refresh(tok.RefreshToken); err != nil {
			t.Fatal(err)
		}
		if tok.Extra("dpop_jkt") != thumbprint || len(thumbprint) != 43 {
			t.Errorf("dpop_jkt %q, then %q", thumbprint, tok.Extra("dpop_jkt"))
		}
	}
	var statuses []int
	for _, r := range g.Requests(exchangetest.TokenEndpoint) {
		statuses = append(statuses, r.Status)
	}
	if got, want := fmt.Sprint(statuses), "[400 200 400 200 200 400 200]"; got != want {
		t.Errorf("statuses %s, want %s: a second request for each new nonce", got, want)
	}
	if k.signed.Load() != int64(len(statuses)) {
		t.Errorf("%d signatures for %d requests", k.signed.Load(), len(statuses))
	}

	// A thief has the token and the secret.
	for name, key := range map[string]crypto.Signer{"none": nil, "another": newKMS(t)} {
		cfg.DPoP = key
		thief, err := exchange.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = thief.Refresh(t.Context(), tok.RefreshToken)
		if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Code != "invalid_dpop_proof" || !errors.Is(err, exchange.ErrClient) {
			t.Errorf("key %s: %v, want invalid_dpop_proof, which is ErrClient", name, err)
		}
		posts := len(g.Requests(exchangetest.TokenEndpoint))
		_, err = thief.RefreshBound(t.Context(), tok.RefreshToken, thumbprint)
		if e, ok := errors.AsType[*exchange.KeyError](err); !ok || !errors.Is(err, exchange.ErrKey) || e.Bound != thumbprint || (len(e.Configured) == 1) != (key != nil) {
			t.Errorf("key %s: %v, want ErrKey with both keys", name, err)
		}
		if len(g.Requests(exchangetest.TokenEndpoint)) != posts {
			t.Errorf("key %s: a request without the key that the token is bound to", name)
		}
	}

	// The key changes.
	next := newKMS(t)
	for _, keys := range []exchange.Config{
		{DPoPKeys: []crypto.Signer{next, k}},
		{DPoP: next, DPoPKeys: []crypto.Signer{k}},
		{DPoP: next, DPoPKeys: []crypto.Signer{newKMS(t), k}},
	} {
		cfg.DPoP, cfg.DPoPKeys = keys.DPoP, keys.DPoPKeys
		if c, err = exchange.New(cfg); err != nil {
			t.Fatal(err)
		}
		if tok, err = c.RefreshBound(t.Context(), tok.RefreshToken, thumbprint); err != nil {
			t.Fatal("with the old key later:", err)
		}
		tokens, err = c.Exchange(t.Context(), g.AppCode(exchangetest.CodeRequest{ForceConsent: true}), exchange.App)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := tokens.Extra("dpop_jkt").(string)
		if got == thumbprint || got != thumbprintOf(t, next) {
			t.Errorf("a new grant is bound to %q, want the new key", got)
		}
	}
}

// A grant from before goes on working, without a proof.
func TestUnboundRefresh(t *testing.T) {
	g := scripted(func(r *http.Request) (*http.Response, error) {
		if proof := r.Header.Get("DPoP"); proof != "" {
			t.Error("a proof is sent")
		}
		return says(200, `{"access_token":"ya29.a","token_type":"Bearer","dpop_jkt":"claimed"}`)(r)
	})
	c := newClient(t, g, withKey(newKMS(t)))
	tok, err := c.RefreshBound(t.Context(), refreshToken, "")
	if err != nil || tok.Extra("dpop_jkt") != nil {
		t.Errorf("%v, dpop_jkt %v; want none", err, tok.Extra("dpop_jkt"))
	}
}

func TestNonceIsAskedForAgain(t *testing.T) {
	asks := says(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "n1")
	tests := map[string]struct {
		script []answerFunc
		posts  int
		is     error // nil: success
		spent  bool
	}{
		"once":              {[]answerFunc{asks, says(200, tokenAnswer)}, 2, nil, true},
		"twice":             {[]answerFunc{asks, asks, says(200, tokenAnswer)}, 2, exchange.ErrClient, false},
		"without a nonce":   {[]answerFunc{says(400, `{"error":"use_dpop_nonce"}`), says(200, tokenAnswer)}, 1, exchange.ErrClient, false},
		"a nonce to escape": {[]answerFunc{says(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", `n","a":"`), says(200, tokenAnswer)}, 1, exchange.ErrClient, false},
		"a nonce too long":  {[]answerFunc{says(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", strings.Repeat("n", 1025)), says(200, tokenAnswer)}, 1, exchange.ErrClient, false},
		"401":               {[]answerFunc{says(401, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "n1"), says(200, tokenAnswer)}, 1, exchange.ErrClient, false},
		"500":               {[]answerFunc{says(500, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "n1"), says(200, tokenAnswer)}, 1, exchange.ErrTemporary, true},
		"then cut off":      {[]answerFunc{asks, fails(io.ErrUnexpectedEOF)}, 2, exchange.ErrTemporary, true},
		"invalid proof":     {[]answerFunc{says(400, `{"error":"invalid_dpop_proof"}`, "DPoP-Nonce", "n1"), says(200, tokenAnswer)}, 1, exchange.ErrClient, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := scripted(test.script...)
			c := newClient(t, g, withKey(newKMS(t)), func(cfg *exchange.Config) { cfg.Retry.Total = -1 })
			_, err := c.Exchange(t.Context(), goodCode, exchange.App)
			if !errors.Is(err, test.is) || g.posts() != test.posts {
				t.Errorf("%v after %d posts; want %v after %d", err, g.posts(), test.is, test.posts)
			}
			_, err = c.Exchange(t.Context(), goodCode, exchange.App)
			if spent := errors.Is(err, exchange.ErrInvalidGrant) && g.posts() == test.posts; spent != test.spent {
				t.Errorf("spent: %t (%v), want %t", spent, err, test.spent)
			}
		})
	}
}

// The second proof has the nonce of its own refusal, also if another request has brought
// another one since.
func TestSecondProofHasItsNonce(t *testing.T) {
	var c *exchange.Client
	var proofs []string
	g := scripted(func(r *http.Request) (*http.Response, error) {
		proofs = append(proofs, segment(t, r.Header.Get("DPoP"), 1))
		if len(proofs) == 1 {
			return says(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "asked")(r)
		}
		return says(200, tokenAnswer, "DPoP-Nonce", "other")(r)
	})
	interrupted := false
	c = newClient(t, g, withKey(newKMS(t)), func(cfg *exchange.Config) {
		cfg.Now = func() time.Time {
			if len(proofs) == 1 && !interrupted { // the second proof is being made
				interrupted = true
				if _, err := c.Refresh(t.Context(), "1//another"); err != nil {
					t.Error(err)
				}
			}
			return start
		}
	})
	if _, err := c.Refresh(t.Context(), refreshToken); err != nil {
		t.Fatal(err)
	}
	if len(proofs) != 3 || !strings.Contains(proofs[2], `"nonce":"asked"`) {
		t.Errorf("proofs %q", proofs)
	}
}

// Neither failure says that a refresh token is refused.
func TestRefusedProofIsNoInvalidGrant(t *testing.T) {
	for _, code := range []string{"use_dpop_nonce", "invalid_dpop_proof"} {
		g := scripted(says(400, `{"error":"`+code+`"}`, "DPoP-Nonce", "n1"))
		_, err := newClient(t, g, withKey(newKMS(t))).Refresh(t.Context(), refreshToken)
		e, ok := errors.AsType[*exchange.Error](err)
		if !ok || !errors.Is(err, exchange.ErrClient) || errors.Is(err, exchange.ErrInvalidGrant) || e.Code != code || !strings.Contains(e.Hint(), "Config.DPoP") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// The jti of the second proof for a code, which Google does not document.
func TestSecondProof(t *testing.T) {
	for _, newID := range []bool{false, true} {
		var proofs []string
		asked := false
		g := scripted(func(r *http.Request) (*http.Response, error) {
			proofs = append(proofs, r.Header.Get("DPoP"))
			if !asked {
				asked = true
				return says(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "n1")(r)
			}
			return says(200, tokenAnswer)(r)
		})
		c := newClient(t, g, withKey(newKMS(t)), func(cfg *exchange.Config) { cfg.DPoPNewID = newID })
		if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil {
			t.Fatal(err)
		}
		jti := regexp.MustCompile(`"jti":"([^"]+)"`)
		first, second := jti.FindStringSubmatch(segment(t, proofs[0], 1))[1], jti.FindStringSubmatch(segment(t, proofs[1], 1))[1]
		hash := sha256.Sum256([]byte(goodCode))
		if first != base64.RawURLEncoding.EncodeToString(hash[:]) || (first == second) == newID {
			t.Errorf("DPoPNewID %t: jti %s, then %s", newID, first, second)
		}
	}
}

// A brokenSigner has the public key of one signer and the signatures of a function.
type brokenSigner struct {
	crypto.Signer
	sign func(digest []byte) ([]byte, error)
}

func (b brokenSigner) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return b.sign(digest)
}

// A signer that fails leaves the code as it is, also after Google has asked for a
// nonce, and says nothing about a grant.
func TestSignerFails(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signature := func(r, s any) func([]byte) ([]byte, error) {
		return func([]byte) ([]byte, error) { return asn1.Marshal(struct{ R, S any }{r, s}) }
	}
	one, long := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	for name, sign := range map[string]func(digest []byte) ([]byte, error){
		"an error": func([]byte) ([]byte, error) {
			return nil, fmt.Errorf("kms: %w, asked about %s", exchange.ErrInvalidGrant, goodCode)
		},
		"a panic":            func([]byte) ([]byte, error) { panic("kms") },
		"a goroutine's end":  func([]byte) ([]byte, error) { runtime.Goexit(); return nil, nil },
		"nothing":            func([]byte) ([]byte, error) { return nil, nil },
		"no DER":             func([]byte) ([]byte, error) { return []byte("signed"), nil },
		"the JWT form":       func([]byte) ([]byte, error) { return make([]byte, 64), nil },
		"a key on P-384":     func(digest []byte) ([]byte, error) { return p384.Sign(rand.Reader, digest, crypto.SHA256) },
		"r is 0":             signature(big.NewInt(0), one),
		"s is 0":             signature(one, big.NewInt(0)),
		"r is negative":      signature(big.NewInt(-1), one),
		"r is too long":      signature(long, one),
		"s is too long":      signature(one, long),
		"r is a byte string": signature([]byte{1}, one),
		"more after it": func([]byte) ([]byte, error) {
			der, err := signature(one, one)(nil)
			return append(der, 0), err
		},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, first %t", name, first), func(t *testing.T) {
				k, good, posts, sign := newKMS(t), !first, 0, sign
				signer := brokenSigner{k, func(digest []byte) ([]byte, error) {
					if good {
						good = false
						return k.Sign(rand.Reader, digest, crypto.SHA256)
					}
					return sign(digest)
				}}
				g := scripted(says(200, tokenAnswer))
				if !first {
					g, posts = scripted(says(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "n1"), says(200, tokenAnswer)), 1
				}
				c := newClient(t, g, withKey(signer))
				func() {
					defer func() {
						if v := recover(); (v == "kms") != (name == "a panic") {
							t.Errorf("panic: %v", v)
						}
					}()
					_, err := c.Exchange(t.Context(), goodCode, exchange.App)
					if !errors.Is(err, exchange.ErrTemporary) || errors.Is(err, exchange.ErrInvalidGrant) || strings.Contains(err.Error(), "marked") {
						t.Errorf("%v, want ErrTemporary without the code", err)
					}
				}()
				if g.posts() != posts {
					t.Errorf("%d posts, want %d", g.posts(), posts)
				}
				sign = func(digest []byte) ([]byte, error) { return k.Sign(rand.Reader, digest, crypto.SHA256) }
				if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil {
					t.Errorf("the code again: %v", err)
				}
			})
		}
	}
}

// A signer has no context. One that hangs ends a call like a server that hangs.
func TestSignerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, release := newKMS(t), make(chan struct{})
		defer close(release)
		g := scripted(says(200, tokenAnswer))
		c := newClient(t, g, withKey(brokenSigner{k, func([]byte) ([]byte, error) {
			<-release
			return nil, errors.New("too late")
		}}))
		_, err := c.Refresh(t.Context(), refreshToken)
		if !errors.Is(err, exchange.ErrTemporary) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Refresh: %v, want ErrTemporary after 30 seconds", err)
		}
		_, err = c.Exchange(context.WithoutCancel(t.Context()), goodCode, exchange.App)
		if !errors.Is(err, exchange.ErrTemporary) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Exchange: %v, want ErrTemporary after 30 seconds", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err = c.Refresh(ctx, refreshToken); time.Since(began) != time.Second {
			t.Errorf("Refresh: %v, not with its context", err)
		}
		if g.posts() != 0 {
			t.Errorf("%d posts", g.posts())
		}
	})
}

// A service that changes its key behind the Client makes bad proofs.
func TestSignerChangesItsKey(t *testing.T) {
	g := exchangetest.NewServer(exchangetest.Options{})
	defer g.Close()
	before, after := newKMS(t), newKMS(t)
	sign := before.Sign
	cfg := g.Config()
	cfg.DPoP = brokenSigner{before, func(digest []byte) ([]byte, error) { return sign(rand.Reader, digest, crypto.SHA256) }}
	c, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Exchange(t.Context(), g.AppCode(exchangetest.CodeRequest{}), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	sign = after.Sign
	_, err = c.Refresh(t.Context(), tokens.RefreshToken)
	if e, ok := errors.AsType[*exchange.Error](err); !ok || e.Code != "invalid_dpop_proof" || errors.Is(err, exchange.ErrInvalidGrant) {
		t.Errorf("%v, want invalid_dpop_proof", err)
	}
	sign = before.Sign
	if _, err = c.Refresh(t.Context(), tokens.RefreshToken); err != nil {
		t.Errorf("the old key again: %v", err)
	}
}

func TestWrongKey(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*exchange.Config){
		"Config.DPoP ":        withKey(rsaKey),
		"Config.DPoP is not":  withKey(p384),
		"Config.DPoP is nil":  withKey((*ecdsa.PrivateKey)(nil)),
		"Config.DPoPKeys[1] ": func(cfg *exchange.Config) { cfg.DPoPKeys = []crypto.Signer{newKMS(t), nil} },
	} {
		cfg := exchange.Config{ClientID: clientID}
		change(&cfg)
		if _, err := exchange.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want an error that names %s", err, name)
		}
	}
}

// The key is in nothing that a Client or a Config prints.
func TestKeyIsNotPrinted(t *testing.T) {
	k := newKMS(t)
	cfg := exchange.Config{ClientID: clientID, DPoP: k.key, DPoPKeys: []crypto.Signer{k.key}}
	c, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d, err := k.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secret := new(big.Int).SetBytes(d)
	holder := struct {
		client *exchange.Client
		copied exchange.Client
	}{c, *c}
	for _, v := range []any{cfg, &cfg, c, *c, holder, &holder} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			for _, form := range []string{secret.String(), secret.Text(16), fmt.Sprint(secret.Bits()), strings.Trim(fmt.Sprint(d), "[]")} {
				if strings.Contains(text, form) {
					t.Errorf("%T under %s prints the key", v, verb)
				}
			}
		}
	}
}

// BenchmarkRefreshWithProof compares a refresh with a proof of a key in memory with
// one without, on loopback: at the fake, which signs an ID token and verifies the
// proof, and at a server that only answers. proof-ratio is that of the tenth percentiles.
// Most of a proof's time and allocations is the signature of crypto/ecdsa.
func BenchmarkRefreshWithProof(b *testing.B) {
	b.Run("at the fake", func(b *testing.B) {
		g := exchangetest.NewServer(exchangetest.Options{})
		defer g.Close()
		compareProof(b, g.Config(), func(c *exchange.Client) (*exchange.Tokens, error) {
			return c.Exchange(b.Context(), g.AppCode(exchangetest.CodeRequest{ForceConsent: true}), exchange.App)
		})
	})
	b.Run("at a server that only answers", func(b *testing.B) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, tokenAnswer)
		}))
		defer s.Close()
		cfg := exchange.Config{ClientID: clientID, ClientSecret: clientSecret}
		cfg.Endpoint.TokenURL = s.URL
		compareProof(b, cfg, func(c *exchange.Client) (*exchange.Tokens, error) {
			return c.Exchange(b.Context(), goodCode, exchange.App)
		})
	})
}

func compareProof(b *testing.B, plain exchange.Config, signIn func(*exchange.Client) (*exchange.Tokens, error)) {
	key, bound := newKMS(b).key, plain
	bound.DPoP = key
	var clients [2]*exchange.Client
	var tokens [2]string
	for i, cfg := range []exchange.Config{plain, bound} {
		var err error
		if clients[i], err = exchange.New(cfg); err != nil {
			b.Fatal(err)
		}
		t, err := signIn(clients[i])
		if err != nil {
			b.Fatal(err)
		}
		tokens[i] = t.RefreshToken
	}
	var took [2][]float64
	var signing []float64
	digest := sha256.Sum256(nil)
	for b.Loop() {
		for i, c := range clients {
			began := time.Now()
			if _, err := c.Refresh(b.Context(), tokens[i]); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], float64(time.Since(began)))
		}
		began := time.Now()
		key.Sign(nil, digest[:], crypto.SHA256)
		signing = append(signing, float64(time.Since(began)))
	}
	b.ReportMetric(quick(took[1])/quick(took[0]), "proof-ratio")
	b.ReportMetric(quick(signing)/quick(took[0]), "signature-ratio")
	b.ReportMetric(proofAllocs(b, key), "proof-allocs/call")
	b.ReportMetric(signatureAllocs(b, key), "signature-allocs/call")
}

// proofAllocs returns how many allocations more a refresh with a proof has.
func proofAllocs(t testing.TB, key crypto.Signer) float64 {
	refresh := func(key crypto.Signer) float64 {
		c := newClient(t, memory{}, withKey(key))
		return leastAllocs(func() {
			if _, err := c.Refresh(t.Context(), refreshToken); err != nil {
				t.Fatal(err)
			}
		})
	}
	return refresh(key) - refresh(nil)
}

func signatureAllocs(t testing.TB, key *ecdsa.PrivateKey) float64 {
	digest := sha256.Sum256(nil)
	return leastAllocs(func() {
		if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
			t.Fatal(err)
		}
	})
}

// leastAllocs returns how many allocations f takes. The runtime counts those of the
// whole process, so the least of several averages is f's own.
func leastAllocs(f func()) float64 {
	least := math.Inf(1)
	for range 5 {
		least = min(least, testing.AllocsPerRun(20, f))
	}
	return least
}

// A proof takes 5 allocations beside the signature, and 9 with a key service, which
// is asked on a goroutine. The race detector adds one.
func TestProofAllocations(t *testing.T) {
	k := newKMS(t)
	if own := proofAllocs(t, k.key) - signatureAllocs(t, k.key); own > 6 {
		t.Errorf("a key in memory: %v allocations beside the signature's", own)
	}
	der, err := k.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if own := proofAllocs(t, presigned{k, der}); own > 10 {
		t.Errorf("a key service: %v allocations beside the signature's", own)
	}
}

// presigned signs nothing, and allocates nothing.
type presigned struct {
	*kms
	der []byte
}

func (p presigned) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return p.der, nil }
