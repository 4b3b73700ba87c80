// Package tokenstore keeps the refresh tokens of users who signed in with
// Google, and turns them into access tokens from then on, also when the user is
// away.
//
// A [Manager] stands between the sign-in and the API calls:
//
//	grants, err := tokenstore.New(tokenstore.Config{
//		ClientID:  clientID,
//		Store:     &tokenstore.Sealed{Store: rows, Sealer: keyring},
//		Refresher: client, // an exchange.Client
//		Revoker:   client,
//	})
//	…
//	_, err = grants.SignIn(ctx, user.Subject, &tokens.Token) // ErrNeedsConsent: ask for a code with consent
//	…
//	resp, err := grants.HTTPClient(user.Subject).Get("https://www.googleapis.com/drive/v3/about?fields=user")
//
// A [Store] is where grants live: package sqlstore has one for databases, package
// redisstore one for Redis, [Dir] is a directory of files and [Memory] is for
// tests. Package tokenstoretest checks one of your own. [Sealed] encrypts what
// any of them keeps.
//
// # No refresh token is lost
//
// Google hands out a refresh token when the user sees the consent screen, and
// not again. So a sign-in without one never replaces the kept one; every write
// compares the version it has read and decides anew if that is gone, on one
// machine or on fifty; and what a store does not take stays in memory until it
// does ([Manager.Flush]). A refresh token that Google has replaced is saved
// before the access token that came with it is handed out. One loss nobody can
// prevent: Google sends a new refresh token, and the process dies before it is
// saved.
//
// Only the error code invalid_grant ends a grant, and only as long as the record
// still has the very token that was refused. Then the grant needs consent, the
// refresh token is not sent again, and the error is a [*ConsentError].
//
// # Errors
//
// What to branch on, and what exchange.HTTPStatus makes of it:
//
//	ErrNeedsConsent  403  ask the user to sign in with consent; a ConsentError says why
//	ErrNotFound      404  nothing is kept; from Manager.Token and SignIn it is ErrNeedsConsent too, and 403
//	ErrConflict      409  the user signed in while being disconnected; or the store never settles
//	ErrSubject       401  the ID token is another user's, or the subject cannot be one
//	ErrSealed        500  the record cannot be unsealed; it stays as it is
//
// Anything else is a failure for now, wrapped: the Refresher's or the store's.
//
// # Security
//
// Whoever has a refresh token acts as the user until it is revoked, so use
// [Sealed] with any store that is copied, backed up or shared. Types that hold
// tokens or keys show none of it through fmt, log/slog and encoding/json.
// [Manager.HTTPClient] sends tokens to the hosts of [Config] only.
//
// # What it does not do
//
// It does not exchange codes, verify ID tokens or retry: packages exchange and
// idtoken do. Nothing runs in the background; a timer that a call leaves behind
// ends within 10 ms.
package tokenstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/flight"
	"github.com/seed3a054f9c/googlesignin/internal/retry"
	"golang.org/x/oauth2"
)

// A Refresher gets an access token for a refresh token; exchange's Client is
// one. Retrying what may be retried is its business.
//
// The Manager reads from the error what Google said: from an
// OAuthError() (code, subtype string) method in its chain, else from an
// [*oauth2.RetrieveError]. The code invalid_grant, and nothing else, means that
// the refresh token is dead. A new refresh token in the answer replaces the one
// sent.
type Refresher interface {
	Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error)
}

// A Revoker revokes a token at Google; exchange's Client is one.
type Revoker interface {
	Revoke(ctx context.Context, token string) error
}

