package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

func TestTokenIsACopyWithoutTheRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		tok, err := b.Token(t.Context(), jane)
		if err != nil || tok.RefreshToken != "" || tok.Type() != "Bearer" || !tok.Expiry.Equal(time.Now().Add(time.Hour)) {
			t.Fatalf("Token = expiry %v, type %s, %v", tok.Expiry, tok.Type(), err)
		}
		want := tok.AccessToken
		*tok = oauth2.Token{AccessToken: "overwritten"}
		if got := b.token(t); got != want {
			t.Errorf("Token = %q after the caller changed its copy", got)
		}
	})
}

func TestTokenIsRefreshedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *tokenstore.Config) { c.RefreshAhead = 10 * time.Minute })
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		time.Sleep(49 * time.Minute)
		if b.token(t) != tok.AccessToken || b.google.calls() != 0 {
			t.Error("refreshed earlier than RefreshAhead before the end")
		}
		time.Sleep(6*time.Minute + time.Second)
		if b.token(t) == tok.AccessToken || b.google.calls() != 1 {
			t.Error("not refreshed within half of RefreshAhead of the end")
		}
		if b.token(t) == tok.AccessToken || b.google.calls() != 1 {
			t.Error("the new token is not cached")
		}
	})
}

// Tokens that end at the same time are not all replaced at the same time.
func TestRefreshesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *tokenstore.Config) { c.RefreshAhead = 10 * time.Minute })
		const users = 20
		end := time.Now().Add(time.Hour)
		for i := range users {
			tok := b.google.consent("openid")
			tok.Expiry = end
			if _, err := b.SignIn(t.Context(), fmt.Sprint(i), tok); err != nil {
				t.Fatal(err)
			}
			time.Sleep(17 * time.Second)
		}
		time.Sleep(time.Until(end) - 450*time.Second)
		for i := range users {
			if _, err := b.Token(t.Context(), fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		}
		if n := b.google.calls(); n < users/4 || n > users*3/4 {
			t.Errorf("%d of %d tokens were replaced at the same time", n, users)
		}
	})
}

// RefreshAhead never takes more than a fifth of a token's life.
func TestShortLivedTokensAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.life = 10 * time.Second
		b.signIn(t, b.google.consent("openid"))
		time.Sleep(7900 * time.Millisecond)
		b.token(t)
		if b.google.calls() != 0 {
			t.Error("refreshed before four fifths of its life")
		}
	})
}

func TestTokenWithoutExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.google.respond = func(tok *oauth2.Token) *oauth2.Token {
			tok.Expiry, tok.ExpiresIn = time.Time{}, 0
			return tok
		}
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.token(t)
		b.token(t)
		if b.google.calls() != 1 {
			t.Errorf("%d refreshes, want one", b.google.calls())
		}
		time.Sleep(6 * time.Minute)
		b.token(t)
		if b.google.calls() != 2 {
			t.Error("a token of unknown life is served for longer than five minutes")
		}
		b.google.respond = func(tok *oauth2.Token) *oauth2.Token {
			tok.Expiry, tok.ExpiresIn = time.Time{}, 7200
			return tok
		}
		time.Sleep(6 * time.Minute)
		b.token(t)
		time.Sleep(time.Hour)
		b.token(t)
		if b.google.calls() != 3 {
			t.Error("expires_in was not honoured")
		}
	})
}

// A life that is too long for a time.Duration, or for nanoseconds since 1970, is a year.
func TestTokenOfALongLife(t *testing.T) {
	for name, change := range map[string]func(*oauth2.Token){
		"expiry":     func(tok *oauth2.Token) { tok.Expiry = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) },
		"expires_in": func(tok *oauth2.Token) { tok.Expiry, tok.ExpiresIn = time.Time{}, math.MaxInt64 },
	} {
		b := newBench(t)
		b.google.respond = func(tok *oauth2.Token) *oauth2.Token { change(tok); return tok }
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		if first := b.token(t); b.token(t) != first || b.google.calls() != 1 {
			t.Errorf("%s: %d refreshes, want one", name, b.google.calls())
		}
	}
}

