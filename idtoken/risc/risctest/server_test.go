package risctest_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
)

const (
	account   = "risc-admin@example-project.iam.gserviceaccount.com"
	audience  = "https://risc.googleapis.com/google.identity.risc.v1beta.RiscManagementService"
	configure = `{"delivery":{"delivery_method":"https://schemas.openid.net/secevent/risc/delivery-method/push","url":"https://example.com/"},"events_requested":["https://schemas.openid.net/secevent/risc/event-type/verification","urn:unknown"]}`
)

// sign returns a JWT under the service account's key.
func sign(t *testing.T, srv *risctest.Server, header, claims map[string]any) string {
	t.Helper()
	input := segment(t, header) + "." + segment(t, claims)
	digest := sha256.Sum256([]byte(input))
	signature, err := srv.Config().Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func segment(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func send(t *testing.T, srv *risctest.Server, method, path, authorization, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestAuthorization changes one thing in a good token.
func TestAuthorization(t *testing.T) {
	srv := risctest.NewServer(risctest.Options{})
	defer srv.Close()
	now := time.Now().Unix()
	tests := map[string]struct {
		member string
		value  any // nil: absent
		good   bool
	}{
		"good":                    {"", nil, true},
		"an hour":                 {"exp", now + 3500, true},
		"another algorithm":       {"alg", "none", false},
		"another key":             {"kid", "x", false},
		"no key":                  {"kid", nil, false},
		"another issuer":          {"iss", "x@example.com", false},
		"another subject":         {"sub", "x@example.com", false},
		"no subject":              {"sub", nil, false},
		"audience of an ID token": {"aud", "https://oauth2.googleapis.com/token", false},
		"expired":                 {"exp", now - 10, false},
		"no expiry":               {"exp", nil, false},
		"more than an hour":       {"exp", now + 7200, false},
		"not yet":                 {"iat", now + 600, false},
	}
	for name, tt := range tests {
		header := map[string]any{"alg": "RS256", "typ": "JWT", "kid": srv.Config().KeyID}
		claims := map[string]any{"iss": account, "sub": account, "aud": audience, "iat": now - 60, "exp": now + 600}
		for _, members := range []map[string]any{header, claims} {
			if _, ok := members[tt.member]; ok {
				members[tt.member] = tt.value
				if tt.value == nil {
					delete(members, tt.member)
				}
			}
		}
		if status, answer := send(t, srv, "POST", "/v1beta/stream:update", "Bearer "+sign(t, srv, header, claims), configure); (status == 200) != tt.good || !tt.good && status != 401 {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	good := sign(t, srv, map[string]any{"alg": "RS256", "kid": srv.Config().KeyID}, map[string]any{"iss": account, "sub": account, "aud": audience, "iat": now - 60, "exp": now + 600})
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	input := good[:strings.LastIndex(good, ".")]
	digest := sha256.Sum256([]byte(input))
	signature, err := other.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for name, authorization := range map[string]string{
		"none": "", "Basic": "Basic " + good, "no scheme": good, "no token": "Bearer x", "cut": "Bearer " + input,
		"forged": "Bearer " + input + "." + base64.RawURLEncoding.EncodeToString(signature),
	} {
		if status, answer := send(t, srv, "POST", "/v1beta/stream:update", authorization, configure); status != 401 || !strings.Contains(answer, "Unauthorized.") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestRequests(t *testing.T) {
	srv := risctest.NewServer(risctest.Options{})
	defer srv.Close()
	now := time.Now().Unix()
	token := "Bearer " + sign(t, srv, map[string]any{"alg": "RS256", "kid": srv.Config().KeyID}, map[string]any{"iss": account, "sub": account, "aud": audience, "iat": now - 60, "exp": now + 600})
	without := func(part string) string {
		if !strings.Contains(configure, part) {
			t.Fatalf("no %s to leave out", part)
		}
		return strings.Replace(configure, part, "", 1)
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/v1beta/stream", "", 404, "Project has no RISC configuration."},
		{"GET", "/v1beta/stream/status", "", 404, "Project has no RISC configuration."},
		{"POST", "/v1beta/stream/status:update", `{"status":"enabled"}`, 404, "Project has no existing RISC configuration, cannot update status."},
		{"POST", "/v1beta/stream:verify", `{"state":"x"}`, 404, "Project has no RISC configuration."},
		{"POST", "/v1beta/stream:update", `{}`, 400, "must contain delivery field"},
		{"POST", "/v1beta/stream:update", `{`, 400, "must contain delivery field"},
		{"POST", "/v1beta/stream:update", without(`"delivery_method":"https://schemas.openid.net/secevent/risc/delivery-method/push",`), 400, "must contain delivery_method field"},
		{"POST", "/v1beta/stream:update", without(`,"url":"https://example.com/"`), 400, "must contain url field"},
		{"POST", "/v1beta/stream:update", without(`,"events_requested":["https://schemas.openid.net/secevent/risc/event-type/verification","urn:unknown"]`), 400, "must contain events_requested field"},
		{"POST", "/v1beta/stream:update", strings.Replace(configure, "https://example", "http://example", 1), 403, "must be an HTTPS URL"},
		{"POST", "/v1beta/stream:update", strings.Replace(configure, "/push", "/poll", 1), 403, "spec-compliant delivery method"},
		{"GET", "/v1beta/stream", "", 404, "Project has no RISC configuration."},
		{"POST", "/v1beta/stream:update", configure, 200, ""},
		{"GET", "/v1beta/stream", "", 200, `"events_requested":["https://schemas.openid.net/secevent/risc/event-type/verification"]`},
		{"POST", "/v1beta/stream/status:update", `{"status":"paused"}`, 403, "Invalid status."},
		{"POST", "/v1beta/stream/status:update", `{"status":"disabled"}`, 200, "disabled"},
		{"POST", "/v1beta/stream:update", configure, 200, ""},
		{"GET", "/v1beta/stream/status", "", 200, "disabled"},
		{"GET", "/v1beta/stream:verify", "", 404, ""},
		{"DELETE", "/v1beta/stream", "", 404, ""},
		{"GET", "/v1beta/v1beta/stream", "", 404, ""},
	} {
		if status, answer := send(t, srv, tt.method, tt.path, token, tt.body); status != tt.status || !strings.Contains(answer, tt.answer) {
			t.Errorf("%s %s %s: %d %s; want %d %s", tt.method, tt.path, tt.body, status, answer, tt.status, tt.answer)
		}
	}
}

// A test may call ServeHTTP with a request of http.NewRequest, whose Body is nil.
func TestNoBody(t *testing.T) {
	srv := risctest.NewServer(risctest.Options{})
	defer srv.Close()
	now := time.Now().Unix()
	token := sign(t, srv, map[string]any{"alg": "RS256", "kid": srv.Config().KeyID}, map[string]any{"iss": account, "sub": account, "aud": audience, "iat": now - 60, "exp": now + 600})
	for _, path := range []string{"/v1beta/stream:update", "/v1beta/stream/status:update", "/v1beta/stream:verify"} {
		r, err := http.NewRequest("POST", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if srv.ServeHTTP(w, r); w.Code != 400 {
			t.Errorf("%s: %d, want 400", path, w.Code)
		}
	}
}

// After the panic the server is as before: it can be used, and closed.
func TestSendOfNoEvent(t *testing.T) {
	srv := risctest.NewServer(risctest.Options{})
	defer srv.Close()
	for _, event := range []risc.Event{nil, &risc.SessionsRevoked{}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T: no panic", event)
				}
			}()
			srv.Send(t.Context(), event)
		}()
	}
	if status := srv.Send(t.Context()); status != 0 {
		t.Errorf("status %d of no stream", status)
	}
}

// A sending client calls Send while the server reads its request and writes the response.
type sending struct {
	*httptest.ResponseRecorder
	body io.Reader
	send func()
}

func (s *sending) Read(p []byte) (int, error) {
	s.send()
	return s.body.Read(p)
}

func (s *sending) Write(p []byte) (int, error) {
	s.send()
	return s.ResponseRecorder.Write(p)
}

func TestSendDuringRequest(t *testing.T) {
	srv := risctest.NewServer(risctest.Options{})
	defer srv.Close()
	now := time.Now().Unix()
	token := sign(t, srv, map[string]any{"alg": "RS256", "kid": srv.Config().KeyID}, map[string]any{"iss": account, "sub": account, "aud": audience, "iat": now - 60, "exp": now + 600})
	sent := 0
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/v1beta/stream:update", configure},
		{"GET", "/v1beta/stream", ""},
		{"GET", "/v1beta/stream/status", ""},
		{"POST", "/v1beta/stream/status:update", `{"status":"enabled"}`},
		{"POST", "/v1beta/stream:verify", `{"state":"x"}`},
	} {
		client := &sending{httptest.NewRecorder(), strings.NewReader(tt.body), func() {
			sent++
			srv.Send(t.Context(), risc.Verification{})
		}}
		r := httptest.NewRequest(tt.method, tt.path, client)
		r.Header.Set("Authorization", "Bearer "+token)
		if srv.ServeHTTP(client, r); client.Code != 200 {
			t.Errorf("%s: %d, want 200", tt.path, client.Code)
		}
	}
	if sent < 8 {
		t.Errorf("%d calls of Send", sent)
	}
}
