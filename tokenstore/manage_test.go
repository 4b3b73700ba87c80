package tokenstore_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

func TestGrant(t *testing.T) {
	b := newBench(t)
	_, err := b.Grant(t.Context(), jane)
	if !errors.Is(err, tokenstore.ErrNotFound) || errors.Is(err, tokenstore.ErrNeedsConsent) {
		t.Errorf("Grant of nobody: %v", err)
	}
	want := b.signIn(t, b.google.consent("openid email"))
	got, err := b.Grant(t.Context(), jane)
	if err != nil || bytesOf(t, got) != bytesOf(t, want) {
		t.Errorf("Grant = %v, %v", got, err)
	}
	if missing := got.Missing("email", appData, "openid"); !slices.Equal(missing, []string{appData}) {
		t.Errorf("Missing = %q", missing)
	}
	if _, err := b.Grant(t.Context(), ""); !errors.Is(err, tokenstore.ErrSubject) {
		t.Errorf("Grant of no subject: %v", err)
	}
}

// Grant saves what is pending first, and shows the record as it is if that fails.
func TestGrantOfAnUnsavedSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		before := b.signIn(t, b.google.consent("openid"))
		b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
		tok := b.google.consent("openid")
		b.signInUnsaved(t, tok)
		if got, err := b.Grant(t.Context(), jane); err != nil || got.RefreshToken != before.RefreshToken {
			t.Errorf("Grant, while the store is down = %v, %v", got, err)
		}
		b.store.beforeSave = nil
		if got, err := b.Grant(t.Context(), jane); err != nil || got.RefreshToken != tok.RefreshToken {
			t.Errorf("Grant = %v, %v", got, err)
		}
	})
}

func TestRevoked(t *testing.T) {
	b := newBench(t)
	if err := b.MarkRevoked(t.Context(), jane, "hijacking", time.Time{}); err != nil {
		t.Errorf("Revoked of nobody: %v", err)
	}
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	for range 2 { // told twice
		if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonRevoked)
	got := b.kept(t)
	if got.State != tokenstore.NeedsConsent || got.RefreshToken != tok.RefreshToken || b.google.calls() != 0 || b.store.saves != 2 {
		t.Errorf("kept %v after %d calls and %d writes", got, b.google.calls(), b.store.saves)
	}
}

// An event from before the sign-in that is kept is about another grant.
func TestRevokedAt(t *testing.T) {
	for ago, want := range map[time.Duration]tokenstore.State{
		48 * time.Hour:   tokenstore.Active,
		61 * time.Second: tokenstore.Active,
		30 * time.Second: tokenstore.NeedsConsent, // the clocks may not agree
		-time.Hour:       tokenstore.NeedsConsent,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			at := time.Now().Add(-ago)
			if err := b.MarkRevoked(t.Context(), jane, "tokens-revoked", at); err != nil {
				t.Errorf("RevokedAt of nobody: %v", err)
			}
			b.google.rotate = true
			b.signIn(t, b.google.consent("openid"))
			b.Invalidate(jane, "")
			b.token(t) // a rotation is no sign-in
			if err := b.MarkRevoked(t.Context(), jane, "tokens-revoked", at); err != nil {
				t.Fatal(err)
			}
			if got := b.kept(t); got.State != want {
				t.Errorf("told of %v before the sign-in: kept %v, want it %v", ago, got, want)
			}
		})
	}
	b := newBench(t) // nobody knows when that one was
	save(t, b.store.Store, janeKey, tokenstore.Grant{RefreshToken: "1//imported"})
	if err := b.MarkRevoked(t.Context(), jane, "", time.Now()); err != nil || b.kept(t).State != tokenstore.NeedsConsent {
		t.Errorf("kept %v, %v", b.kept(t), err)
	}
}

