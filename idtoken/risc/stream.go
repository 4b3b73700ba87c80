package risc

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/detach"
	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
	"github.com/seed3a054f9c/googlesignin/internal/redact"
)

// ErrNoStream is the error of a Cloud project that has no stream:
// [Stream.Register] makes one.
var ErrNoStream = errors.New("risc: the project has no stream")

// A StreamConfig says who manages a [Stream]. [StreamConfigFromJSON] reads the
// first three fields from the file that Google's console offers. It prints, logs and
// encodes without the key.
type StreamConfig struct {
	// ServiceAccount is the email address of a service account of the Cloud project
	// that the OAuth clients belong to, with the role RISC Configuration Admin
	// (roles/riscconfigs.admin). The project needs the RISC API switched on.
	ServiceAccount string

	// Key is the service account's RSA key, which may be in a KMS, and KeyID its
	// private_key_id.
	Key   crypto.Signer
	KeyID string

	// Endpoint is the address of the management API. If empty,
	// https://risc.googleapis.com is used.
	Endpoint string

	// HTTPClient makes the requests, each in 30 seconds at most. If nil, a plain one
	// is used. No redirect is followed.
	HTTPClient *http.Client

	// Now is the clock. If nil, time.Now is used.
	Now func() time.Time
}

// StreamConfigFromJSON reads the key file of a service account, as Google's console
// and gcloud write it. The addresses in it are ignored.
func StreamConfigFromJSON(serviceAccountJSON []byte) (StreamConfig, error) {
	var cfg StreamConfig
	var kind, private string
	text := bytes.TrimPrefix(serviceAccountJSON, []byte("\ufeff")) // some editors and shells write a byte order mark
	err := exactjson.Members(text, map[string]any{
		"type": &kind, "client_email": &cfg.ServiceAccount, "private_key_id": &cfg.KeyID, "private_key": &private,
	})
	if err != nil {
		return StreamConfig{}, fmt.Errorf("risc: service account key: %w", err)
	}
	if kind != "service_account" {
		return StreamConfig{}, errors.New("risc: service account key: its type is not service_account")
	}
	block, _ := pem.Decode([]byte(private))
	if block == nil {
		return StreamConfig{}, errors.New("risc: service account key: private_key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return StreamConfig{}, errors.New("risc: service account key: private_key is not PKCS #8") // err may quote it
	}
	cfg.Key, _ = key.(crypto.Signer)
	return cfg, cfg.check()
}

func (c StreamConfig) check() error {
	if c.ServiceAccount == "" || c.KeyID == "" {
		return errors.New("risc: StreamConfig.ServiceAccount and KeyID are required")
	}
	if c.Key == nil {
		return errors.New("risc: StreamConfig.Key is required")
	}
	if public, ok := c.Key.Public().(*rsa.PublicKey); !ok || public.Size() < 256 {
		return errors.New("risc: StreamConfig.Key is not an RSA key of at least 2048 bits")
	}
	return nil
}

// redacted is embedded by types without exported fields.
type redacted = redact.Form

func (c StreamConfig) redacted() redacted {
	return redacted(fmt.Sprintf("risc.StreamConfig{ServiceAccount: %q, KeyID: %q}", c.ServiceAccount, c.KeyID))
}

// Format prints c without the key, under every verb.
func (c StreamConfig) Format(s fmt.State, verb rune) { c.redacted().Format(s, verb) }

// MarshalText returns the text that [StreamConfig.Format] prints, for log/slog,
// encoding/json and other encoders. It cannot be read back.
func (c StreamConfig) MarshalText() ([]byte, error) { return c.redacted().MarshalText() }

// GobEncode returns an error.
func (c StreamConfig) GobEncode() ([]byte, error) { return c.redacted().GobEncode() }

// A Stream is what Google sends to a Cloud project: one stream of events, to one
// [Receiver]. Make one with [NewStream]. It is safe for concurrent use. No method
// tries again by itself: an error with a [*StreamError] in it says whether that can
// help.
//
// https://developers.google.com/identity/protocols/risc has the API.
type Stream struct {
	redacted

	token func() (string, error) // a function, because fmt looks into fields
	api   *url.URL
	http  *http.Client
	now   func() time.Time

	mu      sync.Mutex
	waiting map[string]chan struct{} // by state, closed when its event arrives
}

const (
	managementAPI = "https://risc.googleapis.com"
	// The audience of the token is the service, wherever Endpoint is.
	managementService = "https://risc.googleapis.com/google.identity.risc.v1beta.RiscManagementService"
	deliveryPush      = "https://schemas.openid.net/secevent/risc/delivery-method/push"

	streamTimeout = 30 * time.Second
	tokenLifetime = 10 * time.Minute // Google allows an hour
	maxAnswer     = 1 << 20
)

// NewStream returns a Stream. It does no I/O.
func NewStream(cfg StreamConfig) (*Stream, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	api, err := endpoint.Parse(cmp.Or(cfg.Endpoint, managementAPI))
	if err != nil {
		return nil, fmt.Errorf("risc: StreamConfig.Endpoint: %w", err)
	}
	s := &Stream{
		redacted: redacted(fmt.Sprintf("risc.Stream{ServiceAccount: %q}", cfg.ServiceAccount)),
		api:      api,
		http:     new(http.Client),
		now:      cfg.Now,
		waiting:  make(map[string]chan struct{}),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if cfg.HTTPClient != nil {
		*s.http = *cfg.HTTPClient
	}
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.token = func() (string, error) { return selfSigned(cfg, s.now()) }
	return s, nil
}

// selfSigned returns the token of a service account for itself (RFC 7523).
func selfSigned(cfg StreamConfig, now time.Time) (string, error) {
	header, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": cfg.KeyID}) // strings marshal
	claims, _ := json.Marshal(map[string]any{
		"iss": cfg.ServiceAccount, "sub": cfg.ServiceAccount, "aud": managementService,
		"iat": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
	})
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(input))
	signature, err := cfg.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("signing with StreamConfig.Key: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// A StreamInfo is the configuration of a stream.
type StreamInfo struct {
	Receiver string   // address to which Google posts events
	Events   []string // types of events that were asked for, as URIs
}

// Register has Google send events to the receiver at this https address, whose
// domain must be one of the project's authorized domains. It makes the project's
// stream, or replaces the configuration that it has. Without any events, all that
// Google documents are asked for; [EventTypes] has them.
func (s *Stream) Register(ctx context.Context, receiver string, events ...string) error {
	if u, err := url.Parse(receiver); err != nil || u.Scheme != "https" || u.Host == "" {
		return errors.New("risc: registering the receiver: its address is not https")
	}
	if len(events) == 0 {
		events = EventTypes()
	}
	var body configuration
	body.Delivery.Method, body.Delivery.URL = deliveryPush, receiver
	body.Events = events
	return s.call(ctx, "registering the receiver", "/v1beta/stream:update", body, nil)
}

// EventTypes returns the URIs of the event types that Google documents, the
// verification event among them.
func EventTypes() []string {
	return []string{uriSessionsRevoked, uriTokensRevoked, uriTokenRevoked, uriAccountDisabled, uriAccountEnabled,
		uriCredentialChangeRequired, uriVerification}
}

type configuration struct {
	Delivery struct {
		Method string `json:"delivery_method"`
		URL    string `json:"url"`
	} `json:"delivery"`
	Events []string `json:"events_requested"`
}

// Info returns the configuration of the project's stream, or an error that Is
// ErrNoStream.
func (s *Stream) Info(ctx context.Context) (StreamInfo, error) {
	var c configuration
	err := s.call(ctx, "reading the configuration", "/v1beta/stream", nil, &c)
	return StreamInfo{Receiver: c.Delivery.URL, Events: c.Events}, err
}

// A StreamStatus says whether Google sends events.
type StreamStatus string

const (
	Enabled  StreamStatus = "enabled"
	Disabled StreamStatus = "disabled" // events are lost: Google keeps none for later
)

type statusBody struct {
	Status StreamStatus `json:"status"`
}

// Status returns the status of the project's stream, or an error that Is
// ErrNoStream.
func (s *Stream) Status(ctx context.Context) (StreamStatus, error) {
	var b statusBody
	err := s.call(ctx, "reading the status", "/v1beta/stream/status", nil, &b)
	return b.Status, err
}

// SetStatus switches the project's stream on or off.
func (s *Stream) SetStatus(ctx context.Context, status StreamStatus) error {
	return s.call(ctx, "setting the status", "/v1beta/stream/status:update", statusBody{status}, nil)
}

// Verify asks Google for a verification event and waits until [Stream.Arrived] is
// called with it: then everything between Google and Config.Handle works. If ctx
// has no deadline, Verify waits for a minute. The stream must be enabled and ask for
// verification events.
//
// The error Is context.DeadlineExceeded if no event arrives in time. One that comes
// later is ignored.
func (s *Stream) Verify(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Minute)
		defer cancel()
	}
	state, arrived := rand.Text(), make(chan struct{})
	s.mu.Lock()
	s.waiting[state] = arrived
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, state)
		s.mu.Unlock()
	}()
	err := s.call(ctx, "asking for a verification event", "/v1beta/stream:verify", map[string]string{"state": state}, nil)
	if err != nil {
		return err
	}
	select {
	case <-arrived:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("risc: no verification event has arrived: %w", ctxerr.Of(ctx))
	}
}