// Failures do not show while the cached token works, and each caller waits once at
// most; an expired token is not served.
func TestTokenServesToItsEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(*bench)
	}{
		{"Google is down", func(b *bench) { b.google.fail = func(string) error { return &refusedError{code: "internal_failure"} } }},
		{"Google hangs", func(b *bench) {
			b.google.fail = func(string) error { time.Sleep(20 * time.Second); return &refusedError{code: "internal_failure"} }
		}},
		{"the store is down", func(b *bench) { b.store.beforeLoad = func(tokenstore.Key) error { return errDown } }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				tok := b.google.consent("openid")
				b.signIn(t, tok)
				c.fail(b)
				time.Sleep(58 * time.Minute)
				for range 3 {
					before := time.Now()
					if b.token(t) != tok.AccessToken {
						t.Error("Token is another one")
					}
					if waited := time.Since(before); waited > 3*time.Second {
						t.Errorf("Token took %v", waited)
					}
				}
				if b.google.calls() > 1 {
					t.Errorf("%d refreshes at once", b.google.calls())
				}
				time.Sleep(2 * time.Minute)
				if _, err := b.Token(t.Context(), jane); err == nil {
					t.Error("Token served one that has ended")
				}
				time.Sleep(time.Minute) // for the refresh to end
			})
		})
	}
}

func TestOneRefreshForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.fail = func(string) error { time.Sleep(time.Second); return nil }
		tokens := make([]string, 1000)
		var wg sync.WaitGroup
		for i := range tokens {
			wg.Go(func() { tokens[i] = b.token(t) })
		}
		wg.Wait()
		for _, tok := range tokens {
			if tok != tokens[0] {
				t.Fatalf("tokens %q and %q", tok, tokens[0])
			}
		}
		if b.google.calls() != 1 {
			t.Errorf("%d refreshes", b.google.calls())
		}
	})
}

// A token endpoint that hangs for one user delays no other user, and no caller
// longer than its context allows.
func TestWaitersLeaveInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		johns := b.google.consent("openid").RefreshToken
		if _, err := b.SignIn(t.Context(), john, &oauth2.Token{RefreshToken: johns}); err != nil {
			t.Fatal(err)
		}
		b.google.fail = func(rt string) error {
			if rt != johns {
				time.Sleep(10 * time.Second)
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		before := time.Now()
		if _, err := b.Token(ctx, jane); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Token: %v", err)
		}
		if waited := time.Since(before); waited != 50*time.Millisecond {
			t.Errorf("the waiter left after %v", waited)
		}
		if _, err := b.Token(t.Context(), john); err != nil || time.Since(before) != 50*time.Millisecond {
			t.Errorf("the other user's Token: %v after %v", err, time.Since(before))
		}
		time.Sleep(10 * time.Second)
		b.token(t)
		if b.google.calls() != 2 {
			t.Errorf("%d refreshes; the one that was left should have gone on", b.google.calls())
		}
	})
}

func TestTokenOfNobody(t *testing.T) {
	b := newBench(t)
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonNone)
	if !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Token: %v, want ErrNotFound too", err)
	}
	if _, err := b.Token(t.Context(), ""); !errors.Is(err, tokenstore.ErrSubject) {
		t.Errorf("Token of no subject: %v", err)
	}
}