// Revoked is about what is kept when it is called, and what that is rotated to.
func TestRevokedAgainstAConflict(t *testing.T) {
	for _, c := range []struct {
		name  string
		then  func(*testing.T, *bench)
		state tokenstore.State
	}{
		{"a sign-in", func(t *testing.T, other *bench) { other.signIn(t, other.google.consent("openid")) }, tokenstore.Active},
		{"a rotation", func(t *testing.T, other *bench) { other.token(t) }, tokenstore.NeedsConsent},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.google.rotate = true
			other := join(t, b.google, &hooked{Store: b.store.Store})
			b.signIn(t, b.google.consent("openid"))
			b.store.beforeSave = func(tokenstore.Grant) error {
				b.store.beforeSave = nil
				c.then(t, other)
				return nil
			}
			if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
				t.Fatal(err)
			}
			if got := b.kept(t); got.State != c.state || !b.google.live[got.RefreshToken] {
				t.Errorf("kept %v, want it %v", got, c.state)
			}
		})
	}
}

// Whatever the reason, it is Revoked that gave it.
func TestRevokedReasons(t *testing.T) {
	for told, want := range map[string]string{
		"tokens-revoked":               "tokens-revoked",
		tokenstore.ReasonInvalidGrant:  tokenstore.ReasonInvalidGrant,
		tokenstore.ReasonNone:          tokenstore.ReasonNone,
		"":                             tokenstore.ReasonRevoked,
		"ya29.Token":                   tokenstore.ReasonRevoked,
		"two\nlines":                   tokenstore.ReasonRevoked,
		strings.Repeat("too_long_", 9): tokenstore.ReasonRevoked,
	} {
		t.Run(told, func(t *testing.T) {
			b := newBench(t)
			b.google.rotate = true
			b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
			b.google.during = func(string) { // a rotation does not undo it
				if err := b.MarkRevoked(t.Context(), jane, told, time.Time{}); err != nil {
					t.Error(err)
				}
			}
			_, err := b.Token(t.Context(), jane)
			if wantReason(t, err, want); errors.Is(err, tokenstore.ErrNotFound) {
				t.Errorf("%v is ErrNotFound, and there is a record", err)
			}
			if got := b.kept(t); got.State != tokenstore.NeedsConsent || !b.google.live[got.RefreshToken] {
				t.Errorf("kept %v", got)
			}
		})
	}
}

func TestRevokedToken(t *testing.T) {
	for _, c := range []struct {
		name string
		hash func(string) string
		then func(*bench) // after the store has found it
		want tokenstore.State
	}{
		{"its hash", tokenstore.TokenHash, nil, tokenstore.NeedsConsent},
		{"its prefix", func(rt string) string { return tokenstore.TokenHash(rt[:16]) }, nil, tokenstore.NeedsConsent},
		{"another", func(rt string) string { return tokenstore.TokenHash(rt + "x") }, nil, tokenstore.Active},
		{"the former one", tokenstore.TokenHash, func(b *bench) { b.signIn(t, b.google.consent("openid")) }, tokenstore.Active},
	} {
		t.Run(c.name, func(t *testing.T) {
			finder := &findsThen{Memory: new(tokenstore.Memory)}
			b := newBench(t, func(config *tokenstore.Config) { config.Store = finder })
			tok := b.google.consent("openid")
			b.signIn(t, tok)
			save(t, finder, tokenstore.Key{ClientID: "another client", Subject: jane}, tokenstore.Grant{RefreshToken: tok.RefreshToken})
			finder.then = func() {
				finder.then = func() {}
				if c.then != nil {
					c.then(b)
				}
			}
			if err := b.MarkTokenRevoked(t.Context(), c.hash(tok.RefreshToken), "token-revoked"); err != nil {
				t.Fatal(err)
			}
			if got := load(t, finder, janeKey); got.State != c.want {
				t.Errorf("kept %v, want it %v", got, c.want)
			}
			if got := load(t, finder, tokenstore.Key{ClientID: "another client", Subject: jane}); got.State != tokenstore.Active {
				t.Errorf("the other client has %v", got)
			}
			if _, err := b.Token(t.Context(), jane); (err != nil) != (c.want == tokenstore.NeedsConsent) {
				t.Errorf("Token: %v", err)
			}
			if n := b.Stats().Cached; (n == 0) != (c.want == tokenstore.NeedsConsent) {
				t.Errorf("%d users are in memory", n)
			}
		})
	}
	b := newBench(t) // its store finds nothing
	if err := b.MarkTokenRevoked(t.Context(), tokenstore.TokenHash("1//x"), ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RevokedToken: %v", err)
	}
}

