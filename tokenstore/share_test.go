package tokenstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// cluster is several Managers on one store that share access tokens.
func cluster(t *testing.T, n int, change ...func(*tokenstore.Config)) []*bench {
	memory := new(tokenstore.Memory)
	g := newGoogle()
	change = append([]func(*tokenstore.Config){func(c *tokenstore.Config) {
		c.ShareAccessTokens = true
		c.Leaser = memory
	}}, change...)
	all := make([]*bench, n)
	for i := range all {
		all[i] = join(t, g, &hooked{Store: memory}, change...)
	}
	return all
}

func TestAClusterRefreshesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 4)
		g := all[0].google
		all[0].signIn(t, &oauth2.Token{RefreshToken: g.consent("openid").RefreshToken})
		g.fail = func(string) error { time.Sleep(2 * time.Second); return nil }
		for hour := range 3 {
			tokens := sync.Map{}
			var wg sync.WaitGroup
			for _, b := range all {
				for range 250 {
					wg.Go(func() { tokens.Store(b.token(t), true) })
				}
			}
			wg.Wait()
			n := 0
			tokens.Range(func(any, any) bool { n++; return true })
			if n != 1 || g.calls() != hour+1 {
				t.Fatalf("hour %d: %d tokens after %d refreshes", hour, n, g.calls())
			}
			var adopted uint64
			for _, b := range all {
				adopted += b.Stats().Adopted
			}
			if want := uint64(3 * (hour + 1)); adopted != want {
				t.Errorf("hour %d: %d adopted, want %d", hour, adopted, want)
			}
			time.Sleep(time.Hour)
		}
		if kept := all[0].kept(t); kept.AccessToken == "" {
			t.Errorf("kept %v", kept)
		}
	})
}

// What a sign-in brings is there for the whole cluster.
func TestAClusterSharesTheSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 2)
		tok := all[0].google.consent("openid")
		all[0].signIn(t, tok)
		if all[1].token(t) != tok.AccessToken || all[0].google.calls() != 0 {
			t.Error("the access token is not shared")
		}
	})
}

// The holder of a lease that dies costs the others a wait.
func TestALeaseHolderDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 2)
		all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
		store := all[0].store.Store.(*tokenstore.Memory)
		if _, ok, err := store.Lease(t.Context(), janeKey, "tokenstore/refresh", 5*time.Second); !ok || err != nil {
			t.Fatal(ok, err)
		}
		began := time.Now()
		all[1].token(t)
		if waited := time.Since(began); waited < 4*time.Second || waited > 6*time.Second || all[1].google.calls() != 1 {
			t.Errorf("took over after %v with %d calls", waited, all[1].google.calls())
		}
	})
}

// A lease whose end is far away, by a clock that is wrong, does not hold anybody
// up for longer than a lease lasts.
func TestALeaseThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 1)
		all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
		wrong := all[0].store.Store.(*tokenstore.Memory)
		if _, ok, err := wrong.Lease(t.Context(), janeKey, "tokenstore/refresh", time.Hour); !ok || err != nil {
			t.Fatal(ok, err)
		}
		began := time.Now()
		all[0].token(t)
		if waited := time.Since(began); waited > 20*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// A worker that leases the user for a purpose of its own is not in its own way.
func TestALeaseForAnotherPurpose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 1)
		all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
		if _, ok, err := all[0].store.Store.(*tokenstore.Memory).Lease(t.Context(), janeKey, "refresh", time.Hour); !ok || err != nil {
			t.Fatal(ok, err)
		}
		began := time.Now()
		all[0].token(t)
		if time.Since(began) != 0 {
			t.Error("it waited")
		}
	})
}

type leaser func() (func(), bool, error)

func (f leaser) Lease(context.Context, tokenstore.Key, string, time.Duration) (func(), bool, error) {
	return f()
}

// Leases only save calls: without them everybody refreshes.
func TestABrokenLeaser(t *testing.T) {
	for name, err := range map[string]error{"broken": errDown, "unsupported": errors.ErrUnsupported} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			all := cluster(t, 1, func(c *tokenstore.Config) {
				c.Leaser = leaser(func() (func(), bool, error) { return nil, false, err })
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			})
			all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
			all[0].token(t)
			if all[0].google.calls() != 1 {
				t.Errorf("%d calls", all[0].google.calls())
			}
			if warned := log.Len() > 0; warned != (err == errDown) {
				t.Errorf("the log is %q", log.String())
			}
		})
	}
}

