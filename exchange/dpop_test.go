package exchange_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A kms is a signer that is not an *ecdsa.PrivateKey, and counts.
type kms struct {
	key     *ecdsa.PrivateKey
	signed  atomic.Int64
	failing atomic.Pointer[error]
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
	if err := k.failing.Load(); err != nil {
		return nil, *err
	}
	if opts != crypto.SHA256 {
		return nil, fmt.Errorf("hash %v", opts)
	}
	return k.key.Sign(random, digest, opts)
}

func withKey(k crypto.Signer) func(*exchange.Config) {
	return func(cfg *exchange.Config) { cfg.DPoP = k }
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
		payload("[A-Z2-7]{26}", ""),
		payload(hash(goodCode+"2"), `,"nonce":"nonce-1"`), // of the exchange before, not of the refresh
		payload("[A-Z2-7]{26}", `,"nonce":"nonce-2"`),
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
	cfg.DPoP, cfg.DPoPKeys = nil, []crypto.Signer{newKMS(t), k}
	if c, err = exchange.New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RefreshBound(t.Context(), tok.RefreshToken, thumbprint); err != nil {
		t.Errorf("with the old key second: %v", err)
	}
	if tokens, err = c.Exchange(t.Context(), g.AppCode(exchangetest.CodeRequest{ForceConsent: true}), exchange.App); err != nil {
		t.Fatal(err)
	}
	if got := tokens.Extra("dpop_jkt"); got == thumbprint || got == nil {
		t.Errorf("a new grant is bound to %v, the old key", got)
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
		if (first == second) == newID {
			t.Errorf("DPoPNewID %t: jti %s, then %s", newID, first, second)
		}
	}
}

func TestSignerFails(t *testing.T) {
	k := newKMS(t)
	g := scripted(says(200, tokenAnswer))
	c := newClient(t, g, withKey(k))
	down := fmt.Errorf("kms: %w, asked about %s", exchange.ErrInvalidGrant, goodCode)
	k.failing.Store(&down)
	_, err := c.Exchange(t.Context(), goodCode, exchange.App)
	if !errors.Is(err, exchange.ErrTemporary) || errors.Is(err, exchange.ErrInvalidGrant) || strings.Contains(err.Error(), "marked") || g.posts() != 0 {
		t.Errorf("%v after %d posts; want ErrTemporary, without the code, after none", err, g.posts())
	}
	k.failing.Store(nil)
	if _, err := c.Exchange(t.Context(), goodCode, exchange.App); err != nil {
		t.Errorf("the code again: %v", err)
	}
	if _, err := newClient(t, g, withKey(odd{k})).Refresh(t.Context(), refreshToken); !errors.Is(err, exchange.ErrTemporary) {
		t.Errorf("a signature that is not one: %v", err)
	}
}

// odd signs with something else.
type odd struct{ *kms }

func (odd) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return []byte("signed"), nil }

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

// BenchmarkRefreshWithProof compares a refresh with a proof with one without, on
// loopback: at the fake, which signs an ID token and verifies the proof, and at a
// server that only answers. proof-ratio is that of the quickest calls. Most of a
// proof's time and allocations is the signature of crypto/ecdsa.
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
	bound := plain
	bound.DPoP = newKMS(b)
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
	for b.Loop() {
		for i, c := range clients {
			began := time.Now()
			if _, err := c.Refresh(b.Context(), tokens[i]); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], float64(time.Since(began)))
		}
	}
	digest := sha256.Sum256(nil)
	b.ReportMetric(quick(took[1])/quick(took[0]), "proof-ratio")
	b.ReportMetric(testing.AllocsPerRun(100, func() { bound.DPoP.Sign(rand.Reader, digest[:], crypto.SHA256) }), "signer-allocs/call")
}

// The client's own part of a proof.
func TestProofAllocations(t *testing.T) {
	k := newKMS(t)
	digest := sha256.Sum256(nil)
	der, err := k.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	refresh := func(key crypto.Signer) float64 {
		answer := func(r *http.Request) (*http.Response, error) { return says(200, tokenAnswer, "DPoP-Nonce", "n1")(r) }
		c := newClient(t, scripted(answer), withKey(key))
		return testing.AllocsPerRun(100, func() {
			if _, err := c.Refresh(t.Context(), refreshToken); err != nil {
				t.Fatal(err)
			}
		})
	}
	if more := refresh(presigned{k, der}) - refresh(nil); more > 12 {
		t.Errorf("a proof takes %v allocations beside the signer's", more)
	}
}

// presigned signs nothing, and allocates nothing.
type presigned struct {
	*kms
	der []byte
}

func (p presigned) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return p.der, nil }