// findsThen lets something happen between finding a grant and using it.
type findsThen struct {
	*tokenstore.Memory
	then func()
}

func (f *findsThen) Find(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		for key, err := range f.Memory.Find(ctx, hash) {
			f.then()
			if !yield(key, err) {
				return
			}
		}
	}
}

func TestRevokedDuringARefresh(t *testing.T) {
	b := newBench(t)
	b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
	b.google.during = func(string) {
		if err := b.MarkRevoked(t.Context(), jane, "hijacking", time.Time{}); err != nil {
			t.Error(err)
		}
	}
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, "hijacking")
	if b.google.calls() != 1 {
		t.Errorf("%d calls", b.google.calls())
	}
}

func TestRevokedWithoutTheStore(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	b.store.beforeSave = func(tokenstore.Grant) error { return errDown }
	if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); !errors.Is(err, errDown) {
		t.Errorf("Revoked: %v", err)
	}
}

// A sign-in waits for the store: an event about it is noted in no older record, and
// Google has to deliver it again.
func TestRevokedBeforeItIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.signIn(t, b.google.consent("openid"))
		tok := b.google.consent("openid")
		failures := 8 // the tries of the sign-in, and of MarkRevoked
		b.store.beforeSave = func(tokenstore.Grant) error {
			if failures--; failures >= 0 {
				return errDown
			}
			return nil
		}
		b.signInUnsaved(t, tok)
		if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); !errors.Is(err, errDown) {
			t.Errorf("MarkRevoked: %v", err)
		}
		if err := b.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
			t.Errorf("MarkRevoked: %v", err)
		}
		if got := b.kept(t); got.RefreshToken != tok.RefreshToken || got.State != tokenstore.NeedsConsent {
			t.Errorf("kept %v", got)
		}
	})
}

// A refusal that waits for the store stands in the way of neither a revocation nor a
// Disconnect.
func TestRevokedAndDisconnectWithAnUnsavedRefusal(t *testing.T) {
	for name, disconnect := range map[string]bool{"MarkRevoked": false, "Disconnect": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
				clear(b.google.live)
				failures := 8 // the tries of Token, and of the call
				b.store.beforeSave = func(tokenstore.Grant) error {
					if failures--; failures >= 0 {
						return errDown
					}
					return nil
				}
				_, err := b.Token(t.Context(), jane)
				wantReason(t, err, tokenstore.ReasonInvalidGrant)
				_, err = b.SignIn(t.Context(), jane, b.google.again("openid"))
				wantReason(t, err, tokenstore.ReasonInvalidGrant)
				failures += 4
				if disconnect {
					err = b.Disconnect(t.Context(), jane)
				} else {
					err = b.MarkRevoked(t.Context(), jane, "account-disabled", time.Time{})
				}
				g, loadErr := b.store.Store.Load(t.Context(), janeKey)
				if err != nil || disconnect && !errors.Is(loadErr, tokenstore.ErrNotFound) || !disconnect && g.Reason != "account-disabled" {
					t.Errorf("%v; the record is %v, %v", err, g, loadErr)
				}
			})
		})
	}
}