func TestInvalidGrantEndsTheGrant(t *testing.T) {
	for _, c := range []struct {
		err    error
		reason string
	}{
		{&refusedError{"invalid_grant", ""}, tokenstore.ReasonInvalidGrant},
		{&refusedError{"invalid_grant", "invalid_rapt"}, tokenstore.ReasonInvalidRAPT},
		{&refusedError{"invalid_grant", "rapt_required"}, tokenstore.ReasonRAPTRequired},
		{&refusedError{"invalid_grant", "1//refresh token, of all things"}, tokenstore.ReasonInvalidGrant},
		{fmt.Errorf("refreshing: %w", &refusedError{"invalid_grant", ""}), tokenstore.ReasonInvalidGrant},
		{&oauth2.RetrieveError{ErrorCode: "invalid_grant", Response: &http.Response{StatusCode: 400}}, tokenstore.ReasonInvalidGrant},
		{&oauth2.RetrieveError{
			ErrorCode: "invalid_grant", Response: &http.Response{StatusCode: 400},
			Body: []byte(`{"error":"invalid_grant","error_subtype":"invalid_rapt"}`),
		}, tokenstore.ReasonInvalidRAPT},
	} {
		t.Run(c.reason, func(t *testing.T) {
			b := newBench(t)
			before := b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
			b.google.fail = func(string) error { return c.err }
			for range 3 {
				_, err := b.Token(t.Context(), jane)
				wantReason(t, err, c.reason)
				if errors.Is(err, tokenstore.ErrNotFound) {
					t.Errorf("Token: %v is ErrNotFound", err)
				}
			}
			if b.google.calls() != 1 {
				t.Errorf("Google was asked %d times with a refused token", b.google.calls())
			}
			got := b.kept(t)
			if got.State != tokenstore.NeedsConsent || got.Reason != c.reason || got.RefreshToken != before.RefreshToken {
				t.Errorf("kept %v", got)
			}
			if s := b.Stats(); s.Refused != 1 || s.Refreshed != 0 || s.Failed != 0 {
				t.Errorf("Stats = %+v", s)
			}
		})
	}
}

// Whatever else fails leaves the record byte for byte.
func TestOtherFailuresLeaveTheRecord(t *testing.T) {
	for _, cause := range []error{
		&refusedError{"invalid_client", ""},
		&refusedError{"unauthorized_client", ""},
		&refusedError{"deleted_client", ""},
		&refusedError{"admin_policy_enforced", ""},
		&refusedError{"invalid_scope", ""},
		&refusedError{"internal_failure", ""},
		&refusedError{"invalid_token", ""},
		&refusedError{"", "invalid_rapt"},
		&refusedError{"INVALID_GRANT", ""},
		&oauth2.RetrieveError{ErrorDescription: "invalid_grant: Token has been expired or revoked.", Response: &http.Response{StatusCode: 400}},
		errors.New("invalid_grant"),
		context.DeadlineExceeded,
	} {
		t.Run(cause.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
				before := bytesOf(t, b.kept(t))
				b.google.fail = func(string) error { return cause }
				_, err := b.Token(t.Context(), jane)
				if err == nil || errors.Is(err, tokenstore.ErrNeedsConsent) {
					t.Errorf("Token: %v", err)
				}
				if _, known := cause.(*refusedError); known && !errors.Is(err, cause) {
					t.Errorf("Token: %v does not wrap the cause", err)
				}
				if bytesOf(t, b.kept(t)) != before {
					t.Error("the record was written")
				}
				b.google.fail = nil
				b.token(t)
				if s := b.Stats(); s.Failed != 1 || s.Refreshed != 1 {
					t.Errorf("Stats = %+v", s)
				}
			})
		})
	}
}

// What was cached ends with the grant, though it would still work.
func TestCachedTokenEndsWithTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		b.google.kill(b.kept(t).RefreshToken)
		time.Sleep(58 * time.Minute)
		_, err := b.Token(t.Context(), jane)
		wantReason(t, err, tokenstore.ReasonInvalidGrant)
		b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
		if _, err := b.Token(t.Context(), jane); !errors.Is(err, errDown) {
			t.Errorf("Token: %v", err)
		}
	})
}

func TestResponsesWithoutAnAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, change := range map[string]func(*oauth2.Token) *oauth2.Token{
			"nil":     func(*oauth2.Token) *oauth2.Token { return nil },
			"empty":   func(tok *oauth2.Token) *oauth2.Token { tok.AccessToken = ""; return tok },
			"expired": func(tok *oauth2.Token) *oauth2.Token { tok.Expiry = time.Now(); return tok },
		} {
			b := newBench(t)
			b.google.respond = change
			before := b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
			if _, err := b.Token(t.Context(), jane); err == nil {
				t.Errorf("%s: Token succeeded", name)
			}
			if bytesOf(t, b.kept(t)) != bytesOf(t, before) {
				t.Errorf("%s: the record was written", name)
			}
			if s := b.Stats(); s.Refreshed != 0 || s.Failed != 1 {
				t.Errorf("%s: Stats = %+v", name, s)
			}
		}
	})
}

// A fake whose t.Fatal ends the goroutine that asks it must not be asked for ever.
func TestRefresherThatExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.respond = func(*oauth2.Token) *oauth2.Token { runtime.Goexit(); return nil }
		if _, err := b.Token(t.Context(), jane); err == nil {
			t.Error("Token succeeded")
		}
	})
}

// The response body is in the text of an oauth2.RetrieveError without a code.
func TestErrorsDoNotShowTheResponse(t *testing.T) {
	b := newBench(t)
	b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
	b.google.fail = func(string) error {
		return fmt.Errorf("posting: %w", &oauth2.RetrieveError{
			Response: &http.Response{Status: "503 Service Unavailable", StatusCode: 503}, Body: []byte("the-secret-body"),
		})
	}
	_, err := b.Token(t.Context(), jane)
	noSecret(t, err, "the-secret-body")
	if got, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || got.Response.StatusCode != 503 {
		t.Errorf("Token: %v; want a RetrieveError with its status", err)
	}
	b.google.fail = func(string) error { return &oauth2.RetrieveError{} }
	if _, err := b.Token(t.Context(), jane); err == nil || err.Error() == "" {
		t.Errorf("Token: %v", err)
	}
	// Whatever else is in the Refresher's error stays in the chain.
	errVault := errors.New("the vault is sealed")
	b.google.fail = func(string) error {
		return fmt.Errorf("%w: %w", errVault, &oauth2.RetrieveError{Body: []byte("the-secret-body")})
	}
	_, err = b.Token(t.Context(), jane)
	noSecret(t, err, "the-secret-body")
	if !errors.Is(err, errVault) {
		t.Errorf("Token: %v, without the Refresher's own error", err)
	}
	// One that speaks for itself says no more than that.
	b.google.fail = func(string) error {
		return &speaking{&oauth2.RetrieveError{Response: new(http.Response), Body: []byte("the-secret-body")}}
	}
	_, err = b.Token(t.Context(), jane)
	noSecret(t, err, "the-secret-body")
	own, ok := errors.AsType[interface {
		error
		OAuthError() (string, string)
	}](err)
	if !ok {
		t.Fatalf("Token: %v, without its code", err)
	}
	if code, _ := own.OAuthError(); code != "temporarily_unavailable" {
		t.Errorf("the code is %q", code)
	}
}

// speaking is x/oauth2's error in an adapter's hands.
type speaking struct{ error }

func (*speaking) OAuthError() (string, string) { return "temporarily_unavailable", "" }
func (s *speaking) Unwrap() error              { return s.error }

func TestAPanickingRefresherEndsNothingElse(t *testing.T) {
	b := newBench(t)
	b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
	b.google.fail = func(string) error { panic("out of order") }
	func() {
		defer func() {
			if recover() != "out of order" {
				t.Error("the panic did not reach the caller")
			}
		}()
		_, _ = b.Token(t.Context(), jane)
	}()
	b.google.fail = nil
	b.token(t)
}

// panicking calls f while each Save panics. net/http would recover that.
func (b *bench) panicking(t *testing.T, f func()) {
	t.Helper()
	b.store.beforeSave = func(tokenstore.Grant) error { panic("out of order") }
	defer func() {
		b.store.beforeSave = nil
		if recover() != "out of order" {
			t.Error("the panic did not reach the caller")
		}
	}()
	f()
}

