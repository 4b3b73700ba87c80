package exchangetest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

var encode = base64.RawURLEncoding.EncodeToString

// A jwt is a proof before it is signed.
type jwt struct{ header, jwk, payload map[string]any }

func (j jwt) sign(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	header := maps.Clone(j.header)
	header["jwk"] = j.jwk
	var signed string
	for _, part := range []map[string]any{header, j.payload} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		signed += "." + encode(text)
	}
	signed = signed[1:]
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return signed + "." + encode(raw)
}

func newJWT(srv *exchangetest.Server, key *ecdsa.PrivateKey, id string) jwt {
	point, _ := key.PublicKey.Bytes()
	return jwt{
		header:  map[string]any{"typ": "dpop+jwt", "alg": "ES256"},
		jwk:     map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])},
		payload: map[string]any{"htm": "POST", "htu": srv.URL + "/token", "iat": srv.Now().Unix(), "jti": id},
	}
}

// postProved posts a form with proofs, and returns the status, the error code and
// the next nonce.
func postProved(t *testing.T, srv *exchangetest.Server, form url.Values, proofs ...string) (status int, body map[string]any, nonce string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header["Dpop"] = proofs
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body, resp.Header.Get("DPoP-Nonce")
}

func credentials(srv *exchangetest.Server, pairs ...string) url.Values {
	form := url.Values{"client_id": {srv.ClientID()}, "client_secret": {srv.ClientSecret()}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// One thing is wrong with a proof that is good otherwise.
func TestProofRefusals(t *testing.T) {
	srv := exchangetest.NewServer(exchangetest.Options{})
	defer srv.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	// The exchange.
	code := srv.AppCode(exchangetest.CodeRequest{})
	hash := sha256.Sum256([]byte(code))
	form := credentials(srv, "grant_type", "authorization_code", "code", code, "redirect_uri", "")
	proof := newJWT(srv, key, encode(hash[:]))
	status, body, nonce := postProved(t, srv, form, proof.sign(t, key))
	if status != 400 || body["error"] != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("without a nonce: %d %v, nonce %q", status, body, nonce)
	}
	proof.payload["nonce"], proof.payload["jti"] = nonce, "random"
	if status, body, _ = postProved(t, srv, form, proof.sign(t, key)); body["error"] != "invalid_dpop_proof" {
		t.Errorf("a random jti: %d %v", status, body)
	}
	proof.payload["jti"] = encode(hash[:])
	if status, body, _ = postProved(t, srv, form, proof.sign(t, key)); status != 200 || body["token_type"] != "Bearer" {
		t.Fatalf("a good proof: %d %v", status, body)
	}

	// Refreshes.
	form = credentials(srv, "grant_type", "refresh_token", "refresh_token", body["refresh_token"].(string))
	proof = newJWT(srv, key, "first")
	proof.payload["nonce"] = nonce
	status, body, nonce = postProved(t, srv, form, proof.sign(t, key))
	if body["error"] != "use_dpop_nonce" {
		t.Errorf("the nonce of an exchange: %d %v", status, body)
	}
	good := func(id string) jwt {
		j := newJWT(srv, key, id)
		j.payload["nonce"] = nonce
		return j
	}
	if status, body, _ = postProved(t, srv, form, good("used").sign(t, key)); status != 200 {
		t.Fatalf("a good proof: %d %v", status, body)
	}
	for name, wrong := range map[string]func(j *jwt) (proofs []string){
		"no proof":          func(j *jwt) []string { return nil },
		"two proofs":        func(j *jwt) []string { return []string{j.sign(t, key), j.sign(t, key)} },
		"no JWT":            func(j *jwt) []string { return []string{"proof"} },
		"another signature": func(j *jwt) []string { return []string{j.sign(t, other)} },
		"another key":       func(j *jwt) []string { o := newJWT(srv, other, "x"); j.jwk = o.jwk; return []string{j.sign(t, other)} },
		"used before":       func(j *jwt) []string { j.payload["jti"] = "used"; return []string{j.sign(t, key)} },
		"typ":               func(j *jwt) []string { j.header["typ"] = "JWT"; return []string{j.sign(t, key)} },
		"alg":               func(j *jwt) []string { j.header["alg"] = "none"; return []string{j.sign(t, key)} },
		"a kid":             func(j *jwt) []string { j.header["kid"] = "k"; return []string{j.sign(t, key)} },
		"the private key":   func(j *jwt) []string { j.jwk["d"] = "AA"; return []string{j.sign(t, key)} },
		"not on the curve":  func(j *jwt) []string { j.jwk["x"] = j.jwk["y"]; return []string{j.sign(t, key)} },
		"htm":               func(j *jwt) []string { j.payload["htm"] = "GET"; return []string{j.sign(t, key)} },
		"htu with a query":  func(j *jwt) []string { j.payload["htu"] = srv.URL + "/token?a=b"; return []string{j.sign(t, key)} },
		"htu of another":    func(j *jwt) []string { j.payload["htu"] = "https://example.com/token"; return []string{j.sign(t, key)} },
		"crv":               func(j *jwt) []string { j.jwk["crv"] = "P-384"; return []string{j.sign(t, key)} },
		"kty":               func(j *jwt) []string { j.jwk["kty"] = "OKP"; return []string{j.sign(t, key)} },
		"x too short":       func(j *jwt) []string { j.jwk["x"] = j.jwk["x"].(string)[:42]; return []string{j.sign(t, key)} },
		"a byte of x in y": func(j *jwt) []string {
			point, _ := key.PublicKey.Bytes()
			j.jwk["x"], j.jwk["y"] = encode(point[1:32]), encode(point[32:])
			return []string{j.sign(t, key)}
		},
		"two segments":    func(j *jwt) []string { p := j.sign(t, key); return []string{p[:strings.LastIndexByte(p, '.')]} },
		"a signature cut": func(j *jwt) []string { p := j.sign(t, key); return []string{p[:len(p)-2]} },
		"a signature with a zero more": func(j *jwt) []string {
			p := j.sign(t, key)
			cut := strings.LastIndexByte(p, '.') + 1
			signature, err := base64.RawURLEncoding.DecodeString(p[cut:])
			if err != nil {
				t.Fatal(err)
			}
			return []string{p[:cut] + encode(slices.Insert(signature, 32, 0))}
		},
		"iat too early": func(j *jwt) []string {
			j.payload["iat"] = srv.Now().Add(-6 * time.Minute).Unix()
			return []string{j.sign(t, key)}
		},
		"iat too late": func(j *jwt) []string {
			j.payload["iat"] = srv.Now().Add(6 * time.Minute).Unix()
			return []string{j.sign(t, key)}
		},
		"no jti": func(j *jwt) []string { delete(j.payload, "jti"); return []string{j.sign(t, key)} },
	} {
		j := good(name)
		if status, body, _ := postProved(t, srv, form, wrong(&j)...); status != 400 || body["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: %d %v, want 400 invalid_dpop_proof", name, status, body)
		} else if foreign := body["error_description"] == "Refresh token is bound to another key."; foreign != (name == "another key" || name == "no proof") {
			t.Errorf("%s: refused for another reason: %v", name, body)
		}
	}
	for _, off := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
		j := good("off by " + off.String())
		j.payload["iat"] = srv.Now().Add(off).Unix()
		if status, body, _ := postProved(t, srv, form, j.sign(t, key)); status != 200 {
			t.Errorf("iat %s off: %d %v", off, status, body)
		}
	}
	srv.Advance(6 * time.Minute)
	if status, body, next := postProved(t, srv, form, good("nonce before").sign(t, key)); status != 200 || next == nonce {
		t.Errorf("the nonce before: %d %v, then the same nonce: %t", status, body, next == nonce)
	}
	j := good("used")
	if status, body, _ := postProved(t, srv, form, j.sign(t, key)); body["error"] != "invalid_dpop_proof" {
		t.Errorf("a jti used 6 minutes ago: %d %v", status, body)
	}
	srv.Advance(5 * time.Minute)
	if status, body, nonce = postProved(t, srv, form, good("late").sign(t, key)); body["error"] != "use_dpop_nonce" {
		t.Errorf("an expired nonce: %d %v", status, body)
	}
	if status, body, _ = postProved(t, srv, form, good("late").sign(t, key)); status != 200 {
		t.Errorf("with the new nonce: %d %v", status, body)
	}
	srv.Advance(11 * time.Minute)
	if status, body, _ = postProved(t, srv, form, good("later").sign(t, key)); body["error"] != "use_dpop_nonce" {
		t.Errorf("a nonce of 11 minutes ago: %d %v", status, body)
	}
}