func TestDisconnect(t *testing.T) {
	b := newBench(t)
	if err := b.Disconnect(t.Context(), jane); err != nil {
		t.Errorf("Disconnect of nobody: %v", err)
	}
	tok := b.google.consent("openid")
	b.signIn(t, tok)
	if err := b.Disconnect(t.Context(), jane); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.google.revoked, []string{tok.RefreshToken}) {
		t.Errorf("revoked %q", b.google.revoked)
	}
	_, err := b.Token(t.Context(), jane)
	wantReason(t, err, tokenstore.ReasonNone)
	if b.google.calls() != 0 {
		t.Error("Google was asked")
	}
	if err := b.Disconnect(t.Context(), jane); err != nil {
		t.Errorf("Disconnect again: %v", err)
	}
	save(t, b.store.Store, janeKey, tokenstore.Grant{State: tokenstore.NeedsConsent}) // no refresh token: nothing to revoke
	if err := b.Disconnect(t.Context(), jane); err != nil || len(b.google.revoked) != 1 {
		t.Errorf("Disconnect: %v; revoked %q", err, b.google.revoked)
	}
}

func TestDisconnectOfARefusedGrant(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	b.google.kill(b.kept(t).RefreshToken)
	if err := b.Disconnect(t.Context(), jane); err != nil {
		t.Errorf("Disconnect: %v; Google's invalid_token means that it is done", err)
	}
	if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Grant: %v", err)
	}
}

type revoker func(string) error

func (f revoker) Revoke(_ context.Context, token string) error { return f(token) }

// If it cannot be revoked, it stays, and works.
func TestDisconnectFails(t *testing.T) {
	cause := &refusedError{code: "internal_failure"}
	for name, r := range map[string]tokenstore.Revoker{
		"no Revoker":                        nil,
		"Google is down":                    revoker(func(string) error { return cause }),
		"only invalid_token counts as done": revoker(func(string) error { return &refusedError{code: "invalid_request"} }),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *tokenstore.Config) { c.Revoker = r })
			tok := b.google.consent("openid")
			b.signIn(t, tok)
			before := bytesOf(t, b.kept(t))
			if err := b.Disconnect(t.Context(), jane); err == nil {
				t.Error("Disconnect succeeded")
			}
			if bytesOf(t, b.kept(t)) != before || b.token(t) != tok.AccessToken {
				t.Error("the grant is another one")
			}
		})
	}
}

// Disconnect deletes what it revoked, and nothing newer.
func TestDisconnectAgainstOthers(t *testing.T) {
	for _, c := range []struct {
		name    string
		during  func(*testing.T, *bench)
		err     error
		deleted bool
	}{
		{"a sign-in", func(t *testing.T, other *bench) { other.signIn(t, other.google.consent("openid email")) }, tokenstore.ErrConflict, false},
		{"a write that keeps the token", func(t *testing.T, other *bench) {
			if err := other.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
				t.Error(err)
			}
		}, nil, true},
		{"a Disconnect", func(t *testing.T, other *bench) {
			if err := other.Disconnect(t.Context(), jane); err != nil {
				t.Error(err)
			}
		}, nil, true},
		{"a rotation", func(t *testing.T, other *bench) {
			if other.google.rotate = !other.google.rotate; other.google.rotate { // the first time
				other.Invalidate(jane, "")
				other.token(t)
			}
		}, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			other := join(t, b.google, &hooked{Store: b.store.Store})
			b.signIn(t, b.google.consent("openid"))
			b = join(t, b.google, b.store, func(config *tokenstore.Config) {
				config.Revoker = revoker(func(token string) error {
					c.during(t, other)
					return other.google.Revoke(t.Context(), token)
				})
			})
			if err := b.Disconnect(t.Context(), jane); !errors.Is(err, c.err) {
				t.Errorf("Disconnect: %v, want %v", err, c.err)
			}
			_, err := b.Grant(t.Context(), jane)
			if got := errors.Is(err, tokenstore.ErrNotFound); got != c.deleted {
				t.Errorf("deleted: %v, want %v", got, c.deleted)
			}
			if c.deleted && len(b.google.live) != 0 {
				t.Errorf("alive and forgotten: %v", b.google.live)
			}
		})
	}
}

