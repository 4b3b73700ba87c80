package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	m.Run()
}

func TestTour(t *testing.T) {
	var out strings.Builder
	if err := tour(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `sign-in: No Content; Google reports risc.SessionsRevoked: Accepted; the session: Unauthorized; the grant: active 
sign-in: No Content; Google reports risc.TokensRevoked: Accepted; the session: Unauthorized; the grant: needs_consent tokens-revoked
sign-in: No Content; Google reports risc.TokenRevoked: Accepted; the session: No Content; the grant: needs_consent token-revoked
sign-in: No Content; Google reports risc.AccountDisabled: Accepted; the session: Unauthorized; the grant: active 
sign-in: Forbidden; Google reports risc.AccountEnabled: Accepted; the grant: active 
`
	if out.String() != want {
		t.Errorf("the tour tells\n%s, want\n%s", &out, want)
	}
}

// signedIn returns a world with a user in it, and that user's grant.
func signedIn(t *testing.T) (w *world, session *http.Cookie, subject string, grant tokenstore.Grant) {
	t.Helper()
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	session, status, err := w.signIn(t.Context())
	if err != nil || status != http.StatusNoContent {
		t.Fatalf("sign-in: status %d, %v", status, err)
	}
	subject, grant, err = w.grant(t.Context())
	if err != nil || grant.RefreshToken == "" {
		t.Fatalf("the grant is %v, %v", grant, err)
	}
	return w, session, subject, grant
}

// TestOthersAreLeftAlone sends events that are about somebody else.
func TestOthersAreLeftAlone(t *testing.T) {
	w, session, _, grant := signedIn(t)
	for _, event := range []risc.Event{
		risc.SessionsRevoked{Meta: risctest.About(w.google.Issuer(), "somebody-else")},
		risc.TokensRevoked{Meta: risctest.About(w.google.Issuer(), "somebody-else")},
		risctest.TokenRevoked(grant.RefreshToken + "x"),
		risc.Verification{State: "hello"},
		risc.Unknown{Type: "https://example.com/event", Payload: []byte("{}")},
	} {
		if status, err := w.event(t.Context(), event); status != http.StatusAccepted || err != nil {
			t.Errorf("%T: status %d, %v", event, status, err)
		}
	}
	if status, err := w.me(t.Context(), session); status != http.StatusNoContent || err != nil {
		t.Errorf("the session: status %d, %v", status, err)
	}
	if _, g, err := w.grant(t.Context()); g.State != tokenstore.Active || err != nil {
		t.Errorf("the grant: %v, %v", g.State, err)
	}
}

// TestByPrefix is the other way in which Google names a token.
func TestByPrefix(t *testing.T) {
	w, _, _, grant := signedIn(t)
	status, err := w.event(t.Context(), risctest.TokenRevoked(grant.RefreshToken[:16]))
	if status != http.StatusAccepted || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	if _, g, _ := w.grant(t.Context()); g.State != tokenstore.NeedsConsent {
		t.Errorf("the grant is %v", g.State)
	}
}

// TestAfterTokensRevoked pins that Google is not asked for what it has taken
// back.
func TestAfterTokensRevoked(t *testing.T) {
	w, _, subject, _ := signedIn(t)
	if _, err := w.event(t.Context(), risc.TokensRevoked{Meta: risctest.About(w.google.Issuer(), subject)}); err != nil {
		t.Fatal(err)
	}
	before := len(w.google.Requests())
	if _, err := w.backend.grants.Token(t.Context(), subject); !errors.Is(err, tokenstore.ErrNeedsConsent) {
		t.Errorf("Token: %v, want ErrNeedsConsent", err)
	}
	if after := len(w.google.Requests()); after != before {
		t.Errorf("%d requests to Google", after-before)
	}
}

// TestOrder delivers events late, as Google does when a first delivery has
// failed: they must not undo what has happened since.
func TestOrder(t *testing.T) {
	w, session, subject, _ := signedIn(t)
	about := func(age time.Duration) risc.Meta {
		m := risctest.About(w.google.Issuer(), subject)
		m.IssuedAt = time.Now().Add(-age)
		return m
	}
	signsIn := func(want int) {
		t.Helper()
		if _, status, err := w.signIn(t.Context()); status != want || err != nil {
			t.Errorf("sign-in: status %d, %v; want %d", status, err, want)
		}
	}
	deliver := func(events ...risc.Event) {
		t.Helper()
		for _, e := range events {
			if status, err := w.event(t.Context(), e); status != http.StatusAccepted || err != nil {
				t.Errorf("%T: status %d, %v", e, status, err)
			}
		}
	}

	deliver(risc.AccountEnabled{Meta: about(10 * time.Minute)}, risc.AccountDisabled{Meta: about(20 * time.Minute), Reason: risc.Hijacking})
	signsIn(http.StatusNoContent)
	deliver(risc.AccountDisabled{Meta: about(5 * time.Minute)}, risc.AccountEnabled{Meta: about(6 * time.Minute)})
	signsIn(http.StatusForbidden)
	deliver(risc.AccountEnabled{Meta: about(4 * time.Minute)})
	signsIn(http.StatusNoContent)
	same := about(3 * time.Minute)
	deliver(risc.AccountDisabled{Meta: same}, risc.AccountEnabled{Meta: same})
	signsIn(http.StatusNoContent)

	deliver(risc.SessionsRevoked{Meta: about(2 * time.Minute)}, risc.TokensRevoked{Meta: about(48 * time.Hour)})
	if status, err := w.me(t.Context(), session); status != http.StatusNoContent || err != nil {
		t.Errorf("the session, opened since: status %d, %v", status, err)
	}
	if _, g, err := w.grant(t.Context()); g.State != tokenstore.Active || err != nil {
		t.Errorf("the grant, renewed since: %v, %v", g.State, err)
	}
}

// broken is a store that cannot find anything.
type broken struct{ *tokenstore.Memory }

func (broken) Find(context.Context, string) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) { yield(tokenstore.Key{}, errors.New("down")) }
}