// Config is what a [Manager] is made of.
type Config struct {
	// ClientID is that of the OAuth client whose tokens these are. Required: a
	// Manager serves one client.
	ClientID string

	// Store keeps the grants. Required.
	Store Store

	// Refresher is required. Revoker is what [Manager.Disconnect] needs.
	Refresher Refresher
	Revoker   Revoker

	// ShareAccessTokens keeps access tokens in the Store too, so that the
	// processes of a cluster share them. With a Leaser one of them refreshes
	// and the others wait. It costs a write for each refresh, about once an
	// hour for each active user. Without it each process refreshes for itself.
	ShareAccessTokens bool

	// Leaser is used with ShareAccessTokens. Nil: Store, if it is one.
	Leaser Leaser

	// RefreshAhead is how long before its end an access token is replaced: half
	// to all of it, at random, and at most a fifth of the token's lifetime. Zero:
	// 5 minutes.
	RefreshAhead time.Duration

	// Timeout bounds what goes on when its caller leaves: a refresh, and to save
	// what a refresh or a sign-in has brought, each for itself. Zero: 1 minute.
	Timeout time.Duration

	// Hosts are where [Manager.HTTPClient] sends access tokens: host names,
	// each with all names below it and on any port, or "host:port". It takes
	// https, or http on a loopback host. Nil: googleapis.com.
	Hosts []string

	// Transport carries the requests of all HTTPClients. Nil: one like
	// [http.DefaultTransport] that keeps more connections.
	Transport http.RoundTripper

	// Logger gets one record for each event, with client_id and subject, and no
	// secret. Nil: none. The messages are stable:
	//
	//	tokenstore.signed_in          info   refresh_token: whether there was a new one
	//	tokenstore.refreshed          debug
	//	tokenstore.rotated            info   Google sent a new refresh token
	//	tokenstore.refused            info   reason: the refresh token is dead
	//	tokenstore.refresh_failed     warn   error: for now
	//	tokenstore.refresh_not_noted  warn   error: the Store's, after a refresh without news
	//	tokenstore.unsaved            error  error, what: the Store did not take it; kept in memory
	//	tokenstore.revoked            info   reason
	//	tokenstore.disconnected       info
	//	tokenstore.lease_failed       warn   error: refreshing without a lease
	//	tokenstore.replayed           debug  a request was sent again after a 401
	Logger *slog.Logger

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// A Manager turns the kept refresh tokens of one OAuth client's users into
// access tokens. It is safe for concurrent use, and any number of Managers, in
// any number of processes, may work on one [Store].
type Manager struct {
	redacted

	clientID     string
	store        Store
	refresher    Refresher
	revoker      Revoker
	share        bool
	leaser       Leaser
	refreshAhead time.Duration
	timeout      time.Duration
	hosts        hosts
	transport    http.RoundTripper
	logger       *slog.Logger
	clock        *clock

	// Behind pointers: a copy of a Manager prints addresses.
	cache      *cache
	flights    *flight.Group[landing]
	ticks      *atomic.Uint64
	unsaved    *unsaved
	catchingUp *turns
	dead       *dead
	stats      *counters
	saving     retry.Policy
}

// New checks the configuration. It does no I/O.
func New(c Config) (*Manager, error) {
	hosts, wrong := newHosts(c.Hosts)
	switch {
	case refusePart(c.ClientID) != "":
		wrong = "ClientID is " + refusePart(c.ClientID)
	case c.Store == nil:
		wrong = "Store is not set"
	case c.Refresher == nil:
		wrong = "Refresher is not set"
	case c.RefreshAhead < 0:
		wrong = "RefreshAhead is negative"
	case c.Timeout < 0:
		wrong = "Timeout is negative"
	}
	if wrong != "" {
		return nil, errors.New("tokenstore: Config." + wrong)
	}
	m := &Manager{
		redacted:     redacted(fmt.Sprintf("tokenstore.Manager{ClientID: %q}", c.ClientID)),
		clientID:     c.ClientID,
		store:        c.Store,
		refresher:    c.Refresher,
		revoker:      c.Revoker,
		share:        c.ShareAccessTokens,
		leaser:       c.Leaser,
		refreshAhead: cmp.Or(c.RefreshAhead, 5*time.Minute),
		timeout:      cmp.Or(c.Timeout, time.Minute),
		hosts:        hosts,
		transport:    c.Transport,
		logger:       cmp.Or(c.Logger, slog.New(slog.DiscardHandler)),
		clock:        &clock{now: c.Now},
		cache:        new(cache),
		flights:      new(flight.Group[landing]),
		ticks:        new(atomic.Uint64),
		unsaved:      new(unsaved),
		catchingUp:   new(turns),
		dead:         new(dead),
		stats:        new(counters),
		saving:       retry.Policy{Initial: 50 * time.Millisecond, Max: time.Second, Tries: 4},
	}
	if m.leaser == nil {
		m.leaser, _ = c.Store.(Leaser)
	}
	if m.transport == nil {
		m.transport = defaultTransport()
	}
	return m, nil
}

func (m *Manager) key(subject string) Key { return Key{ClientID: m.clientID, Subject: subject} }

// checked is the subject's key, if it can be one.
func (m *Manager) checked(subject string) (Key, error) {
	key := m.key(subject)
	if err := key.Validate(); err != nil {
		return Key{}, fmt.Errorf("tokenstore: %w", err)
	}
	return key, nil
}

// detached lets work that must be ended go on without its caller.
func (m *Manager) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), m.timeout)
}

// now is the time as records have it.
func (m *Manager) now() time.Time { return m.clock.time().UTC().Round(0) }