// Once it is revoked it is deleted, though the caller has left.
func TestDisconnectEndsWhatItBegan(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	ctx, cancel := context.WithCancel(t.Context())
	b = join(t, b.google, b.store, func(c *tokenstore.Config) {
		c.Revoker = revoker(func(string) error { cancel(); return nil })
	})
	if err := b.Disconnect(ctx, jane); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Grant: %v", err)
	}
}

// A refresh that was under way does not bring the record back.
func TestDisconnectDuringARefresh(t *testing.T) {
	for name, rotate := range map[string]bool{"plain": false, "rotated": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.google.rotate = rotate
				b.signIn(t, b.google.consent("openid"))
				time.Sleep(8 * 24 * time.Hour) // so that a plain one writes too
				b.google.during = func(string) {
					if err := b.Disconnect(t.Context(), jane); err != nil {
						t.Error(err)
					}
				}
				_, err := b.Token(t.Context(), jane)
				wantReason(t, err, tokenstore.ReasonNone)
				if _, err := b.Grant(t.Context(), jane); !errors.Is(err, tokenstore.ErrNotFound) {
					t.Errorf("Grant: %v", err)
				}
			})
		})
	}
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	good := tokenstore.Config{ClientID: client, Store: new(tokenstore.Memory), Refresher: newGoogle()}
	if _, err := tokenstore.New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*tokenstore.Config){
		"tokenstore: Config.ClientID is empty":                              func(c *tokenstore.Config) { c.ClientID = "" },
		"tokenstore: Config.ClientID is not free of control characters":     func(c *tokenstore.Config) { c.ClientID = "a\nb" },
		"tokenstore: Config.Store is not set":                               func(c *tokenstore.Config) { c.Store = nil },
		"tokenstore: Config.Refresher is not set":                           func(c *tokenstore.Config) { c.Refresher = nil },
		"tokenstore: Config.RefreshAhead is negative":                       func(c *tokenstore.Config) { c.RefreshAhead = -1 },
		"tokenstore: Config.Timeout is negative":                            func(c *tokenstore.Config) { c.Timeout = -1 },
		`tokenstore: Config.Hosts has "https://x", which is no host name`:   func(c *tokenstore.Config) { c.Hosts = []string{"https://x"} },
		`tokenstore: Config.Hosts has "", which is no host name`:            func(c *tokenstore.Config) { c.Hosts = []string{""} },
		`tokenstore: Config.Hosts has "*.x.com", which is no host name`:     func(c *tokenstore.Config) { c.Hosts = []string{"*.x.com"} },
		`tokenstore: Config.Hosts has ".x.com", which is no host name`:      func(c *tokenstore.Config) { c.Hosts = []string{".x.com"} },
		`tokenstore: Config.Hosts has "x.com/path", which is no host name`:  func(c *tokenstore.Config) { c.Hosts = []string{"x.com/path"} },
		`tokenstore: Config.Hosts has "x.com:", which is no host name`:      func(c *tokenstore.Config) { c.Hosts = []string{"x.com:"} },
		`tokenstore: Config.Hosts has "x.com:99999", which is no host name`: func(c *tokenstore.Config) { c.Hosts = []string{"x.com:99999"} },
		`tokenstore: Config.Hosts has "x.com:0", which is no host name`:     func(c *tokenstore.Config) { c.Hosts = []string{"x.com:0"} },
		`tokenstore: Config.Hosts has "::1", which is no host name`:         func(c *tokenstore.Config) { c.Hosts = []string{"::1"} },
		`tokenstore: Config.Hosts has ":443", which is no host name`:        func(c *tokenstore.Config) { c.Hosts = []string{":443"} },
		`tokenstore: Config.Hosts has "user@x.com", which is no host name`:  func(c *tokenstore.Config) { c.Hosts = []string{"user@x.com"} },
	} {
		c := good
		change(&c)
		if _, err := tokenstore.New(c); err == nil || err.Error() != want {
			t.Errorf("New: %v, want %s", err, want)
		}
	}
}
