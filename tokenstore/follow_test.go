package tokenstore_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// What Grant shows about another process's work, Token follows.
func TestTokenFollowsTheRecord(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*testing.T, *bench)
		check  func(*testing.T, *bench, string)
	}{
		{"a new scope", func(t *testing.T, other *bench) {
			other.google.scope = "openid email"
			other.signIn(t, other.google.consent("openid email"))
		}, func(t *testing.T, b *bench, old string) {
			if b.token(t) == old {
				t.Error("Token is that of the former grant")
			}
		}},
		{"a sign-in with the same scopes", func(t *testing.T, other *bench) {
			other.signIn(t, other.google.consent("openid"))
		}, func(t *testing.T, b *bench, old string) {
			if b.token(t) == old {
				t.Error("Token is that of the former grant")
			}
		}},
		{"a revocation", func(t *testing.T, other *bench) {
			if err := other.MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
				t.Error(err)
			}
		}, func(t *testing.T, b *bench, _ string) {
			_, err := b.Token(t.Context(), jane)
			wantReason(t, err, tokenstore.ReasonRevoked)
		}},
		{"a Disconnect", func(t *testing.T, other *bench) {
			if err := other.Disconnect(t.Context(), jane); err != nil {
				t.Error(err)
			}
		}, func(t *testing.T, b *bench, _ string) {
			_, err := b.Token(t.Context(), jane)
			wantReason(t, err, tokenstore.ReasonNone)
		}},
		{"nothing", func(*testing.T, *bench) {}, func(t *testing.T, b *bench, old string) {
			if b.token(t) != old {
				t.Error("Token is another one, for no reason")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.signIn(t, b.google.consent("openid"))
			old := b.token(t)
			c.change(t, join(t, b.google, &hooked{Store: b.store.Store}))
			_, _ = b.Grant(t.Context(), jane)
			c.check(t, b, old)
		})
		t.Run(c.name+", shared, within a minute", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := cluster(t, 2)
				all[0].signIn(t, all[0].google.consent("openid"))
				old := all[1].token(t)
				c.change(t, all[0])
				time.Sleep(61 * time.Second)
				c.check(t, all[1], old)
				if all[0].google.calls() != 0 {
					t.Errorf("%d refreshes", all[0].google.calls())
				}
			})
		})
	}
}

// The look at the record costs no refresh, and its failure does not show.
func TestSharedTokensAreCheckedOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 1)
		b := all[0]
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		loads := 0
		b.store.beforeLoad = func(tokenstore.Key) error { loads++; return nil }
		for range 50 * 60 {
			b.token(t)
			time.Sleep(time.Second)
		}
		if b.google.calls() != 1 || loads < 49 || loads > 110 {
			t.Errorf("%d refreshes and %d loads in 50 minutes", b.google.calls(), loads)
		}
		b.store.beforeLoad = func(tokenstore.Key) error { return errDown }
		for range 4 {
			b.token(t)
			time.Sleep(time.Minute)
		}
	})
}

