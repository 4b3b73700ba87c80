//go:build unix

package failures_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// refresherFunc is a Refresher that does something beside.
type refresherFunc func(ctx context.Context, refreshToken string) (*oauth2.Token, error)

func (f refresherFunc) Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	return f(ctx, refreshToken)
}

func wantToken(t *testing.T, server *exchangetest.Server, m *tokenstore.Manager, what, subject string) {
	t.Helper()
	token, err := m.Token(t.Context(), subject)
	if err != nil {
		t.Errorf("%s: Token = %v", what, err)
		return
	}
	if got, _, ok := server.CheckAccessToken(token.AccessToken); !ok || got != subject {
		t.Errorf("%s: the token is no good", what)
	}
}

// wantLater checks that an error says to come back later, and not to sign in.
func wantLater(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, tokenstore.ErrNeedsConsent) || errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("%s: %v, want a failure for now", what, err)
	}
}

// TestDatabaseAway stops PostgreSQL and starts it again, with a provider that
// replaces refresh tokens: one that is not saved is one that is lost.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	database := servers.PostgreSQL(t)
	server, google, users := startGoogle(t, 4, exchangetest.Options{RotateRefreshTokens: true})
	store, db, err := stores.PostgreSQL(t.Context(), database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	cached, waiting, signing, rotating := users[0], users[1], users[2], users[3]
	google.signIn(t, server, store, users...)

	client, err := google.client(nil)
	if err != nil {
		t.Fatal(err)
	}
	var afterRefresh atomic.Pointer[func()] // what happens between Google's answer and the Save
	m := google.mustManager(t, tokenstore.Config{Store: store, Refresher: refresherFunc(func(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
		token, err := client.Refresh(ctx, refreshToken)
		if f := afterRefresh.Swap(nil); f != nil {
			(*f)()
		}
		return token, err
	})})
	wantToken(t, server, m, "before", cached)

	stop := func() { database.Kill(t) }
	afterRefresh.Store(&stop)
	_, err = m.Token(t.Context(), rotating)
	wantLater(t, "a refresh while the database dies", err)

	before := refreshes(server)
	wantToken(t, server, m, "while the database is away, from memory", cached)
	_, err = m.Token(t.Context(), waiting)
	wantLater(t, "Token while the database is away", err)
	_, err = m.Token(t.Context(), rotating)
	wantLater(t, "Token of the user whose new refresh token is not saved", err)
	signedIn := google.tokens(t, server, signing)
	_, err = m.SignIn(t.Context(), signing, &signedIn.Token)
	wantLater(t, "SignIn while the database is away", err)
	if n := refreshes(server) - before; n != 0 {
		t.Errorf("%d refreshes while the database is away, want none: what they bring could not be saved", n)
	}

	database.Start(t)
	wantToken(t, server, m, "when the database is back", waiting)
	wantToken(t, server, m, "when the database is back, after a rotation", rotating)
	if err := m.Flush(t.Context()); err != nil {
		t.Errorf("Flush when the database is back = %v", err)
	}
	if n := m.Stats().Unsaved; n != 0 {
		t.Errorf("%d users are still unsaved", n)
	}
	if g, err := store.Load(t.Context(), google.key(signing)); err != nil || g.RefreshToken != signedIn.RefreshToken {
		t.Errorf("the sign-in during the outage is not kept: %v", err)
	}
	restarted := google.mustManager(t, tokenstore.Config{Store: store})
	for _, user := range users {
		wantToken(t, server, restarted, "a process that starts afterwards", user)
	}
}

// TestRedisRestartsEmpty loses all leases while a process holds one, with the
// grants in SQLite.
func TestRedisRestartsEmpty(t *testing.T) {
	t.Parallel()
	redis := servers.Redis(t)
	leases := storeAddress{"redis", redis.Addr}.mustOpen(t).(tokenstore.Leaser)
	server, google, users := startGoogle(t, 2, exchangetest.Options{})
	store := storeAddress{"sqlite", filepath.Join(t.TempDir(), "grants.db")}.mustOpen(t)
	google.signIn(t, server, store, users...)
	client, err := google.client(nil)
	if err != nil {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	slow := google.mustManager(t, tokenstore.Config{Store: store, Leaser: leases, ShareAccessTokens: true,
		Refresher: refresherFunc(func(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
			close(asked)
			<-answer
			return client.Refresh(ctx, refreshToken)
		})})
	other := google.mustManager(t, tokenstore.Config{Store: store, Leaser: leases, ShareAccessTokens: true})

	slowDone := make(chan struct{})
	go func() {
		defer close(slowDone)
		wantToken(t, server, slow, "the holder of a lease that is lost", users[0])
	}()
	<-asked
	if _, ok, err := leases.Lease(t.Context(), google.key(users[0]), "tokenstore/refresh", time.Second); ok || err != nil {
		t.Errorf("the refreshing process holds no lease: %t, %v", ok, err)
	}
	redis.Kill(t)
	wantToken(t, server, other, "while Redis is away", users[1])
	redis.Start(t)
	wantToken(t, server, other, "when Redis is back, and empty", users[0])
	close(answer)
	<-slowDone

	wantToken(t, server, google.mustManager(t, tokenstore.Config{Store: store, Leaser: leases, ShareAccessTokens: true}), "afterwards", users[0])
	if n := refreshes(server); n != 3 {
		t.Errorf("%d refreshes, want 3: one for the user without a lease, two for the one whose lease was lost", n)
	}
}

// TestClocksApart runs three processes of which one is five minutes ahead and
// one behind, for ten hours: a token may be refused once, and nobody has to sign
// in again.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	database := servers.PostgreSQL(t)
	store, db, err := stores.PostgreSQL(t.Context(), database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	server, google, users := startGoogle(t, 5, exchangetest.Options{})
	google.signIn(t, server, store, users...)
	var managers []*tokenstore.Manager
	for _, skew := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		managers = append(managers, google.mustManager(t, tokenstore.Config{
			Store: store, ShareAccessTokens: true,
			Now: func() time.Time { return server.Now().Add(skew) },
		}))
	}
	const rounds = 40
	for range rounds {
		for i := range managers {
			m := managers[i]
			for _, user := range users {
				token, err := m.Token(t.Context(), user)
				if err != nil {
					t.Fatalf("Token = %v", err)
				}
				if _, _, ok := server.CheckAccessToken(token.AccessToken); !ok {
					m.Invalidate(user, token.AccessToken) // what HTTPClient does after a 401
					wantToken(t, server, m, "after a token that had ended", user)
				}
			}
		}
		server.Advance(15 * time.Minute)
	}
	hours := rounds / 4
	if n, most := refreshes(server), 2*hours*len(users); n > most {
		t.Errorf("%d refreshes for %d users in %d hours, want at most %d", n, len(users), hours, most)
	}
}