func TestUnboundStaysUnbound(t *testing.T) {
	srv := exchangetest.NewServer(exchangetest.Options{RotateRefreshTokens: true})
	defer srv.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := credentials(srv, "grant_type", "authorization_code", "code", srv.AppCode(exchangetest.CodeRequest{}), "redirect_uri", "")
	_, body, _ := postProved(t, srv, form)
	next := func(proofs ...string) (status int, nonce string) {
		form := credentials(srv, "grant_type", "refresh_token", "refresh_token", body["refresh_token"].(string))
		status, answer, nonce := postProved(t, srv, form, proofs...)
		if status == 200 {
			body = answer
		}
		return status, nonce
	}
	proof := newJWT(srv, key, "unbound")
	_, proof.payload["nonce"] = next(proof.sign(t, key))
	for name, proofs := range map[string][]string{"with a proof": {proof.sign(t, key)}, "without": nil} {
		if status, _ := next(proofs...); status != 200 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := next(); status != 200 {
		t.Errorf("after a refresh with a proof: %d", status)
	}
}

// A refresh token that replaces a bound one is bound to the same key.
func TestBoundStaysBound(t *testing.T) {
	srv := exchangetest.NewServer(exchangetest.Options{RotateRefreshTokens: true, RandomProofIDs: true})
	defer srv.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := credentials(srv, "grant_type", "authorization_code", "code", srv.AppCode(exchangetest.CodeRequest{}), "redirect_uri", "")
	for _, id := range []string{"exchange", "first refresh", "second refresh"} {
		if id != "exchange" {
			if status, body, _ := postProved(t, srv, form); body["error"] != "invalid_dpop_proof" {
				t.Errorf("%s without a proof: %d %v", id, status, body)
			}
		}
		proof := newJWT(srv, key, id)
		_, _, proof.payload["nonce"] = postProved(t, srv, form, proof.sign(t, key))
		status, body, _ := postProved(t, srv, form, proof.sign(t, key))
		if status != 200 {
			t.Fatalf("%s: %d %v", id, status, body)
		}
		form = credentials(srv, "grant_type", "refresh_token", "refresh_token", body["refresh_token"].(string))
	}
}

func TestDPoPOptions(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]exchangetest.Options{
		"none":           {},
		"RequireDPoP":    {RequireDPoP: true},
		"RandomProofIDs": {RandomProofIDs: true},
	} {
		srv := exchangetest.NewServer(o)
		defer srv.Close()
		exchange := func(proofs ...string) (errorCode any, nonce string) {
			code := srv.AppCode(exchangetest.CodeRequest{})
			_, body, nonce := postProved(t, srv, credentials(srv, "grant_type", "authorization_code", "code", code, "redirect_uri", ""), proofs...)
			return body["error"], nonce
		}
		if got, _ := exchange(); (got == "invalid_dpop_proof") != o.RequireDPoP {
			t.Errorf("%s: without a proof: %v", name, got)
		}
		proof := newJWT(srv, key, "random")
		proof.payload["nonce"] = "unknown"
		got, nonce := exchange(proof.sign(t, key))
		if (got == "use_dpop_nonce") != o.RandomProofIDs {
			t.Errorf("%s: with a random jti and an unknown nonce: %v", name, got)
		}
		proof.payload["nonce"] = nonce
		if got, _ := exchange(proof.sign(t, key)); (got == nil) != o.RandomProofIDs {
			t.Errorf("%s: with a random jti: %v", name, got)
		}
	}
}
