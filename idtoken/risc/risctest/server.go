package risctest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/internal/loopback"
)

// Options describe a Cloud project and its receiver.
type Options struct {
	// Issuer signs the events. If nil, [idtokentest.NewSharedIssuer] is used.
	Issuer *idtokentest.Issuer

	// Audience is the client ID that events are for.
	Audience string

	// Receiver gets what Google posts to the registered address. If nil, nothing
	// arrives.
	Receiver http.Handler

	// Now is the clock. If nil, time.Now is used.
	Now func() time.Time
}

// A Server is a fake of Google's RISC management API for one project, whose authorized
// domain is example.com, on a loopback port, and of the stream that it manages. Statuses and messages of refusals are
// those of https://developers.google.com/identity/protocols/risc#error_codes. The
// bodies of successes are not documented: they have the members that requests have.
//
// It is also an [http.Handler], so that a test can put one in front of it that
// fails. Make one with [NewServer]; it is safe for concurrent use.
type Server struct {
	// URL is the address of the server.
	URL string

	options  Options
	listener *loopback.Server
	underWay sync.WaitGroup // deliveries

	mu     sync.Mutex // not held while a request is read, answered or delivered
	stream *stream    // nil: none
}

// A stream is not changed once it is stored: another replaces it.
type stream struct {
	Delivery struct {
		Method string `json:"delivery_method"`
		URL    string `json:"url"`
	} `json:"delivery"`
	Events []string `json:"events_requested"`
	status string
}

const (
	serviceAccount = "risc-admin@example-project.iam.gserviceaccount.com"
	audience       = "https://risc.googleapis.com/google.identity.risc.v1beta.RiscManagementService"
	push           = "https://schemas.openid.net/secevent/risc/delivery-method/push"
)

// accountKey is the key of the service account, made when it is first needed.
var accountKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(fmt.Sprintf("risctest: making a key: %v", err)) // crypto/rand does not fail
	}
	return key
})

func accountKeyID() string {
	sum := sha256.Sum256(accountKey().N.Bytes())
	return fmt.Sprintf("%x", sum[:20])
}

// NewServer starts a server. The caller should call Close when finished. It panics
// if no loopback port can be opened.
func NewServer(o Options) *Server {
	if o.Issuer == nil {
		o.Issuer = idtokentest.NewSharedIssuer()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{options: o}
	var err error
	if s.listener, err = loopback.NewServer(s); err != nil {
		panic(fmt.Sprintf("risctest: %v", err))
	}
	s.URL = s.listener.URL
	s.listener.Start()
	return s
}

// Close waits for requests and deliveries, and shuts the server down.
func (s *Server) Close() {
	s.listener.Close()
	s.underWay.Wait()
}

// ServiceAccountJSON returns the key file of the project's service account, as
// Google's console lets one download it.
func (s *Server) ServiceAccountJSON() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(accountKey())
	if err != nil {
		panic(err) // an RSA key marshals
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "example-project", "client_email": serviceAccount, "private_key_id": accountKeyID(),
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   "https://oauth2.googleapis.com/token",
	})
	if err != nil {
		panic(err) // strings marshal
	}
	return b
}

// Config returns the configuration of a [risc.Stream] for the server.
func (s *Server) Config() risc.StreamConfig {
	return risc.StreamConfig{ServiceAccount: serviceAccount, Key: accountKey(), KeyID: accountKeyID(), Endpoint: s.URL, Now: s.options.Now}
}

// Send delivers events to the receiver in one token, and returns the HTTP status of
// its answer: 0 if nothing was sent, because there is no stream or receiver, the
// stream is disabled, or the types of the events were not asked for.
func (s *Server) Send(ctx context.Context, events ...risc.Event) (status int) {
	c := s.current()
	var wanted []risc.Event
	for _, e := range events {
		uri, _, _ := encode(e)
		if c != nil && c.status == string(risc.Enabled) && slices.Contains(c.Events, uri) {
			wanted = append(wanted, e)
		}
	}
	if len(wanted) == 0 || s.options.Receiver == nil {
		return 0
	}
	token := Token(s.options.Issuer, s.options.Audience, wanted...)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Delivery.URL, strings.NewReader(token))
	if err != nil {
		panic(err) // the address was parsed when it was registered
	}
	r.Header.Set("Content-Type", "application/secevent+jwt")
	w := &answer{header: http.Header{}, status: http.StatusOK}
	s.options.Receiver.ServeHTTP(w, r)
	return w.status
}

// An answer is a ResponseWriter that keeps the status.
type answer struct {
	header http.Header
	status int
	bytes.Buffer
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }

// ServeHTTP is https://risc.googleapis.com.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, serve := http.MethodPost, s.serveUpdate
	switch r.URL.Path {
	case "/v1beta/stream:update":
	case "/v1beta/stream":
		method, serve = http.MethodGet, s.serveStream
	case "/v1beta/stream/status":
		method, serve = http.MethodGet, s.serveStatus
	case "/v1beta/stream/status:update":
		serve = s.serveStatusUpdate
	case "/v1beta/stream:verify":
		serve = s.serveVerify
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != method {
		http.NotFound(w, r) // as Google's API servers do
		return
	}
	if r.Body == nil { // as http.NewRequest leaves it, in a test
		r.Body = http.NoBody
	}
	if !s.authorized(r) {
		refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED", "Unauthorized.")
		return
	}
	serve(w, r)
}