func TestAPanickingStoreLosesNothing(t *testing.T) {
	rotated := func(t *testing.T) *bench {
		b := newBench(t)
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.rotate = true
		b.panicking(t, func() { _, _ = b.Token(t.Context(), jane) })
		return b
	}
	t.Run("rotation", func(t *testing.T) {
		b := rotated(t)
		b.token(t)
		if !b.google.live[b.kept(t).RefreshToken] {
			t.Error("kept is the former refresh token")
		}
	})
	for name, start := range map[string]func(*testing.T) *bench{
		"sign-in":                   func(t *testing.T) *bench { return newBench(t) },
		"sign-in behind a rotation": rotated,
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			tok := b.google.consent("openid")
			b.panicking(t, func() { _, _ = b.SignIn(t.Context(), jane, tok) })
			if err := b.Flush(t.Context()); err != nil || b.kept(t).RefreshToken != tok.RefreshToken {
				t.Errorf("kept %v, %v", b.kept(t), err)
			}
		})
	}
	t.Run("sign-in before another process's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.store.beforeLoad = func(tokenstore.Key) error { panic("out of order") }
			func() {
				defer func() { _ = recover() }()
				_, _ = b.SignIn(t.Context(), jane, b.google.consent("openid"))
			}()
			b.store.beforeLoad = nil
			time.Sleep(time.Second)
			newer := b.google.consent("openid")
			join(t, b.google, b.store).signIn(t, newer)
			if err := b.Flush(t.Context()); err != nil || b.kept(t).RefreshToken != newer.RefreshToken {
				t.Errorf("kept %v, %v", b.kept(t), err)
			}
		})
	})
	t.Run("beside another user's Save", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			tok := b.google.consent("openid")
			b.panicking(t, func() { _, _ = b.SignIn(t.Context(), jane, tok) })
			b.store.beforeSave = func(g tokenstore.Grant) error {
				if g.RefreshToken == tok.RefreshToken {
					panic("out of order")
				}
				return nil
			}
			if _, err := b.SignIn(t.Context(), john, b.google.consent("openid")); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			b.store.beforeSave = nil
			if err := b.Close(t.Context()); err != nil || b.kept(t).RefreshToken != tok.RefreshToken {
				t.Errorf("kept %v, %v", b.kept(t), err)
			}
		})
	})
}

// outOfOrder is a log handler that panics once armed.
type outOfOrder struct {
	slog.Handler
	armed bool
}

func (o *outOfOrder) Handle(context.Context, slog.Record) error {
	if o.armed {
		panic("out of order")
	}
	return nil
}

func TestAPanickingLoggerLosesNothing(t *testing.T) {
	handler := &outOfOrder{Handler: slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})}
	b := newBench(t, func(c *tokenstore.Config) { c.Logger = slog.New(handler) })
	panicking := func(f func()) {
		handler.armed = true
		defer func() {
			handler.armed = false
			if recover() != "out of order" {
				t.Error("the panic did not reach the caller")
			}
		}()
		f()
	}
	tok := &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken}
	panicking(func() { b.signIn(t, tok) })
	b.google.rotate = true
	panicking(func() { _, _ = b.Token(t.Context(), jane) })
	if g := b.kept(t); g.RefreshToken == tok.RefreshToken || !b.google.live[g.RefreshToken] {
		t.Error("kept is the former refresh token")
	}
}

// A release of a lease that panics ends neither the refresh nor the process.
func TestAPanickingLeaserLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *tokenstore.Config) { c.ShareAccessTokens, c.Leaser = true, panickingLeaser{} })
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		b.google.rotate = true
		b.token(t)
		if err := b.Close(t.Context()); err != nil || !b.google.live[b.kept(t).RefreshToken] {
			t.Errorf("Close: %v, and kept is %v", err, b.kept(t))
		}
	})
}

