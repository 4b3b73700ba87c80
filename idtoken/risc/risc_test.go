package risc_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
)

const (
	web     = "1234567890-web.apps.googleusercontent.com"
	ios     = "1234567890-ios.apps.googleusercontent.com"
	subject = "110169484474386276334"
	prefix  = "https://schemas.openid.net/secevent/"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var issuer = sync.OnceValue(func() *idtokentest.Issuer {
	i := idtokentest.NewIssuer()
	i.Now = func() time.Time { return now }
	return i
})

// A backend is a receiver and what it was told.
type backend struct {
	*risc.Receiver
	events []risc.Event
	errors []error
	fail   error // what Handle returns
}

func newBackend(t testing.TB, change func(*risc.Config)) *backend {
	t.Helper()
	keys, err := idtoken.StaticKeys(issuer().JWKS())
	if err != nil {
		t.Fatal(err)
	}
	b := new(backend)
	cfg := risc.Config{
		Audiences: []string{web, ios},
		Keys:      keys,
		Handle: func(_ context.Context, e risc.Event) error {
			if b.fail != nil {
				return b.fail
			}
			b.events = append(b.events, e)
			return nil
		},
		OnError: func(_ *http.Request, err error) { b.errors = append(b.errors, err) },
	}
	if change != nil {
		change(&cfg)
	}
	if b.Receiver, err = risc.New(cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *backend) post(t testing.TB, token string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/google/events", strings.NewReader(token))
	b.ServeHTTP(w, r)
	if failed := w.Code != http.StatusAccepted; failed != (len(b.errors) > 0) {
		t.Errorf("status %d, and OnError was told %v", w.Code, b.errors)
	}
	for _, err := range b.errors {
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 16 && strings.Contains(err.Error(), part[:16]) {
				t.Errorf("error tells the token: %v", err)
			}
		}
	}
	return w
}

// set returns the claims of a good token, changed.
func set(change func(claims map[string]any)) map[string]any {
	claims := map[string]any{
		"iss": "https://accounts.google.com/", "aud": web, "iat": now.Unix(), "jti": "756E69717565",
		"events": map[string]any{prefix + "risc/event-type/account-disabled": map[string]any{
			"subject": map[string]any{"subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": subject},
			"reason":  "hijacking",
		}},
	}
	if change != nil {
		change(claims)
	}
	return claims
}

func TestEvents(t *testing.T) {
	meta := risc.Meta{ID: "j", Audiences: []string{web}, IssuedAt: now}
	about := meta
	about.Subject = risc.Subject{ID: subject, Email: "jane.doe@gmail.com", Issuer: "https://accounts.google.com"}
	revoked := risctest.TokenRevoked("1//0refresh-token-of-jane")
	revoked.Meta = meta
	events := []risc.Event{
		risc.SessionsRevoked{Meta: about},
		risc.TokensRevoked{Meta: about},
		revoked,
		risc.AccountDisabled{Meta: about, Reason: risc.Hijacking},
		risc.AccountDisabled{Meta: about, Reason: "bulk-account"},
		risc.AccountDisabled{Meta: about},
		risc.AccountEnabled{Meta: about},
		risc.AccountPurged{Meta: about},
		risc.CredentialChangeRequired{Meta: about},
		risc.Verification{Meta: meta, State: "some state"},
		risc.Unknown{Meta: meta, Type: "https://example.com/event", Payload: json.RawMessage(`{"a":1}`)},
		risc.Unknown{Meta: meta, Type: "https://example.com/event", Payload: json.RawMessage(`{}`)},
	}
	for _, want := range events {
		t.Run(fmt.Sprintf("%T", want), func(t *testing.T) {
			b := newBackend(t, nil)
			if w := b.post(t, risctest.Token(issuer(), web, want)); w.Code != http.StatusAccepted {
				t.Fatalf("status %d: %v", w.Code, b.errors)
			}
			if len(b.events) != 1 || !reflect.DeepEqual(b.events[0], want) {
				t.Errorf("handled %+v, want %+v", b.events, want)
			}
		})
	}
}

// The receiver knows each type that is declared, and Google documents all but one.
func TestEventTypesAreComplete(t *testing.T) {
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := risc.EventTypes()
	declared := regexp.MustCompile(`(?m)^\turi\w+ += "(.+)"$`).FindAllStringSubmatch(string(source), -1)
	if len(declared) != len(documented)+1 {
		t.Errorf("%d types, of which %d are asked for", len(declared), len(documented))
	}
	for _, match := range declared {
		uri := match[1]
		if slices.Contains(documented, uri) == strings.HasSuffix(uri, "account-purged") {
			t.Errorf("%s is in EventTypes only if Google documents it", uri)
		}
		b := newBackend(t, nil)
		b.post(t, issuer().Sign(set(func(c map[string]any) {
			c["events"] = map[string]any{uri: map[string]any{"subject": map[string]any{
				"subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": subject,
				"token_identifier_alg": "prefix", "token": "1//0123456789abc",
			}}}
		})))
		if len(b.events) != 1 || strings.HasSuffix(fmt.Sprintf("%T", b.events[0]), "Unknown") {
			t.Errorf("%s: handled %+v, %v", uri, b.events, b.errors)
		}
	}
}

func TestMintedUnknown(t *testing.T) {
	b := newBackend(t, nil)
	w := b.post(t, risctest.Token(issuer(), web, risc.Unknown{Type: "https://example.com/event"}))
	if w.Code != http.StatusAccepted || len(b.events) != 1 || string(b.events[0].(risc.Unknown).Payload) != "{}" {
		t.Errorf("status %d, handled %v: %v", w.Code, b.events, b.errors)
	}
}

// TestMintedWithout pins what Token says of no events and of Meta.Audiences.
func TestMintedWithout(t *testing.T) {
	b := newBackend(t, nil)
	if w := b.post(t, risctest.Token(issuer(), web)); w.Code != http.StatusBadRequest {
		t.Errorf("without events: status %d, want 400", w.Code)
	}
	meta := risctest.About(issuer(), subject)
	meta.Audiences = []string{web}
	if w := b.post(t, risctest.Token(issuer(), "other", risc.SessionsRevoked{Meta: meta})); w.Code != http.StatusBadRequest {
		t.Errorf("for another audience: status %d, want 400", w.Code)
	}
}

// TestMintedTogether pins that the first event says whose and when the token is.
func TestMintedTogether(t *testing.T) {
	second := risc.TokensRevoked{Meta: risctest.About(issuer(), subject)}
	second.ID, second.IssuedAt = "second", now.Add(-time.Hour)
	for name, first := range map[string]risc.Meta{
		"own":     {ID: "first", IssuedAt: now.Add(-time.Minute)},
		"default": {},
	} {
		b := newBackend(t, nil)
		first.Subject = second.Subject
		b.post(t, risctest.Token(issuer(), web, risc.SessionsRevoked{Meta: first}, second))
		if first.IssuedAt.IsZero() {
			first.IssuedAt = now
		}
		for _, e := range b.events {
			m := risc.Meta{}
			switch e := e.(type) {
			case risc.SessionsRevoked:
				m = e.Meta
			case risc.TokensRevoked:
				m = e.Meta
			}
			if m.ID == "second" || first.ID != "" && m.ID != first.ID || !m.IssuedAt.Equal(first.IssuedAt) {
				t.Errorf("%s: %T has ID %q of %v", name, e, m.ID, m.IssuedAt)
			}
		}
		if len(b.events) != 2 {
			t.Errorf("%s: handled %v", name, b.events)
		}
	}
}

func TestTokenHash(t *testing.T) {
	for _, tc := range []struct{ alg, token, want string }{
		{"hash_base64_sha512_sha512", risctest.TokenRevoked("1//0refresh-token").TokenHash, risctest.TokenRevoked("1//0refresh-token").TokenHash},
		{"prefix", "1//0refresh-toke", risctest.TokenRevoked("1//0refresh-toke").TokenHash},
	} {
		b := newBackend(t, nil)
		b.post(t, issuer().Sign(set(func(c map[string]any) {
			c["events"] = map[string]any{prefix + "oauth/event-type/token-revoked": map[string]any{"subject": map[string]string{
				"subject_type": "oauth_token", "token_type": "refresh_token", "token_identifier_alg": tc.alg, "token": tc.token,
			}}}
		})))
		e, ok := b.events[0].(risc.TokenRevoked)
		if !ok || e.TokenHash != tc.want {
			t.Errorf("%s: handled %+v, want hash %s", tc.alg, b.events[0], tc.want)
		}
		if tc.alg == "prefix" && strings.Contains(fmt.Sprintf("%+v %#v", b.events, b.events), tc.token) {
			t.Error("the event tells a part of the token")
		}
	}
}

// A token that is named in another way, or not at all, is not that of an empty hash.
func TestTokenOfUnknownName(t *testing.T) {
	for _, name := range []map[string]string{
		{"token_identifier_alg": "prefix", "token": ""},
		{"token_identifier_alg": "hash_base64_sha512_sha512"},
		{"token_identifier_alg": "hash_of_tomorrow", "token": "x"},
		{"token": "x"},
	} {
		b := newBackend(t, nil)
		b.post(t, issuer().Sign(set(func(c map[string]any) {
			c["events"] = map[string]any{prefix + "oauth/event-type/token-revoked": map[string]any{"subject": name}}
		})))
		if len(b.events) != 1 || !strings.HasSuffix(fmt.Sprintf("%T", b.events[0]), "Unknown") {
			t.Errorf("%v: handled %+v, want Unknown", name, b.events)
		}
	}
}

func TestAccepted(t *testing.T) {
	event := func(change func(payload map[string]any)) func(map[string]any) {
		return func(c map[string]any) {
			for _, payload := range c["events"].(map[string]any) {
				change(payload.(map[string]any))
			}
		}
	}
	subjectWith := func(name string, value any) func(map[string]any) {
		return event(func(p map[string]any) { p["subject"].(map[string]any)[name] = value })
	}
	for name, change := range map[string]func(map[string]any){
		"as Google's sample":         nil,
		"iss without the slash":      func(c map[string]any) { c["iss"] = "https://accounts.google.com" },
		"the other client":           func(c map[string]any) { c["aud"] = ios },
		"one audience of many":       func(c map[string]any) { c["aud"] = []string{"other", web} },
		"exp long past":              func(c map[string]any) { c["exp"] = 1 },
		"issued a year ago":          func(c map[string]any) { c["iat"] = now.Unix() - 365*24*3600 },
		"unknown claims":             func(c map[string]any) { c["txn"], c["toe"] = "x", 1 },
		"iss_sub":                    subjectWith("subject_type", "iss_sub"),
		"id_token_claims":            subjectWith("subject_type", "id_token_claims"),
		"subject iss without scheme": subjectWith("iss", "accounts.google.com"),
		"without a reason":           event(func(p map[string]any) { delete(p, "reason") }),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, nil)
			w := b.post(t, issuer().Sign(set(change)))
			if w.Code != http.StatusAccepted || w.Body.Len() > 0 || len(b.events) != 1 {
				t.Errorf("status %d, body %q, events %v: %v", w.Code, w.Body, b.events, b.errors)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	claims := func(name string, value any) string {
		return issuer().Sign(set(func(c map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}))
	}
	ofSubject := func(name string, value any) string {
		return issuer().Sign(set(func(c map[string]any) {
			for _, payload := range c["events"].(map[string]any) {
				subject := payload.(map[string]any)["subject"].(map[string]any)
				if subject[name] = value; value == nil {
					delete(subject, name)
				}
			}
		}))
	}
	good := issuer().Sign(set(nil))
	text, _ := json.Marshal(set(nil))
	signed := func(header string) string {
		return issuer().SignHeader(json.RawMessage(header), set(nil))
	}
	kid := issuer().KeyID()
	const uri = prefix + "risc/event-type/sessions-revoked"
	for _, tc := range []struct{ name, token, code string }{
		{"empty", "", "invalid_request"},
		{"not a token", "hello", "invalid_request"},
		{"longer than 16 KiB", good + strings.Repeat("x", 16<<10), "invalid_request"},
		{"1 MB", strings.Repeat("x", 1<<20), "invalid_request"},
		{"in JSON", `{"token":"` + good + `"}`, "invalid_request"},
		{"alg none", signed(`{"alg":"none","kid":"` + kid + `"}`), "invalid_request"},
		{"typ of something else", signed(`{"alg":"RS256","kid":"` + kid + `","typ":"at+jwt"}`), "invalid_request"},
		{"unknown kid", signed(`{"alg":"RS256","kid":"other"}`), "invalid_key"},
		{"bad signature", good[:len(good)-4] + "AAAA", "invalid_key"},
		{"an ID token", issuer().Token(idtoken.Profile{Subject: subject, Audience: web}), "invalid_request"},
		{"a claim twice", issuer().Sign(json.RawMessage(`{"jti":"x",` + string(text[1:]))), "invalid_request"},
		{"iss absent", claims("iss", nil), "invalid_issuer"},
		{"another iss", claims("iss", "https://accounts.google.com//"), "invalid_issuer"},
		{"aud absent", claims("aud", nil), "invalid_audience"},
		{"another aud", claims("aud", "other"), "invalid_audience"},
		{"aud empty array", claims("aud", []string{}), "invalid_audience"},
		{"jti absent", claims("jti", nil), "invalid_request"},
		{"jti empty", claims("jti", ""), "invalid_request"},
		{"jti number", claims("jti", 1), "invalid_request"},
		{"jti too long", claims("jti", strings.Repeat("x", 256)), "invalid_request"},
		{"iat absent", claims("iat", nil), "invalid_request"},
		{"iat string", claims("iat", "1"), "invalid_request"},
		{"events absent", claims("events", nil), "invalid_request"},
		{"events empty", claims("events", map[string]any{}), "invalid_request"},
		{"events array", claims("events", []string{uri}), "invalid_request"},
		{"event no object", claims("events", map[string]any{uri: 1}), "invalid_request"},
		{"no subject", claims("events", map[string]any{uri: map[string]any{}}), "invalid_request"},
		{"subject a string", claims("events", map[string]any{uri: map[string]any{"subject": subject}}), "invalid_request"},
		{"subject without sub", ofSubject("sub", nil), "invalid_request"},
		{"subject with sub number", ofSubject("sub", 1), "invalid_request"},
		{"subject without iss", ofSubject("iss", nil), "invalid_request"},
		{"subject of another iss", ofSubject("iss", "https://attacker.example"), "invalid_request"},
		{"subject of another type", ofSubject("subject_type", "phone"), "invalid_request"},
		{"subject without a type", ofSubject("subject_type", nil), "invalid_request"},
		{"two bad events", claims("events", map[string]any{prefix + "risc/event-type/account-enabled": map[string]any{}, uri: 1}), "invalid_request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBackend(t, nil)
			w := b.post(t, tc.token)
			var body struct{ Err, Description string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("body is %q (%s), %v", w.Body, w.Header().Get("Content-Type"), err)
			}
			if w.Header().Get("Content-Language") == "" {
				t.Error("no Content-Language for the description")
			}
			if w.Code != http.StatusBadRequest || body.Err != tc.code || body.Description == "" {
				t.Errorf("status %d, body %+v; want 400, %s", w.Code, body, tc.code)
			}
			if len(b.events) > 0 || len(b.errors) != 1 || !errors.Is(b.errors[0], risc.ErrInvalid) {
				t.Errorf("handled %v; errors %v", b.events, b.errors)
			}
		})
	}
}

// TestSubjects pins the ways in which Google's documentation and RFC 9493 name
// an account.
func TestSubjects(t *testing.T) {
	const google = "https://accounts.google.com"
	account := func(kind, name string) map[string]any {
		return map[string]any{kind: name, "iss": google, "sub": subject}
	}
	for _, tc := range []struct {
		name           string
		inEvent, subID any
		good           bool
	}{
		{"Google's", account("subject_type", "iss-sub"), nil, true},
		{"Google's other spelling", account("subject_type", "iss_sub"), nil, true},
		{"format in the event", account("format", "iss_sub"), nil, true},
		{"sub_id beside the events", nil, account("format", "iss_sub"), true},
		{"both, the event's is read", account("format", "iss_sub"), map[string]any{"format": "iss_sub", "iss": google, "sub": "1"}, true},
		{"both, the event's is of no account", account("format", "opaque"), account("format", "iss_sub"), false},
		{"sub_id of another issuer", nil, map[string]any{"format": "iss_sub", "iss": "https://attacker.example", "sub": subject}, false},
		{"sub_id of another format", nil, account("format", "opaque"), false},
		{"sub_id a string", nil, subject, false},
		{"a type that is none beside a format", map[string]any{"subject_type": "phone", "format": "iss_sub", "iss": google, "sub": subject}, nil, false},
		{"none", nil, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			payload := map[string]any{}
			if tc.inEvent != nil {
				payload["subject"] = tc.inEvent
			}
			token := issuer().Sign(set(func(claims map[string]any) {
				claims["events"] = map[string]any{prefix + "risc/event-type/sessions-revoked": payload}
				if tc.subID != nil {
					claims["sub_id"] = tc.subID
				}
			}))
			b := newBackend(t, nil)
			w := b.post(t, token)
			if !tc.good {
				if w.Code != http.StatusBadRequest {
					t.Errorf("status %d, want 400; handled %v", w.Code, b.events)
				}
				return
			}
			if len(b.events) != 1 || b.events[0].(risc.SessionsRevoked).Subject.ID != subject {
				t.Errorf("status %d, handled %v", w.Code, b.events)
			}
		})
	}
}