// A Leaser that hangs costs a wait, and no token.
func TestALeaserThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 1, func(c *tokenstore.Config) { c.Leaser = hanging{} })
		all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
		began := time.Now()
		all[0].token(t)
		if waited := time.Since(began); waited > 5*time.Second || all[0].google.calls() != 1 {
			t.Errorf("refreshed %d times after %v", all[0].google.calls(), waited)
		}
	})
}

type hanging struct{}

func (hanging) Lease(ctx context.Context, _ tokenstore.Key, _ string, _ time.Duration) (func(), bool, error) {
	<-ctx.Done()
	return nil, false, ctx.Err()
}

// All who wait for a holder that has died are served by one of them, though they
// began to wait when its lease was new.
func TestOneOfManyTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 4)
		g := all[0].google
		all[0].signIn(t, &oauth2.Token{RefreshToken: g.consent("openid").RefreshToken})
		g.fail = func(string) error { time.Sleep(time.Second); return nil }
		store := all[0].store.Store.(*tokenstore.Memory)
		if _, ok, err := store.Lease(t.Context(), janeKey, "tokenstore/refresh", 15*time.Second); !ok || err != nil {
			t.Fatal(ok, err)
		}
		var wg sync.WaitGroup
		for _, b := range all {
			wg.Go(func() { b.token(t) })
		}
		wg.Wait()
		if g.calls() != 1 {
			t.Errorf("%d refreshes", g.calls())
		}
	})
}

// However short the timeout is, waiting for a lease leaves time for a refresh.
func TestWaitingForALeaseLeavesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 1, func(c *tokenstore.Config) { c.Timeout = 4 * time.Second })
		all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
		if _, ok, err := all[0].store.Store.(*tokenstore.Memory).Lease(t.Context(), janeKey, "tokenstore/refresh", time.Hour); !ok || err != nil {
			t.Fatal(ok, err)
		}
		all[0].token(t)
	})
}

func TestLeaseIsReleased(t *testing.T) {
	for name, fail := range map[string]error{"refreshed": nil, "failed": errDown, "refused": &refusedError{code: "invalid_grant"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := 0
				all := cluster(t, 1, func(c *tokenstore.Config) {
					c.Leaser = leaser(func() (func(), bool, error) {
						return func() { time.Sleep(5 * time.Second); released++ }, true, nil
					})
				})
				all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
				all[0].google.fail = func(string) error { return fail }
				began := time.Now()
				_, _ = all[0].Token(t.Context(), jane)
				if waited := time.Since(began); waited != 0 {
					t.Errorf("the caller waited %v for the release", waited)
				}
				time.Sleep(6 * time.Second)
				synctest.Wait()
				if released != 1 {
					t.Errorf("released %d times", released)
				}
			})
		})
	}
}

func TestLeaseIsReleasedWithoutTheStore(t *testing.T) {
	released := 0
	var all []*bench
	all = cluster(t, 1, func(c *tokenstore.Config) {
		c.Leaser = leaser(func() (func(), bool, error) {
			all[0].store.beforeLoad = func(tokenstore.Key) error { return errDown }
			return func() { released++ }, true, nil
		})
	})
	all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
	if _, err := all[0].Token(t.Context(), jane); !errors.Is(err, errDown) {
		t.Errorf("Token: %v", err)
	}
	if err := all[0].Close(t.Context()); err != nil || released != 1 {
		t.Errorf("Close: %v; released %d times", err, released)
	}
}

// A caller who waits for a lease gets the error of a grant that has ended.
func TestWaitingForALeaseEndsWithTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 2)
		g := all[0].google
		all[0].signIn(t, &oauth2.Token{RefreshToken: g.consent("openid").RefreshToken})
		g.kill(all[0].kept(t).RefreshToken)
		g.fail = func(string) error { time.Sleep(3 * time.Second); return nil }
		var wg sync.WaitGroup
		for _, b := range all {
			wg.Go(func() {
				_, err := b.Token(t.Context(), jane)
				wantReason(t, err, tokenstore.ReasonInvalidGrant)
			})
		}
		wg.Wait()
		if g.calls() != 1 {
			t.Errorf("a refused token was sent %d times", g.calls())
		}
	})
}