// TestStoreDown pins that Google delivers again what could not be dealt with.
func TestStoreDown(t *testing.T) {
	w, _, _, grant := signedIn(t)
	var err error
	w.backend.grants, err = tokenstore.New(tokenstore.Config{
		ClientID: w.google.ClientID(), Store: broken{w.backend.store.(*tokenstore.Memory)}, Refresher: w.backend.client,
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := w.event(t.Context(), risctest.TokenRevoked(grant.RefreshToken)); status != http.StatusServiceUnavailable || err != nil {
		t.Errorf("status %d, %v; want 503", status, err)
	}
}

func TestForgedEvent(t *testing.T) {
	w, session, subject, _ := signedIn(t)
	other, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	other.google.Issuer().Rotate() // the fakes share their first key
	token := risctest.Token(other.google.Issuer(), w.google.ClientID(), risc.SessionsRevoked{Meta: risctest.About(other.google.Issuer(), subject)})
	resp, err := w.do(t.Context(), "POST", "/google/events", strings.NewReader(token), func(http.Header) {})
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a forged event: %v, %v", resp, err)
	}
	if status, _ := w.me(t.Context(), session); status != http.StatusNoContent {
		t.Errorf("the session: status %d", status)
	}
}

// TestStopDuringSignIn stops the backend while it redeems a code.
func TestStopDuringSignIn(t *testing.T) {
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.server.URL = "http://" + l.Addr().String()
	w.google.Inject(exchangetest.TokenEndpoint, exchangetest.Fault{Delay: 300 * time.Millisecond})
	signedIn := make(chan error, 1)
	go func() {
		_, _, err := w.signIn(t.Context())
		signedIn <- err
	}()
	ctx, stop := context.WithCancel(t.Context())
	err = serve(ctx, l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		stop()
		w.backend.routes().ServeHTTP(rw, r)
	}))
	if err != nil {
		t.Error(err)
	}
	if _, _, err := w.grant(t.Context()); err != nil {
		t.Errorf("at the end of serve: %v", err)
	}
	if err := <-signedIn; err != nil {
		t.Error(err)
	}
}

func TestRunRefuses(t *testing.T) {
	if err := run(t.Context(), io.Discard, options{clientSecret: "no-such-file.json", grants: t.TempDir(), listen: "localhost:0"}); err == nil {
		t.Error("a missing client_secret file: no error")
	}
	for _, o := range []options{{serviceAccount: "no-such-file.json"}, {stream: "show"}, {receiver: "https://api.example.com/google/events"}} {
		if err := run(t.Context(), io.Discard, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if _, err := newBackend(exchange.Config{}, new(tokenstore.Memory), nil); err == nil {
		t.Error("an empty configuration: no error")
	}
}