type panickingLeaser struct{}

func (panickingLeaser) Lease(context.Context, tokenstore.Key, string, time.Duration) (func(), bool, error) {
	return func() { panic("out of order") }, true, nil
}

func TestInvalidate(t *testing.T) {
	b := newBench(t)
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	b.Invalidate(jane, "")
	b.Invalidate(john, "")
	b.Invalidate("", "")
	if b.token(t) == tok.AccessToken || b.google.calls() != 1 {
		t.Error("Token is the one that was invalidated")
	}
	// A refresher that repeats itself is taken at its word.
	b.google.respond = func(*oauth2.Token) *oauth2.Token {
		return &oauth2.Token{AccessToken: tok.AccessToken, Expiry: time.Now().Add(time.Hour)}
	}
	b.Invalidate(jane, "")
	for range 2 {
		if b.token(t) != tok.AccessToken || b.google.calls() != 2 {
			t.Errorf("%d refreshes", b.google.calls())
		}
	}
}

// Many workers who are refused one token, each at its own time, cost one refresh.
func TestInvalidateToken(t *testing.T) {
	b := newBench(t)
	old := b.google.consent("openid")
	b.signIn(t, old)
	for range 20 {
		b.Invalidate(jane, old.AccessToken)
		b.Invalidate(john, old.AccessToken)
		if b.token(t) == old.AccessToken {
			t.Error("Token is the one that was refused")
		}
	}
	if n := b.google.calls(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

// The text of an error names the package once, whichever part of it failed.
func TestErrorsNameThePackageOnce(t *testing.T) {
	memory := new(tokenstore.Memory)
	save(t, &tokenstore.Sealed{Store: memory, Sealer: ring(t, 1)}, janeKey, tokenstore.Grant{RefreshToken: "1//r"})
	for name, store := range map[string]tokenstore.Store{
		"sealed": &tokenstore.Sealed{Store: memory, Sealer: ring(t, 2)}, "no keys": &tokenstore.Sealed{Store: memory, Sealer: new(tokenstore.Keyring)},
	} {
		g := newGoogle()
		b := join(t, g, &hooked{Store: store})
		_, err := b.SignIn(t.Context(), jane, &oauth2.Token{AccessToken: "at", RefreshToken: "1//new"})
		_, err2 := b.Token(t.Context(), jane)
		for _, err := range []error{err, err2} {
			if err != nil && (!strings.HasPrefix(err.Error(), "tokenstore: ") || strings.Count(err.Error(), "tokenstore: ") != 1) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Invalidate is about the token that is cached now, not about one that is on its
// way.
func TestInvalidateDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		b.google.fail = func(string) error { time.Sleep(time.Second); return nil }
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 9 * time.Millisecond)
				b.Invalidate(jane, "")
				if b.token(t) == tok.AccessToken {
					t.Error("Token is the one that was invalidated")
				}
			})
		}
		wg.Wait()
		if b.google.calls() != 1 {
			t.Errorf("%d refreshes", b.google.calls())
		}
	})
}

// A caller who waits for a better token does not get the former one after that has
// expired.
func TestFormerTokenIsNotServedAfterItsEnd(t *testing.T) {
	for name, end := range map[string]func(*bench, context.Context) error{
		"Revoked":    func(b *bench, ctx context.Context) error { return b.MarkRevoked(ctx, jane, "", time.Time{}) },
		"Disconnect": func(b *bench, ctx context.Context) error { return b.Disconnect(ctx, jane) },
		"Invalidate": func(b *bench, _ context.Context) error { b.Invalidate(jane, ""); return nil },
		"SignIn": func(b *bench, ctx context.Context) error {
			_, err := b.SignIn(ctx, jane, &oauth2.Token{RefreshToken: b.google.consent("email").RefreshToken})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				former := b.google.consent("openid")
				b.signIn(t, former)
				b.google.fail = func(string) error { time.Sleep(30 * time.Second); return &refusedError{code: "internal_failure"} }
				time.Sleep(58 * time.Minute)
				go func() {
					time.Sleep(time.Second)
					if err := end(b, context.Background()); err != nil {
						t.Error(err)
					}
				}()
				if tok, err := b.Token(t.Context(), jane); err == nil && tok.AccessToken == former.AccessToken {
					t.Error("Token is the former one")
				}
				time.Sleep(2 * time.Minute) // for the refreshes to end
			})
		})
	}
}