// TestNotAnIDToken pins the other direction.
func TestNotAnIDToken(t *testing.T) {
	keys, err := idtoken.StaticKeys(issuer().JWKS())
	if err != nil {
		t.Fatal(err)
	}
	v, err := idtoken.New(idtoken.Config{Audiences: []string{web}, Keys: keys, Now: issuer().Now})
	if err != nil {
		t.Fatal(err)
	}
	token := issuer().Sign(set(func(c map[string]any) {
		c["iss"], c["sub"], c["exp"] = "https://accounts.google.com", subject, now.Unix()+3600
	}))
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, idtoken.ErrClaim) {
		t.Errorf("an event as an ID token: %v", err)
	}
}

func TestMethod(t *testing.T) {
	b := newBackend(t, nil)
	for _, method := range []string{"GET", "PUT", "HEAD"} {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: status %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	if len(b.errors) != 3 || !errors.Is(b.errors[0], risc.ErrInvalid) {
		t.Errorf("OnError was told %v, want ErrInvalid for each", b.errors)
	}
}

// http.NewRequest leaves the body nil, and a test of a user may pass that on.
func TestNoBody(t *testing.T) {
	b := newBackend(t, nil)
	r := httptest.NewRequest("POST", "/google/events", nil)
	r.Body = nil
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || len(b.errors) != 1 {
		t.Errorf("status %d, OnError was told %v; want 400", w.Code, b.errors)
	}
}

// A body that breaks off is not what Google has sent: it is to come again.
func TestBodyBreaksOff(t *testing.T) {
	long := io.MultiReader(strings.NewReader(strings.Repeat("x", 32<<10)), iotest.ErrReader(errors.New("read on")))
	w := httptest.NewRecorder()
	if newBackend(t, nil).ServeHTTP(w, httptest.NewRequest("POST", "/google/events", long)); w.Code != http.StatusBadRequest {
		t.Errorf("a body that is too long is read to its end: status %d, want 400", w.Code)
	}
	token := risctest.Token(issuer(), web, risc.SessionsRevoked{Meta: risctest.About(issuer(), subject)})
	for _, cause := range []error{io.ErrUnexpectedEOF, os.ErrDeadlineExceeded, context.Canceled} {
		b := newBackend(t, nil)
		body := io.MultiReader(strings.NewReader(token[:len(token)/2]), iotest.ErrReader(cause))
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("POST", "/google/events", body))
		if w.Code != http.StatusServiceUnavailable || len(b.errors) != 1 || !errors.Is(b.errors[0], cause) || errors.Is(b.errors[0], risc.ErrInvalid) {
			t.Errorf("%v: status %d, OnError was told %v; want 503", cause, w.Code, b.errors)
		}
	}
}

