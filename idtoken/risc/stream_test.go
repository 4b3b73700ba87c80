package risc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
)

const receiverURL = "https://api.example.com/google/events"

// newStream returns a stream, and the server that it is configured for.
func newStream(t *testing.T, o risctest.Options, change ...func(*risc.StreamConfig)) (*risc.Stream, *risctest.Server) {
	t.Helper()
	srv := risctest.NewServer(o)
	t.Cleanup(srv.Close)
	cfg, err := risc.StreamConfigFromJSON(srv.ServiceAccountJSON())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Endpoint, cfg.Now = srv.URL, o.Now
	for _, c := range change {
		c(&cfg)
	}
	s, err := risc.NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, srv
}

// TestStream registers a receiver, has an event verify it, and switches the stream
// off and on.
func TestStream(t *testing.T) {
	google := idtokentest.NewSharedIssuer()
	var stream *risc.Stream
	var events []risc.Event
	receiver, err := risc.New(risc.Config{Audiences: []string{web}, Keys: google, Handle: func(_ context.Context, e risc.Event) error {
		if v, ok := e.(risc.Verification); ok {
			stream.Arrived(v)
			return nil
		}
		events = append(events, e)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	stream, srv := newStream(t, risctest.Options{Issuer: google, Audience: web, Receiver: receiver})
	ctx := t.Context()

	for doing, err := range map[string]error{
		"Info":      second(stream.Info(ctx)),
		"Status":    second(stream.Status(ctx)),
		"SetStatus": stream.SetStatus(ctx, risc.Disabled),
		"Verify":    stream.Verify(ctx),
	} {
		if !errors.Is(err, risc.ErrNoStream) {
			t.Errorf("%s before Register: %v, want ErrNoStream", doing, err)
		}
	}
	if err := stream.Register(ctx, receiverURL); err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx)
	if err != nil || info.Receiver != receiverURL || !slices.Equal(info.Events, risc.EventTypes()) {
		t.Errorf("Info: %+v, %v", info, err)
	}
	if status, err := stream.Status(ctx); err != nil || status != risc.Enabled {
		t.Errorf("Status: %q, %v", status, err)
	}
	if err := stream.Verify(ctx); err != nil {
		t.Errorf("Verify: %v", err)
	}
	revoked := risc.SessionsRevoked{Meta: risctest.About(google, subject)}
	if status := srv.Send(ctx, revoked); status != http.StatusAccepted || len(events) != 1 {
		t.Errorf("an event: %d, %v", status, events)
	}

	if err := stream.SetStatus(ctx, risc.Disabled); err != nil {
		t.Fatal(err)
	}
	if status, err := stream.Status(ctx); err != nil || status != risc.Disabled {
		t.Errorf("Status: %q, %v", status, err)
	}
	if status := srv.Send(ctx, revoked); status != 0 || len(events) != 1 {
		t.Errorf("an event, disabled: %d, %v", status, events)
	}
	if err := stream.SetStatus(ctx, risc.Enabled); err != nil {
		t.Fatal(err)
	}
	if err := stream.Register(ctx, receiverURL, info.Events[0]); err != nil {
		t.Fatal(err)
	}
	if status := srv.Send(ctx, risc.AccountEnabled{Meta: risctest.About(google, subject)}); status != 0 {
		t.Errorf("an event that was not asked for: %d", status)
	}
}

func second[T any](_ T, err error) error { return err }

func TestStreamRefusals(t *testing.T) {
	hour := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		change   func(*risc.StreamConfig)
		receiver string
		events   []string
		status   int
		message  string
		hint     string
	}{
		{name: "another key", change: func(c *risc.StreamConfig) { c.Key = other }, status: 401, message: "Unauthorized", hint: "clock"},
		{name: "another key ID", change: func(c *risc.StreamConfig) { c.KeyID = "x" }, status: 401},
		{name: "another account", change: func(c *risc.StreamConfig) { c.ServiceAccount = "x@example.com" }, status: 401},
		{name: "clock behind", change: func(c *risc.StreamConfig) { c.Now = func() time.Time { return hour.Add(-time.Hour) } }, status: 401},
		{name: "clock ahead", change: func(c *risc.StreamConfig) { c.Now = func() time.Time { return hour.Add(time.Hour) } }, status: 401},
		{name: "foreign domain", receiver: "https://example.net/", status: 403, message: "project's domains", hint: "RISC Configuration Admin"},
		{name: "address with a zone", receiver: "https://[fe80::1%25.example.com]/", status: 403, message: "project's domains", hint: "Firebase"},
		{name: "domain that ends alike", receiver: "https://badexample.com/", status: 403, message: "project's domains"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change == nil {
				tt.change = func(*risc.StreamConfig) {}
			}
			if tt.receiver == "" {
				tt.receiver = receiverURL
			}
			s, _ := newStream(t, risctest.Options{Now: func() time.Time { return hour }}, tt.change)
			err := s.Register(t.Context(), tt.receiver)
			e, ok := errors.AsType[*risc.StreamError](err)
			if !ok || e.Status != tt.status || !strings.Contains(err.Error(), tt.message) || !strings.Contains(e.Hint(), tt.hint) || errors.Is(err, risc.ErrNoStream) {
				t.Errorf("%v, want %d %s", err, tt.status, tt.message)
			}
		})
	}
	t.Run("not https", func(t *testing.T) {
		s, _ := newStream(t, risctest.Options{})
		for _, receiver := range []string{"http://api.example.com", "", "api.example.com/x", "https:///x"} {
			err := s.Register(t.Context(), receiver)
			if _, asked := errors.AsType[*risc.StreamError](err); asked || err == nil {
				t.Errorf("%q: %v, want an error before Google is asked", receiver, err)
			}
		}
	})
	t.Run("status", func(t *testing.T) {
		s, _ := newStream(t, risctest.Options{})
		if err := s.Register(t.Context(), receiverURL); err != nil {
			t.Fatal(err)
		}
		e, ok := errors.AsType[*risc.StreamError](s.SetStatus(t.Context(), "paused"))
		if !ok || e.Status != 403 || e.Message != "Invalid status." {
			t.Errorf("%v", e)
		}
	})
}

