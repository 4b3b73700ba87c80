// Package risc receives the events of Google's Cross-Account Protection: that a
// user's sessions or tokens were revoked, that an account was disabled, that a
// refresh token is dead. An app that offers Google sign-in and hears of these
// can end its own sessions before a hijacker uses them
// (https://developers.google.com/identity/protocols/risc).
//
//	receiver, err := risc.New(risc.Config{
//		Audiences: []string{webClientID, iosClientID},
//		Handle: func(ctx context.Context, event risc.Event) error {
//			switch e := event.(type) {
//			case risc.SessionsRevoked:
//				return sessions.EndAll(ctx, e.Subject.ID)
//			case risc.TokensRevoked:
//				return errors.Join(sessions.EndAll(ctx, e.Subject.ID), grants.MarkRevoked(ctx, e.Subject.ID, "tokens-revoked", e.IssuedAt))
//			case risc.TokenRevoked:
//				return grants.MarkTokenRevoked(ctx, e.TokenHash, "token-revoked")
//			case risc.AccountDisabled:
//				if e.Reason == risc.Hijacking {
//					return sessions.EndAll(ctx, e.Subject.ID)
//				}
//			}
//			return nil // nothing that Google demands
//		},
//	})
//	mux.Handle("POST /google/events", receiver)
//
// Google posts a security event token (RFC 8417), which a [Receiver] verifies
// under the keys that also sign ID tokens. It is answered with 202 when Handle
// has dealt with all its events, with 400 when it is not from Google or not for
// this backend, and with 503 when the body breaks off, the keys cannot be had or
// Handle fails, so that Google delivers it again. Tokens may come twice, late and out of
// order: what to do about an event that was overtaken, its time decides (see
// [Config.Handle]). MarkRevoked of a tokenstore.Manager, above as grants, does so.
//
// # The stream
//
// Google sends events only to a registered receiver. A [Stream] registers its address,
// once, with a service account, and has Google send a [Verification] event, which
// shows that events arrive:
//
//	key, err := os.ReadFile("service_account.json")
//	cfg, err := risc.StreamConfigFromJSON(key)
//	stream, err := risc.NewStream(cfg)
//	err = stream.Register(ctx, "https://api.example.com/google/events")
//	err = stream.Verify(ctx) // Handle calls stream.Arrived(e) for a risc.Verification
//
// Package risctest makes tokens for tests, and has a fake of the stream.
package risc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
	"github.com/seed3a054f9c/googlesignin/idtoken/internal/names"
)

// A Config says whose events a [Receiver] takes and what becomes of them.
type Config struct {
	// Audiences are all OAuth client IDs of the backend and its apps; a token
	// must be for one of them. At least one is required.
	Audiences []string

	// Handle deals with one event. It is required. What it does must be fit to be
	// done twice. A token may carry several events; if Handle fails for one, Google
	// delivers the token again, and Handle sees those before it again too.
	//
	// The Receiver does not handle again the last ten thousand tokens that Handle has
	// dealt with. It remembers them in memory: a restart forgets them, replicas do not
	// share them, and a token that arrives twice at once may be handled twice. Where
	// that matters, keep Meta.ID and the type of the event in your database, in the
	// transaction that does the work: together they are the same each time that an
	// event comes, and no other event has both.
	//
	// Order is not kept: a token that could not be dealt with comes again after
	// younger ones. Meta.IssuedAt tells which of two events about an account is
	// the younger. Keep the time of the last that locked or unlocked it, and
	// ignore an older one; and ignore that tokens or sessions from before a
	// sign-in were revoked when the user has signed in since.
	Handle func(ctx context.Context, event Event) error

	// Issuer is the iss of tokens and of their subjects. If empty, it is Google's,
	// with or without a slash at the end.
	Issuer string

	// Keys are the keys that sign tokens. If nil, Google's keys are used, fetched with
	// HTTPClient. With those of the idtoken.Verifier, keys are fetched once for both.
	Keys idtoken.KeySource

	// HTTPClient fetches Google's keys. If nil, a plain one is used.
	HTTPClient *http.Client

	// OnError, if set, gets the reason why a request was not answered with 202, for
	// your log. The error wraps [ErrInvalid],
	// [idtoken.ErrKeysUnavailable], or what Handle returned. It does not contain the
	// token.
	OnError func(*http.Request, error)
}