// TestDefaults runs a Receiver with nothing but what is required: Google's keys,
// and nobody who is told of errors.
func TestDefaults(t *testing.T) {
	handled := 0
	keys := func(r *http.Request) (*http.Response, error) {
		if r.URL.String() != "https://www.googleapis.com/oauth2/v3/certs" {
			return nil, fmt.Errorf("%s is fetched", r.URL)
		}
		w := httptest.NewRecorder()
		w.Write(issuer().JWKS())
		return w.Result(), nil
	}
	receiver, err := risc.New(risc.Config{
		Audiences:  []string{web},
		Handle:     func(context.Context, risc.Event) error { handled++; return nil },
		HTTPClient: &http.Client{Transport: transport(keys)},
	})
	if err != nil {
		t.Fatal(err)
	}
	token := risctest.Token(issuer(), web, risc.SessionsRevoked{Meta: risctest.About(issuer(), subject)})
	for body, want := range map[string]int{token: 202, "x": 400} {
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, httptest.NewRequest("POST", "/google/events", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("status %d, want %d", w.Code, want)
		}
	}
	if handled != 1 {
		t.Errorf("handled %d events, want 1", handled)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRedelivery pins that a token counts as seen when it was dealt with, and
// not before.
func TestRedelivery(t *testing.T) {
	b := newBackend(t, nil)
	token := risctest.Token(issuer(), web, risc.SessionsRevoked{Meta: risctest.About(issuer(), subject)})
	b.fail = &os.PathError{Op: "open", Path: "database", Err: errors.New("is down")}
	for range 2 {
		w := b.post(t, token)
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "database") {
			t.Errorf("status %d, %q; want 503", w.Code, w.Body)
		}
	}
	if _, typed := errors.AsType[*os.PathError](b.errors[1]); !typed || !errors.Is(b.errors[1], b.fail) {
		t.Errorf("OnError was told %v", b.errors)
	}
	b.fail, b.errors = nil, nil
	for range 3 {
		if w := b.post(t, token); w.Code != http.StatusAccepted {
			t.Errorf("status %d", w.Code)
		}
	}
	if len(b.events) != 1 {
		t.Errorf("handled %d times, want once", len(b.events))
	}
	b.post(t, risctest.Token(issuer(), web, risc.SessionsRevoked{Meta: risctest.About(issuer(), subject)}))
	if len(b.events) != 2 {
		t.Errorf("another token of the same event: handled %d times in all, want 2", len(b.events))
	}
}

func TestSeveralEvents(t *testing.T) {
	b := newBackend(t, nil)
	b.post(t, risctest.Token(issuer(), web,
		risc.SessionsRevoked{Meta: risctest.About(issuer(), subject)},
		risc.AccountDisabled{Meta: risctest.About(issuer(), subject)}))
	if len(b.events) != 2 {
		t.Errorf("handled %v, want both", b.events)
	}
}

// TestUnreadableBesideReadable pins that an event that cannot be read keeps none
// of the others back.
func TestUnreadableBesideReadable(t *testing.T) {
	const sessions, tokens = prefix + "risc/event-type/sessions-revoked", prefix + "oauth/event-type/tokens-revoked"
	of := func(iss string) map[string]any {
		return map[string]any{"subject": map[string]string{"subject_type": "iss-sub", "iss": iss, "sub": subject}}
	}
	for name, payload := range map[string]any{
		"subject of another issuer": of("https://attacker.example"),
		"no subject":                map[string]any{},
		"no object":                 1,
	} {
		t.Run(name, func(t *testing.T) {
			for _, uri := range []string{sessions, tokens} { // before the other, and after it
				other := map[string]string{sessions: tokens, tokens: sessions}[uri]
				b := newBackend(t, nil)
				w := b.post(t, issuer().Sign(set(func(c map[string]any) {
					c["events"] = map[string]any{uri: payload, other: of("https://accounts.google.com/")}
				})))
				if w.Code != http.StatusAccepted || len(b.events) != 2 {
					t.Fatalf("status %d, handled %v: %v", w.Code, b.events, b.errors)
				}
				unknown := slices.IndexFunc(b.events, func(e risc.Event) bool { _, ok := e.(risc.Unknown); return ok })
				if unknown < 0 {
					t.Fatalf("handled %+v, want one as Unknown", b.events)
				}
				want, _ := json.Marshal(payload)
				if e := b.events[unknown].(risc.Unknown); e.Type != uri || string(e.Payload) != string(want) || e.ID == "" || e.Subject != (risc.Subject{}) {
					t.Errorf("handled %+v", e)
				}
			}
		})
	}
}

// TestHandleFailsAsIfInvalid pins that an event is not lost when what Handle
// returns looks like a refusal of its token.
func TestHandleFailsAsIfInvalid(t *testing.T) {
	inner := newBackend(t, nil)
	inner.post(t, "not a token")
	refusal := inner.errors[0]
	if !errors.Is(refusal, risc.ErrInvalid) {
		t.Fatalf("error is %v", refusal)
	}
	for name, fail := range map[string]error{
		"of another receiver": fmt.Errorf("passing it on: %w", refusal),
		"of its own":          fmt.Errorf("no such user: %w", risc.ErrInvalid),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, nil)
			b.fail = fail
			token := issuer().Sign(set(nil))
			if w := b.post(t, token); w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 503", w.Code)
			}
			err := b.errors[0]
			if errors.Is(err, risc.ErrInvalid) || !errors.Is(err, fail) {
				t.Errorf("error is %v", err)
			}
			b.fail, b.errors = nil, nil
			if w := b.post(t, token); w.Code != http.StatusAccepted || len(b.events) != 1 {
				t.Errorf("delivered again: status %d, handled %v", w.Code, b.events)
			}
		})
	}
}