// An access token that an API refuses is not taken from the store again.
func TestInvalidateInACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := cluster(t, 2)
		tok := all[0].google.consent("openid")
		all[0].signIn(t, tok)
		all[1].token(t)
		all[1].Invalidate(jane, "")
		next := all[1].token(t)
		if next == tok.AccessToken || all[1].google.calls() != 1 {
			t.Errorf("Token = %q after %d calls", next, all[1].google.calls())
		}
		all[0].Invalidate(jane, "")
		if all[0].token(t) != next || all[0].google.calls() != 1 {
			t.Error("the other process refreshed again instead of taking the new one")
		}
	})
}

// The access token of a grant that has ended is in no record.
func TestSharedTokenEndsWithTheGrant(t *testing.T) {
	all := cluster(t, 2)
	all[0].signIn(t, all[0].google.consent("openid"))
	if err := all[1].MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := all[0].kept(t); got.AccessToken != "" || !got.Expiry.IsZero() {
		t.Errorf("kept %v", got)
	}
	// Nor of one that Google refuses, or that is revoked while Google rotates it.
	all[0].google.kill(all[0].signIn(t, all[0].google.consent("openid")).RefreshToken)
	all[0].Invalidate(jane, "")
	if _, err := all[0].Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrNeedsConsent) || all[0].kept(t).AccessToken != "" {
		t.Errorf("Token: %v; kept %v", err, all[0].kept(t))
	}
	all[0].signIn(t, all[0].google.consent("openid"))
	all[0].Invalidate(jane, "")
	all[0].google.rotate = true
	all[0].google.during = func(string) {
		if err := all[1].MarkRevoked(t.Context(), jane, "", time.Time{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := all[0].Token(t.Context(), jane); !errors.Is(err, tokenstore.ErrNeedsConsent) || all[0].kept(t).AccessToken != "" {
		t.Errorf("Token: %v; kept %v", err, all[0].kept(t))
	}
	all[0].google.rotate, all[0].google.during = false, nil
	// Nor does one stay when sharing is switched off.
	all[0].signIn(t, all[0].google.consent("openid"))
	alone := join(t, all[0].google, all[0].store)
	alone.google.scope = "openid email"
	alone.token(t)
	if got := all[0].kept(t); got.AccessToken != "" {
		t.Errorf("kept %v", got)
	}
}

// A store without leases in it shares tokens all the same.
func TestSharingWithoutLeases(t *testing.T) {
	all := cluster(t, 2, func(c *tokenstore.Config) { c.Leaser = nil })
	all[0].signIn(t, &oauth2.Token{RefreshToken: all[0].google.consent("openid").RefreshToken})
	if all[0].token(t) != all[1].token(t) || all[0].google.calls() != 1 {
		t.Errorf("%d calls", all[0].google.calls())
	}
}

// The look at the record comes after the end of a short-lived token: it is not served
// until then.
func TestSharedTokenThatEndsBeforeTheLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := cluster(t, 1)[0]
		b.google.life = 20 * time.Second
		b.signIn(t, &oauth2.Token{RefreshToken: b.google.consent("openid").RefreshToken})
		old := b.token(t)
		time.Sleep(21 * time.Second)
		if b.token(t) == old {
			t.Error("an access token is served after its end")
		}
	})
}

// An access token shared by a process whose clock is ahead is not served after its end.
func TestSharedTokenByAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := cluster(t, 1)[0]
		now := time.Now()
		save(t, b.store.Store, janeKey, tokenstore.Grant{
			RefreshToken: b.google.consent("openid").RefreshToken,
			AccessToken:  "ya29.shared", Expiry: now.Add(20 * time.Second), RefreshedAt: now.Add(time.Hour),
		})
		if got := b.token(t); got != "ya29.shared" {
			t.Errorf("Token = %q", got)
		}
		time.Sleep(21 * time.Second)
		if b.token(t) == "ya29.shared" {
			t.Error("an access token is served after its end")
		}
	})
}