// Fifty requests that an API refuses cost at most two refreshes.
func TestRefusedRequestsCostFewRefreshes(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	b := newBench(t, onHosts("127.0.0.1"))
	b.signIn(t, b.google.consent("openid"))
	get := func() {
		resp, err := b.HTTPClient(jane).Get(a.URL)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	for range 25 {
		get()
	}
	var wg sync.WaitGroup
	for range 25 {
		wg.Go(get)
	}
	wg.Wait()
	if got := b.google.calls(); got < 1 || got > 2 {
		t.Errorf("%d refreshes", got)
	}
}

// An event that could not be looked up or noted is an error, so that Google
// delivers it again.
func TestMarkTokenRevokedFails(t *testing.T) {
	for name, c := range map[string]struct{ find, save error }{"find": {find: errDown}, "save": {save: errDown}} {
		t.Run(name, func(t *testing.T) {
			finder := &failsToFind{new(tokenstore.Memory), c.find}
			store := &struct {
				*hooked
				tokenstore.Finder
			}{&hooked{Store: finder}, finder}
			b := newBench(t, func(config *tokenstore.Config) { config.Store = store })
			tok := b.google.consent("openid")
			b.signIn(t, tok)
			store.beforeSave = func(tokenstore.Grant) error { return c.save }
			err := b.MarkTokenRevoked(t.Context(), tokenstore.TokenHash(tok.RefreshToken), "")
			if !errors.Is(err, errDown) || statusOf(err) != 503 {
				t.Errorf("MarkTokenRevoked: status %d, %v", statusOf(err), err)
			}
		})
	}
}

type failsToFind struct {
	*tokenstore.Memory
	err error
}

func (f *failsToFind) Find(ctx context.Context, hash string) iter.Seq2[tokenstore.Key, error] {
	if f.err == nil {
		return f.Memory.Find(ctx, hash)
	}
	return func(yield func(tokenstore.Key, error) bool) { yield(tokenstore.Key{}, f.err) }
}

// By Google's clock, an event from before a sign-in is about an older grant, also
// a second before, and whatever the clock of this process says.
func TestMarkRevokedByGooglesClock(t *testing.T) {
	for name, skew := range map[string]time.Duration{"right": 0, "fast": 5 * time.Minute, "slow": -5 * time.Minute} {
		for ago, want := range map[time.Duration]tokenstore.State{time.Second: tokenstore.Active, 0: tokenstore.NeedsConsent, -time.Second: tokenstore.NeedsConsent} {
			t.Run(name+" "+ago.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, func(c *tokenstore.Config) { c.Now = func() time.Time { return time.Now().Add(skew) } })
					at := time.Now()
					b.signIn(t, b.google.consentAt("openid", at))
					if err := b.MarkRevoked(t.Context(), jane, "tokens-revoked", at.Add(-ago)); err != nil {
						t.Fatal(err)
					}
					if got := b.kept(t); got.State != want {
						t.Errorf("kept %v, want it %v", got, want)
					}
				})
			})
		}
	}
}

// A new sign-in has its own scopes and end, not those of the record it replaces.
func TestSignInReplacesScopesAndEnd(t *testing.T) {
	b := newBench(t)
	b.signIn(t, withExtra(b.google.consent("openid"), "refresh_token_expires_in", 3600.0))
	got := b.signIn(t, b.google.consent(""))
	if got.Scopes != nil || !got.RefreshTokenExpiry.IsZero() {
		t.Errorf("Scopes = %q, expires %v", got.Scopes, got.RefreshTokenExpiry)
	}
}

// Stats and Flush may run beside everything else.
func TestStatsAndFlushAtOnce(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				switch i % 4 {
				case 0:
					_ = b.Stats()
				case 1:
					_ = b.Flush(t.Context())
				case 2:
					_, _ = b.SignIn(t.Context(), jane, b.google.consent("openid"))
				default:
					_, _ = b.Token(t.Context(), john)
				}
			}
		})
	}
	wg.Wait()
}