// An api is a management API in memory.
type api func(*http.Request) (*http.Response, error)

func (f api) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func says(status int, body string, header ...string) api {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func over(t *testing.T, f api) *risc.Stream {
	t.Helper()
	cfg := staticAccount(t)
	cfg.HTTPClient = &http.Client{Transport: f}
	cfg.Now = func() time.Time { return now }
	s, err := risc.NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serviceAccount(t *testing.T) []byte {
	t.Helper()
	srv := risctest.NewServer(risctest.Options{})
	defer srv.Close()
	return srv.ServiceAccountJSON()
}

func staticAccount(t *testing.T) risc.StreamConfig {
	t.Helper()
	cfg, err := risc.StreamConfigFromJSON(serviceAccount(t))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestStreamFailures(t *testing.T) {
	broken := errors.New("connection reset")
	tests := []struct {
		name   string
		api    api
		status int // of the StreamError; 0: there is none
		text   string
	}{
		{"too many", says(429, `{"error":{"code":429,"message":"Quota exceeded."}}`), 429, "Quota exceeded."},
		{"unavailable", says(503, `<html>`), 503, "HTTP 503"},
		{"server error", says(500, ``), 500, "HTTP 500"},
		{"a redirect", says(302, ``, "Location", "https://example.net"), 302, "HTTP 302"},
		{"another protocol, and a connection that stays open", func(r *http.Request) (*http.Response, error) {
			resp, err := says(101, "")(r)
			resp.Body = io.NopCloser(errReader{errors.New("read")})
			return resp, err
		}, 101, "HTTP 101"},
		{"no JSON", says(200, `<html>`), 0, "not the JSON"},
		{"a whole beginning that does not end", func(r *http.Request) (*http.Response, error) {
			resp, err := says(200, "")(r)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{}`+strings.Repeat(" ", 1<<20)), errReader{errors.New("read on")}))
			return resp, err
		}, 0, "longer than 1 MiB"},
		{"the longest", says(200, `{}`+strings.Repeat(" ", 1<<20-3)+`x`), 0, "not the JSON"},
		{"broken connection", func(*http.Request) (*http.Response, error) { return nil, broken }, 0, "connection reset"},
		{"broken body", func(r *http.Request) (*http.Response, error) {
			resp, err := says(200, "")(r)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{`), errReader{broken}))
			return resp, err
		}, 0, "connection reset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			s := over(t, func(r *http.Request) (*http.Response, error) {
				asked++
				return tt.api(r)
			})
			_, err := s.Info(t.Context())
			e, ok := errors.AsType[*risc.StreamError](err)
			if err == nil || !strings.Contains(err.Error(), tt.text) || ok != (tt.status != 0) || asked != 1 {
				t.Fatalf("%v after %d requests", err, asked)
			}
			if ok && (e.Status != tt.status || e.Hint() == "") {
				t.Errorf("%+v", e)
			}
			if tt.status == 0 && strings.Contains(tt.text, "reset") && !errors.Is(err, broken) {
				t.Errorf("%v hides its cause", err)
			}
		})
	}
}

