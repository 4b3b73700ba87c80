package idtoken_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// FuzzVerify gives a verifier any text: it never panics, and what it accepts the
// oracle accepts.
func FuzzVerify(f *testing.F) {
	for _, tc := range corpus() {
		if len(tc.token) < 4<<10 {
			f.Add(tc.token)
		}
	}
	v := newVerifier(f, nil)
	f.Fuzz(func(t *testing.T, token string) {
		p, err := v.Verify(t.Context(), token)
		if err != nil {
			checkText(t, err, token)
			return
		}
		checkAccepted(t, token, p)
	})
}

// FuzzPayload signs any payload: what is accepted keeps every rule, as read by
// encoding/json.
func FuzzPayload(f *testing.F) {
	for _, tc := range corpus() {
		if parts := strings.Split(tc.token, "."); len(parts) == 3 && len(tc.token) < 4<<10 {
			if p, err := decodeSegment(parts[1]); err == nil {
				f.Add(p)
			}
		}
	}
	v := newVerifier(f, nil)
	f.Fuzz(func(t *testing.T, payload []byte) {
		token := issuer().SignHeader(header(), json.RawMessage(payload))
		p, err := v.Verify(t.Context(), token)
		if err != nil {
			checkText(t, err, token)
			return
		}
		checkRules(t, payload, p)
	})
}

// FuzzHeader signs under any header: what is accepted asks for RS256 under the
// key that was used.
func FuzzHeader(f *testing.F) {
	for _, tc := range corpus() {
		if parts := strings.Split(tc.token, "."); len(parts) == 3 && len(tc.token) < 4<<10 {
			if h, err := decodeSegment(parts[0]); err == nil {
				f.Add(h)
			}
		}
	}
	v := newVerifier(f, nil)
	f.Fuzz(func(t *testing.T, text []byte) {
		token := issuer().SignHeader(json.RawMessage(text), payload())
		if _, err := v.Verify(t.Context(), token); err != nil {
			checkText(t, err, token)
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatalf("accepted, but encoding/json says: %v", err)
		}
		var alg, kid string
		json.Unmarshal(members["alg"], &alg)
		json.Unmarshal(members["kid"], &kid)
		if alg != "RS256" || kid != issuer().KeyID() {
			t.Errorf("accepted alg %q, kid %q", alg, kid)
		}
		for _, name := range []string{"crit", "b64", "jwk", "jku", "x5u", "x5c"} {
			if _, ok := members[name]; ok {
				t.Errorf("accepted %s", name)
			}
		}
	})
}

// checkRules fails if the claims of an accepted token break a rule.
func checkRules(t *testing.T, payload []byte, p *idtoken.Profile) {
	t.Helper()
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatalf("accepted, but encoding/json says: %v", err)
	}
	var iss, sub, aud string
	var exp, iat float64
	for name, into := range map[string]any{"iss": &iss, "sub": &sub, "exp": &exp, "iat": &iat} {
		if err := json.Unmarshal(claims[name], into); err != nil {
			t.Fatalf("accepted, but %s: %v", name, err)
		}
	}
	if json.Unmarshal(claims["aud"], &aud) == nil && aud != web {
		t.Errorf("accepted aud %q", aud)
	}
	if iss != "https://accounts.google.com" && iss != "accounts.google.com" {
		t.Errorf("accepted iss %q", iss)
	}
	if sub == "" || len(sub) > 255 || strings.Contains(sub, " ") || sub != p.Subject {
		t.Errorf("accepted sub %q as %q", sub, p.Subject)
	}
	const slack = 61 // the leeway, and what a float64 may lose
	at := float64(now.Unix())
	if exp <= at-slack || iat > at+slack || exp-iat > (24*time.Hour).Seconds()+1 || exp < iat {
		t.Errorf("accepted iat %v, exp %v at %v", iat, exp, at)
	}
	if _, ok := claims["events"]; ok {
		t.Error("accepted a security event")
	}
	var azp string
	if text, ok := claims["azp"]; ok && (json.Unmarshal(text, &azp) != nil || !strings.HasPrefix(azp, "1234567890-") && azp != "1234567890.apps.googleusercontent.com") {
		t.Errorf("accepted azp %s", text)
	}
}

// FuzzOneByte changes, inserts or removes one byte of a good token, which may
// have been accepted before.
func FuzzOneByte(f *testing.F) {
	token := good()
	for _, i := range []uint{0, 1, uint(strings.IndexByte(token, '.')), uint(len(token) - 1), uint(len(token))} {
		for how := range uint(3) {
			f.Add(i, how, byte('A'))
			f.Add(i, how, byte('\n'))
		}
	}
	cold := newVerifier(f, nil)
	warm := newVerifier(f, func(c *idtoken.Config) { c.CacheSize = 10 })
	f.Fuzz(func(t *testing.T, i, how uint, c byte) {
		if _, err := warm.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		i %= uint(len(token))
		bad := token[:i] + string([]byte{c})
		switch how % 3 {
		case 0:
			bad += token[i+1:]
		case 1:
			bad += token[i:]
		case 2:
			bad = token[:i] + token[i+1:]
		}
		if bad == token {
			return
		}
		for _, v := range []*idtoken.Verifier{cold, warm} {
			if _, err := v.Verify(t.Context(), bad); err == nil {
				t.Errorf("accepted %q", bad)
			}
		}
	})
}