func TestNewRefusesParts(t *testing.T) {
	var none *tokenstore.Keyring
	for name, store := range map[string]tokenstore.Store{
		"no store":    &tokenstore.Sealed{Sealer: ring(t, 1)},
		"no sealer":   &tokenstore.Sealed{Store: new(tokenstore.Memory)},
		"nil keyring": &tokenstore.Sealed{Store: new(tokenstore.Memory), Sealer: none},
		"nil sealed":  (*tokenstore.Sealed)(nil),
	} {
		if _, err := tokenstore.New(tokenstore.Config{ClientID: client, Store: store, Refresher: newGoogle()}); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}

// Another process learns that the refresh token covers other scopes: once this one
// has read the record, it serves no access token of before.
func TestTokenFollowsTheScopes(t *testing.T) {
	b := newBench(t)
	tok := b.google.consent("openid " + appData)
	b.signIn(t, tok)
	b.google.scope = "openid " + calendar
	if _, err := join(t, b.google, b.store).Token(t.Context(), jane); err != nil {
		t.Fatal(err)
	}
	if g, err := b.Grant(t.Context(), jane); err != nil || g.Missing(appData) == nil {
		t.Fatalf("Grant = %v, %v", g, err)
	}
	if b.token(t) == tok.AccessToken {
		t.Error("Token serves the access token of the former scopes")
	}
}

// A refresh of a grant that another process has replaced brings nothing to
// the cache, once this process has read the newer record.
func TestRefreshOfAFormerGrant(t *testing.T) {
	b := newBench(t)
	first := b.google.consent("openid")
	b.signIn(t, &oauth2.Token{RefreshToken: first.RefreshToken})
	newer := b.google.consent("openid " + appData)
	b.google.during = func(refreshToken string) {
		if refreshToken != first.RefreshToken {
			return
		}
		join(t, b.google, b.store).signIn(t, newer)
		if g, err := b.Grant(t.Context(), jane); err != nil || g.RefreshToken != newer.RefreshToken {
			t.Errorf("Grant = %v, %v", g, err)
		}
	}
	b.token(t)
	if want := []string{first.RefreshToken, newer.RefreshToken}; !slices.Equal(b.google.asked, want) {
		t.Errorf("Google was asked with %q, want %q", b.google.asked, want)
	}
}

// A record that no Manager wrote is known by its refresh token: the access token of the
// former one is not served once this process has seen the one that replaced it.
func TestTokenFollowsAnImportedRecord(t *testing.T) {
	records := map[string]func(*testing.T, *bench){
		"by other software": func(t *testing.T, b *bench) {
			g := tokenstore.Grant{RefreshToken: b.google.consent("openid").RefreshToken, Scopes: []string{"openid"}, RefreshedAt: time.Now()}
			if old, err := b.store.Store.Load(t.Context(), janeKey); err == nil {
				g.Version = old.Version
			}
			save(t, b.store.Store, janeKey, g)
		},
		"by Import": func(t *testing.T, b *bench) {
			if err := b.store.Store.Delete(t.Context(), janeKey, tokenstore.AnyVersion); err != nil {
				t.Error(err)
			}
			g := tokenstore.Grant{RefreshToken: b.google.consent("openid").RefreshToken, Scopes: []string{"openid"}}
			if kept, err := b.Import(t.Context(), jane, g); !kept || err != nil {
				t.Error(kept, err)
			}
		},
	}
	for first, write := range records {
		for then, replace := range records {
			t.Run(first+", replaced "+then, func(t *testing.T) {
				b := newBench(t)
				write(t, b)
				old := b.token(t)
				replace(t, join(t, b.google, &hooked{Store: b.store.Store}))
				want := b.kept(t).RefreshToken
				if b.token(t) != old { // it has not looked yet
					t.Error("the access token is not cached")
				}
				if g, err := b.Grant(t.Context(), jane); err != nil || g.RefreshToken != want {
					t.Errorf("Grant = %v, %v", g, err)
				}
				if b.token(t) == old || b.google.asked[len(b.google.asked)-1] != want {
					t.Errorf("Token is that of the former grant; Google was asked with %q", b.google.asked)
				}
			})
		}
	}
}

// A record that was read before a sign-in of this process says nothing about it.
func TestGrantDuringASignIn(t *testing.T) {
	b := newBench(t)
	b.signIn(t, b.google.consent("openid"))
	tok := b.google.consent("openid")
	b.store.afterLoad = func() {
		b.store.afterLoad = nil
		b.signIn(t, tok)
	}
	if _, err := b.Grant(t.Context(), jane); err != nil {
		t.Fatal(err)
	}
	if b.token(t) != tok.AccessToken || b.google.calls() != 0 {
		t.Errorf("the access token of the sign-in is gone; %d refreshes", b.google.calls())
	}
}