// The message is Google's, of any length and with any character in it.
func TestStreamMessage(t *testing.T) {
	for sent, want := range map[string]string{
		`a\nb\u001b[31mc\u202e`:          "ab[31mc",
		strings.Repeat("x", 300):         strings.Repeat("x", 300),
		strings.Repeat("x", 299) + "éxx": strings.Repeat("x", 299) + "…",
	} {
		_, err := over(t, says(403, `{"error":{"message":"`+sent+`"}}`)).Info(t.Context())
		if e, ok := errors.AsType[*risc.StreamError](err); !ok || e.Message != want {
			t.Errorf("%q: %v, want %q", sent, err, want)
		}
	}
}

// A call ends after 30 seconds, whatever the API does, and leaves no connection open.
func TestStreamEnds(t *testing.T) {
	cfg := staticAccount(t)
	synctest.Test(t, func(t *testing.T) {
		cfg.HTTPClient = &http.Client{Transport: api(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		s, err := risc.NewStream(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.HTTPClient.CheckRedirect != nil {
			t.Error("the caller's client was changed")
		}
		begun := time.Now()
		if _, err := s.Info(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
	closed := false
	_, err := over(t, func(r *http.Request) (*http.Response, error) {
		resp, err := says(200, `{}`)(r)
		resp.Body = body{resp.Body, &closed}
		return resp, err
	}).Info(t.Context())
	if err != nil || !closed {
		t.Errorf("%v, the body is closed: %v", err, closed)
	}
}

// A body notes that it was closed.
type body struct {
	io.Reader
	closed *bool
}

func (b body) Close() error { *b.closed = true; return nil }

type errReader struct{ error }

func (r errReader) Read([]byte) (int, error) { return 0, r.error }

// TestStreamRequest pins what goes over the wire.
func TestStreamRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	s := over(t, func(r *http.Request) (*http.Response, error) {
		got = r
		body, _ = io.ReadAll(r.Body)
		return says(200, `{}`)(r)
	})
	type key struct{}
	if err := s.Register(context.WithValue(t.Context(), key{}, "request"), receiverURL, "urn:a", "urn:b"); err != nil {
		t.Fatal(err)
	}
	if v := got.Context().Value(key{}); v != nil {
		t.Errorf("the caller's context can be read after the call: %v", v)
	}
	const want = `{"delivery":{"delivery_method":"https://schemas.openid.net/secevent/risc/delivery-method/push","url":"` + receiverURL + `"},"events_requested":["urn:a","urn:b"]}`
	if got.Method != "POST" || got.URL.String() != "https://risc.googleapis.com/v1beta/stream:update" ||
		got.Header.Get("Content-Type") != "application/json" || got.ContentLength != int64(len(want)) || string(body) != want {
		t.Errorf("%s %s %v %s", got.Method, got.URL, got.Header, body)
	}
	token, _ := strings.CutPrefix(got.Header.Get("Authorization"), "Bearer ")
	var claims map[string]any
	if err := json.Unmarshal([]byte(payloadOf(t, token)), &claims); err != nil {
		t.Fatal(err)
	}
	account := staticAccount(t).ServiceAccount
	if claims["iss"] != account || claims["sub"] != account || claims["iat"] != float64(now.Unix()) ||
		claims["aud"] != "https://risc.googleapis.com/google.identity.risc.v1beta.RiscManagementService" {
		t.Errorf("claims %v", claims)
	}
	if lifetime := claims["exp"].(float64) - claims["iat"].(float64); lifetime <= 0 || lifetime > 3600 {
		t.Errorf("the token lives for %v s", lifetime)
	}
}

// An event that comes late, of another state, or not at all does not verify.
func TestVerifyWaits(t *testing.T) {
	cfg := staticAccount(t)
	synctest.Test(t, func(t *testing.T) {
		var state string
		cfg.HTTPClient = &http.Client{Transport: api(func(r *http.Request) (*http.Response, error) {
			var body struct{ State string }
			json.NewDecoder(r.Body).Decode(&body)
			state = body.State
			return says(200, `{}`)(r)
		})}
		s, err := risc.NewStream(cfg)
		if err != nil {
			t.Fatal(err)
		}
		verify := func(ctx context.Context) (done chan error) {
			done = make(chan error, 1)
			go func() { done <- s.Verify(ctx) }()
			synctest.Wait()
			return done
		}

		begun := time.Now()
		done := verify(t.Context())
		s.Arrived(risc.Verification{State: "another"})
		s.Arrived(risc.Verification{})
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no verification event") {
			t.Errorf("without an event: %v", err)
		}
		if waited := time.Since(begun); waited != time.Minute {
			t.Errorf("waited for %v, want a minute", waited)
		}
		s.Arrived(risc.Verification{State: state}) // late

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done = verify(short)
		first := state
		other := verify(t.Context())
		s.Arrived(risc.Verification{State: state})
		if err := <-other; err != nil {
			t.Errorf("the second: %v", err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first: %v", err)
		}
		if first == state || len(first) < 22 {
			t.Errorf("states %q and %q", first, state)
		}

		long, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		begun = time.Now()
		if err := <-verify(long); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 2*time.Minute {
			t.Errorf("%v after %v, want the caller's 2 minutes", err, time.Since(begun))
		}

		ended, end := context.WithCancelCause(t.Context())
		done = verify(ended)
		why := errors.New("shutting down")
		end(why)
		if err := <-done; !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
			t.Errorf("canceled: %v", err)
		}
		done = verify(t.Context())
		s.Arrived(risc.Verification{State: state})
		s.Arrived(risc.Verification{State: state}) // delivered again
		if err := <-done; err != nil {
			t.Errorf("delivered twice: %v", err)
		}
	})
}

func TestStreamConfig(t *testing.T) {
	good := staticAccount(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*risc.StreamConfig){
		"2048 bits":      func(c *risc.StreamConfig) { c.Key = small },
		"ServiceAccount": func(c *risc.StreamConfig) { c.ServiceAccount = "" },
		"KeyID":          func(c *risc.StreamConfig) { c.KeyID = "" },
		"Key is":         func(c *risc.StreamConfig) { c.Key = nil },
		"RSA":            func(c *risc.StreamConfig) { c.Key = curve },
		"Endpoint":       func(c *risc.StreamConfig) { c.Endpoint = "http://example.com" },
	} {
		cfg := good
		change(&cfg)
		if _, err := risc.NewStream(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error that names %s", err, want)
		}
	}
	marked, err := risc.StreamConfigFromJSON(append([]byte("\ufeff"), serviceAccount(t)...))
	if err != nil || marked.KeyID != good.KeyID {
		t.Errorf("a file with a byte order mark: %v", err)
	}
	for text, file := range map[string]string{
		"service_account": `{"type":"authorized_user","client_email":"a@example.com","private_key_id":"k","private_key":"marked"}`,
		"PEM":             `{"type":"service_account","client_email":"a@example.com","private_key_id":"k","private_key":"marked"}`,
		"PKCS #8":         `{"type":"service_account","client_email":"a@example.com","private_key_id":"k","private_key":"-----BEGIN PRIVATE KEY-----\nbWFya2Vk\n-----END PRIVATE KEY-----\n"}`,
		"ServiceAccount":  strings.Replace(string(serviceAccount(t)), `"client_email"`, `"x"`, 1),
		"JSON":            `marked`,
		"twice":           `{"type":"service_account","private_key":"marked","private_key":"marked"}`,
	} {
		if _, err := risc.StreamConfigFromJSON([]byte(file)); err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "marked") {
			t.Errorf("%v, want an error about %s", err, text)
		}
	}
}

// A vault is a Signer that has a secret in it, and not behind a pointer.
type vault struct {
	crypto.Signer
	password string
}

// Neither the key nor a token is printed, and no error quotes one.
func TestStreamShowsNoSecret(t *testing.T) {
	cfg := staticAccount(t)
	key := cfg.Key.(*rsa.PrivateKey)
	cfg.Key = vault{key, "marked-password"}
	var token string
	cfg.HTTPClient = &http.Client{Transport: api(func(r *http.Request) (*http.Response, error) {
		token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		return says(401, `{"error":{"message":"bad token `+token[len(token)-40:]+`"}}`)(r)
	})}
	s, err := risc.NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, failure := s.Info(t.Context())
	e, _ := errors.AsType[*risc.StreamError](failure)
	var bearer string
	_, quoted := over(t, func(r *http.Request) (*http.Response, error) {
		bearer, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		return nil, fmt.Errorf("proxy: bad header %q", bearer)
	}).Info(t.Context())
	if quoted == nil || strings.Contains(quoted.Error(), bearer[len(bearer)-40:]) {
		t.Errorf("%v, want an error without the token", quoted)
	}
	secrets := []string{"marked-password", key.D.String()[:40], fmt.Sprintf("%x", key.D)[:40], token[len(token)-40:]}
	for _, v := range []any{cfg, &cfg, s, failure, e} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("", "v", v)
		encoded, _ := json.Marshal(v)
		texts := []string{log.String(), string(encoded)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		for _, text := range texts {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%T shows a secret: %s", v, text)
				}
			}
		}
	}
}

// payloadOf returns the payload of a JWT.
func payloadOf(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d segments", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}