func (s *Server) current() *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream
}

func (s *Server) serveUpdate(w http.ResponseWriter, r *http.Request) {
	c := stream{status: string(risc.Enabled)}
	err := json.NewDecoder(r.Body).Decode(&c)
	at, parseErr := url.Parse(c.Delivery.URL)
	switch {
	case err != nil || c.Delivery.URL == "" && c.Delivery.Method == "":
		lacks(w, "delivery")
	case c.Delivery.Method == "":
		lacks(w, "delivery_method")
	case c.Delivery.URL == "":
		lacks(w, "url")
	case len(c.Events) == 0:
		lacks(w, "events_requested")
	case c.Delivery.Method != push:
		forbid(w, "Existing stream configuration does not have spec-compliant delivery method for RISC.")
	case parseErr != nil || at.Scheme != "https":
		forbid(w, "The delivery endpoint must be an HTTPS URL.")
	case !strings.HasSuffix("."+at.Hostname(), ".example.com") || strings.Contains(at.Hostname(), ":"): // an IPv6 zone has any form
		forbid(w, "The delivery endpoint does not belong to any of your project's domains.")
	default:
		known := append(risc.EventTypes(), "https://schemas.openid.net/secevent/risc/event-type/account-purged")
		c.Events = slices.DeleteFunc(c.Events, func(uri string) bool { return !slices.Contains(known, uri) })
		s.mu.Lock()
		if s.stream != nil {
			c.status = s.stream.status
		}
		s.stream = &c
		s.mu.Unlock()
		writeJSON(w, http.StatusOK, &c)
	}
}

func (s *Server) serveStream(w http.ResponseWriter, _ *http.Request) {
	if c := s.existing(w, "Project has no RISC configuration."); c != nil {
		writeJSON(w, http.StatusOK, c)
	}
}

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	if c := s.existing(w, "Project has no RISC configuration."); c != nil {
		writeJSON(w, http.StatusOK, map[string]string{"status": c.status})
	}
}

func (s *Server) serveStatusUpdate(w http.ResponseWriter, r *http.Request) {
	var body struct{ Status string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "The request is not JSON.")
		return
	}
	if s.existing(w, "Project has no existing RISC configuration, cannot update status.") == nil {
		return
	}
	switch risc.StreamStatus(body.Status) {
	case risc.Enabled, risc.Disabled:
		s.mu.Lock()
		c := *s.stream // no request removes it
		c.status = body.Status
		s.stream = &c
		s.mu.Unlock()
		writeJSON(w, http.StatusOK, map[string]string{"status": body.Status})
	default:
		forbid(w, "Invalid status.")
	}
}

// serveVerify sends the event after the response.
func (s *Server) serveVerify(w http.ResponseWriter, r *http.Request) {
	var body struct{ State string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "The request is not JSON.")
		return
	}
	if s.existing(w, "Project has no RISC configuration.") == nil {
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
	s.underWay.Go(func() { s.Send(context.Background(), risc.Verification{State: body.State}) })
}

// existing returns the stream. If there is none, it answers with the message, and
// returns nil.
func (s *Server) existing(w http.ResponseWriter, message string) *stream {
	c := s.current()
	if c == nil {
		refuse(w, http.StatusNotFound, "NOT_FOUND", message)
	}
	return c
}

// authorized reports whether r has a token that the service account has signed for
// itself (https://developers.google.com/identity/protocols/risc#auth_token).
func (s *Server) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(token, ".")
	if !ok || len(parts) != 3 {
		return false
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Sub, Aud string
		Iat, Exp      int64
	}
	if unpack(parts[0], &header) != nil || unpack(parts[1], &claims) != nil {
		return false
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	now := s.options.Now().Unix()
	return err == nil && header.Alg == "RS256" && header.Kid == accountKeyID() &&
		rsa.VerifyPKCS1v15(&accountKey().PublicKey, crypto.SHA256, digest[:], signature) == nil &&
		claims.Iss == serviceAccount && claims.Sub == serviceAccount && claims.Aud == audience &&
		claims.Iat <= now && now < claims.Exp && claims.Exp-claims.Iat <= 3600
}

func unpack(segment string, into any) error {
	text, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func lacks(w http.ResponseWriter, field string) {
	refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "Stream configuration must contain "+field+" field.")
}

func forbid(w http.ResponseWriter, message string) {
	refuse(w, http.StatusForbidden, "PERMISSION_DENIED", message)
}

// refuse answers with an error in the form of Google's APIs.
func refuse(w http.ResponseWriter, status int, name, message string) {
	type body struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}
	writeJSON(w, status, map[string]body{"error": {status, message, name}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