// Arrived ends the [Stream.Verify] that has asked for the event. Call it in
// Config.Handle with every [Verification]. Of several replicas, Google reaches one:
// have that one pass the event on to the one that waits.
func (s *Stream) Arrived(e Verification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if arrived, ok := s.waiting[e.State]; ok {
		delete(s.waiting, e.State)
		close(arrived)
	}
}

// call asks the API once: with POST if there is a body, else with GET. It decodes the
// answer into result, if that is not nil.
func (s *Stream) call(ctx context.Context, doing, path string, body, result any) error {
	token, err := s.token()
	if err == nil {
		err = s.send(ctx, token, path, body, result)
	}
	if err != nil {
		return redact.Failure(ctx, "risc: "+doing, err, token)
	}
	return nil
}

func (s *Stream) send(ctx context.Context, token, path string, body, result any) error {
	timed, cancel := detach.WithTimeout(ctx, streamTimeout)
	defer cancel()
	defer timed.Release()
	req, err := http.NewRequestWithContext(timed, http.MethodGet, s.api.JoinPath(path).String(), nil)
	if err != nil {
		return err
	}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		req.Method, req.Body = http.MethodPost, io.NopCloser(bytes.NewReader(text))
		req.ContentLength = int64(len(text))
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return refusedBy(resp.StatusCode, nil, token) // Body is the raw connection: reading it does not stop when ctx ends
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return refusedBy(resp.StatusCode, text, token)
	case len(text) > maxAnswer:
		return errors.New("the response is longer than 1 MiB")
	case result != nil && json.Unmarshal(text, result) != nil:
		return errors.New("the response is not the JSON that Google documents")
	}
	return nil
}