// A caller who has left already does not put off the refresh for the others.
func TestCallerWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		tok := b.google.consent("openid")
		b.signIn(t, tok)
		time.Sleep(58 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := b.Token(ctx, jane); err != nil || got.AccessToken != tok.AccessToken {
			t.Errorf("Token = %v; there is one that works", err)
		}
		if b.token(t) == tok.AccessToken || b.google.calls() != 1 {
			t.Errorf("%d refreshes", b.google.calls())
		}
	})
}

// A call that begins after a sign-in elsewhere does not get the outcome of a look
// at the store before it.
func TestRefreshThatReadBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		other := join(t, b.google, &hooked{Store: b.store.Store})
		looked, looking := make(chan struct{}), make(chan struct{})
		b.store.afterLoad = func() {
			b.store.afterLoad = nil
			close(looked)
			<-looking
		}
		go func() { _, _ = b.Token(t.Context(), jane) }()
		<-looked
		other.signIn(t, b.google.consent("openid"))
		go func() {
			synctest.Wait() // the call below has joined
			close(looking)
		}()
		b.token(t)
	})
}

func TestTokenSource(t *testing.T) {
	b := newBench(t)
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	src := b.TokenSource(t.Context(), jane)
	if got, err := src.Token(); err != nil || got.AccessToken != tok.AccessToken || got.RefreshToken != "" {
		t.Errorf("Token: %v", err)
	}
	if err := b.Disconnect(t.Context(), jane); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(); !errors.Is(err, tokenstore.ErrNeedsConsent) {
		t.Errorf("Token after Disconnect: %v", err)
	}
}

// many signs in users whose numbers begin at first, and returns their subjects.
func (b *bench) many(t *testing.T, first, n int) []string {
	subjects := make([]string, n)
	for i := range subjects {
		subjects[i] = fmt.Sprint(1000000 + first + i)
		if _, err := b.SignIn(t.Context(), subjects[i], b.google.consent("openid")); err != nil {
			t.Fatal(err)
		}
	}
	return subjects
}

// Users come and go, and each of those who stay keeps their own token.
func TestManyUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for range 3 {
			subjects := b.many(t, 0, 3000)
			want := map[string]string{}
			for i, subject := range subjects {
				switch tok, err := b.Token(t.Context(), subject); {
				case err != nil:
					t.Fatal(err)
				case i%3 != 0:
					want[subject] = tok.AccessToken
				case i%2 == 0:
					b.Invalidate(subject, "")
				default:
					if err := b.MarkRevoked(t.Context(), subject, "", time.Time{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			for subject, access := range want {
				if got, err := b.Token(t.Context(), subject); err != nil || got.AccessToken != access {
					t.Fatalf("Token of %s: %v", subject, err)
				}
			}
			if b.google.calls() != 0 {
				t.Errorf("%d cached tokens were not there", b.google.calls())
			}
			time.Sleep(2 * time.Hour)
		}
	})
}

// What has expired goes, a few at each call.
func TestExpiredTokensAreEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.many(t, 0, 20000)
		if got := b.Stats().Cached; got != 20000 {
			t.Errorf("%d cached, want 20000", got)
		}
		time.Sleep(2 * time.Hour)
		for range 4 {
			b.many(t, 0, 1000)
		}
		if got := b.Stats().Cached; got < 1000 || got > 2500 { // where nobody signs in nothing is evicted
			t.Errorf("%d cached, want 1000 and few more", got)
		}
	})
}