type source func() (*rsa.PublicKey, error)

func (s source) Key(context.Context, string) (*rsa.PublicKey, error) { return s() }

func TestKeysUnavailable(t *testing.T) {
	down := errors.New("down")
	for name, keys := range map[string]source{
		"of its own kind": func() (*rsa.PublicKey, error) { return nil, down },
		"as documented":   func() (*rsa.PublicKey, error) { return nil, fmt.Errorf("%w: %w", idtoken.ErrKeysUnavailable, down) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, func(c *risc.Config) { c.Keys = keys })
			if w := b.post(t, issuer().Sign(set(nil))); w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", w.Code)
			}
			if !errors.Is(b.errors[0], idtoken.ErrKeysUnavailable) || !errors.Is(b.errors[0], down) {
				t.Errorf("error is %v", b.errors[0])
			}
		})
	}
	b := newBackend(t, func(c *risc.Config) { c.Keys = source(func() (*rsa.PublicKey, error) { return nil, nil }) })
	if w := b.post(t, issuer().Sign(set(nil))); w.Code != http.StatusBadRequest {
		t.Errorf("without a key: status %d", w.Code)
	}
}

func TestConfiguredIssuer(t *testing.T) {
	of := func(iss string) string {
		return issuer().Sign(set(func(c map[string]any) {
			c["iss"] = iss
			c["events"] = map[string]any{prefix + "risc/event-type/verification": map[string]any{}}
		}))
	}
	b := newBackend(t, func(c *risc.Config) { c.Issuer = "https://issuer.example.com" })
	if w := b.post(t, of("https://issuer.example.com")); w.Code != http.StatusAccepted {
		t.Errorf("the one configured: status %d", w.Code)
	}
	if w := b.post(t, of("https://accounts.google.com/")); w.Code != http.StatusBadRequest {
		t.Errorf("Google: status %d", w.Code)
	}
}

func TestNewRefuses(t *testing.T) {
	handle := func(context.Context, risc.Event) error { return nil }
	for field, cfg := range map[string]risc.Config{
		"Audiences: at": {Handle: handle},
		"Audiences: an": {Handle: handle, Audiences: []string{""}},
		`Audiences: "`:  {Handle: handle, Audiences: []string{web, ios + "\n"}},
		"Handle":        {Audiences: []string{web}},
	} {
		if _, err := risc.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "risc: Config."+field) {
			t.Errorf("error is %v, want one about %s", err, field)
		}
	}
	if _, err := risc.New(risc.Config{Audiences: []string{web}, Handle: handle}); err != nil {
		t.Errorf("with all defaults: %v", err)
	}
	audiences := []string{web}
	b := newBackend(t, func(c *risc.Config) { c.Audiences = audiences })
	audiences[0] = "other"
	if w := b.post(t, issuer().Sign(set(nil))); w.Code != http.StatusAccepted || !slices.Equal(audiences, []string{"other"}) {
		t.Error("a slice changed later changes the receiver")
	}
}