// refusedBy returns the error that a response to a request with this token reports.
func refusedBy(status int, text []byte, token string) error {
	var body struct {
		Error struct{ Message string }
	}
	_ = json.Unmarshal(text, &body) // no JSON: no message
	message := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, body.Error.Message)
	if len(message) > 300 {
		message = strings.ToValidUTF8(message[:300], "") + "…"
	}
	if redact.Repeats(message, token) {
		message = ""
	}
	return &StreamError{Status: status, Message: message}
}

// A StreamError is the refusal of a call to the management API.
type StreamError struct {
	Status  int    // HTTP status: after 429 and 5xx, a later try may succeed
	Message string // Google's, for people; empty: it gave none
}

func (e *StreamError) Error() string {
	text := fmt.Sprintf("HTTP %d", e.Status)
	if e.Message != "" {
		text += fmt.Sprintf(" %q", e.Message)
	}
	return text
}

// Is matches [ErrNoStream], which is status 404.
func (e *StreamError) Is(target error) bool {
	return target == ErrNoStream && e.Status == http.StatusNotFound
}

// Hint says in a sentence or two what to do about the error
// (https://developers.google.com/identity/protocols/risc#error_codes).
func (e *StreamError) Hint() string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "Google does not take the service account's key: see whether the key was deleted, and whether this machine's clock is right."
	case e.Status == http.StatusForbidden:
		return "Google's message says which: the service account needs the role RISC Configuration Admin in the project of the OAuth clients, the project an OAuth client, and the receiver an https address on one of the project's authorized domains. Firebase, with Google sign-in switched on, has the project's stream for itself."
	case e.Status == http.StatusNotFound:
		return "The project has no stream yet: register the receiver."
	case e.Status == http.StatusTooManyRequests || e.Status >= 500:
		return "Try again later."
	}
	return "See Google's message, and the Endpoint of the StreamConfig."
}