// A Receiver is an [http.Handler] for Google's events. It is immutable and safe
// for concurrent use; make one with [New].
type Receiver struct {
	audiences []string
	issuers   []string
	handle    func(context.Context, Event) error
	seen      *memory
	keys      idtoken.KeySource
	parser    *jose.Parser
	onError   func(*http.Request, error)
}

var _ http.Handler = (*Receiver)(nil)

// New returns a Receiver. It does no I/O.
func New(cfg Config) (*Receiver, error) {
	if len(cfg.Audiences) == 0 {
		return nil, errors.New("risc: Config.Audiences: at least one client ID is required")
	}
	if err := names.Check(cfg.Audiences); err != nil {
		return nil, fmt.Errorf("risc: Config.Audiences: %w", err)
	}
	if cfg.Handle == nil {
		return nil, errors.New("risc: Config.Handle is required")
	}
	r := &Receiver{
		audiences: slices.Clone(cfg.Audiences),
		issuers:   []string{cfg.Issuer},
		handle:    cfg.Handle,
		seen:      newMemory(10_000), // 2 MB at most
		keys:      cfg.Keys,
		parser:    jose.NewParser("jwt", "secevent+jwt"), // RFC 8417 section 2.3
		onError:   cfg.OnError,
	}
	if cfg.Issuer == "" {
		r.issuers = googleIssuers
	}
	if r.onError == nil {
		r.onError = func(*http.Request, error) {}
	}
	if r.keys == nil {
		keys, err := idtoken.RemoteKeys(idtoken.RemoteConfig{HTTPClient: cfg.HTTPClient})
		if err != nil {
			return nil, err
		}
		r.keys = keys
	}
	return r, nil
}

// googleIssuers has both spellings of ID tokens too: the sample events of
// Google's documentation use one of them in a subject.
var googleIssuers = []string{"https://accounts.google.com/", "https://accounts.google.com", "accounts.google.com"}

// ServeHTTP receives one security event token, which is the whole body
// (RFC 8935). The error response is the JSON of RFC 8935 section 2.3.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	err := r.receive(w, req)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	r.onError(req, err)
	invalid, ok := err.(*invalidError) // itself: within the failure of another it is not this token's
	switch {
	case !ok:
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	case invalid.status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Language", "en")
		w.WriteHeader(invalid.status)
		fmt.Fprintf(w, "{\"err\":%q,\"description\":%q}\n", invalid.code, invalid.reason)
	}
}

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) error {
	if req.Method != http.MethodPost {
		return &invalidError{http.StatusMethodNotAllowed, invalidRequest, "the method is not POST"}
	}
	if req.Body == nil { // a server's request has one; http.NewRequest, in a test, may not
		return invalid(invalidRequest, "there is no body")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, jose.MaxSize))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return invalid(invalidRequest, "the body is longer than 16 KiB")
	}
	if err != nil {
		return &unhandledError{"reading the body", err}
	}
	id, events, err := r.verify(req.Context(), string(body))
	if err != nil || r.seen.has(id) {
		return err
	}
	for _, event := range events {
		if err := r.handle(req.Context(), event); err != nil {
			return &unhandledError{fmt.Sprintf("handling %T", event), err}
		}
	}
	r.seen.add(id)
	return nil
}

// unhandledError is a failure of this side. The token is to come again, whatever
// the cause may say of another token: it is not ErrInvalid.
type unhandledError struct {
	doing string
	cause error
}

func (e *unhandledError) Error() string { return "risc: " + e.doing + ": " + e.cause.Error() }

func (e *unhandledError) Is(target error) bool {
	return target != ErrInvalid && errors.Is(e.cause, target)
}

func (e *unhandledError) As(target any) bool { return errors.As(e.cause, target) }
