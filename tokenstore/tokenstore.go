package tokenstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/background"
	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/bearer"
	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/clock"
	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/refused"
)

// A Refresher gets an access token for a refresh token; exchange's Client is
// one. It retries by itself where that may help.
//
// The Manager reads from the error what Google said: from an OAuthError() (code,
// subtype string) method in its chain, else from an [*oauth2.RetrieveError]. The
// code invalid_grant, and nothing else, means that the refresh token is refused for
// good. A new refresh token in the response replaces the one sent.
type Refresher interface {
	Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error)
}

// A BoundRefresher is a Refresher for refresh tokens that are bound to a key (RFC
// 9449, DPoP); exchange's Client is one. The Manager calls RefreshBound in place of
// Refresh, with [Grant].KeyThumbprint; empty: the refresh token is not bound.
// Without the key it sends nothing, and returns an error without an OAuth code;
// exchange's Is ErrKey.
//
// A type that embeds a Refresher, to count its calls perhaps, hides RefreshBound:
// then a bound refresh token is not sent, and the error is [ErrKey].
type BoundRefresher interface {
	Refresher
	RefreshBound(ctx context.Context, refreshToken, keyThumbprint string) (*oauth2.Token, error)
}

// A Revoker revokes a token at Google; exchange's Client is one.
type Revoker interface {
	Revoke(ctx context.Context, token string) error
}

// Config configures a [Manager].
type Config struct {
	// ClientID is that of the OAuth client to which the tokens belong. Required: a
	// Manager serves one client.
	ClientID string
	// Store keeps the grants. Required.
	Store Store
	// Refresher refreshes access tokens. Required.
	Refresher Refresher
	// Revoker revokes grants at Google. [Manager.Disconnect] needs it.
	Revoker Revoker

	// ShareAccessTokens keeps access tokens in the Store too, for all processes of
	// a cluster. With a Leaser one of them refreshes and the others wait. Each looks
	// at the record again after a minute at most, so that a sign-in, a revocation or
	// a Disconnect elsewhere reaches it within that time. It costs a write for each
	// refresh, about once an hour for each active user, and a read a minute.
	//
	// Without it each process refreshes for itself, and serves an access token for
	// up to an hour after another one has disconnected the user.
	ShareAccessTokens bool

	// Leaser is used with ShareAccessTokens. If nil, Store is used if it is one.
	Leaser Leaser

	// RefreshAhead is how long before its expiry an access token is replaced: half
	// to all of it, at random, and at most a fifth of the token's lifetime. If
	// zero, 5 minutes is used.
	RefreshAhead time.Duration

	// Timeout bounds work that goes on when its caller leaves: a refresh, saving its
	// result, and saving a sign-in, each for itself. If zero, 1 minute is used.
	Timeout time.Duration

	// AllowNarrowing says that a sign-in with fewer scopes is meant to narrow the
	// grant: its refresh token replaces the kept one, and nothing counts as lost.
	AllowNarrowing bool

	// CacheSize is how many users are in memory at most, at about 280 bytes each
	// beside their strings. Those whose access tokens expire first leave first. Users
	// with pending writes or work under way come on top. If zero, 1,048,576 is
	// used.
	CacheSize int

	// Hosts are where [Manager.HTTPClient] sends access tokens: host names,
	// each with all names below it and on any port, or "host:port". It takes
	// https, or http on a loopback host. If nil, googleapis.com is used.
	Hosts []string

	// Transport carries the requests of all HTTPClients. If nil, one like
	// [http.DefaultTransport] is used that keeps more connections.
	Transport http.RoundTripper

	// Logger gets one record for each event, with client_id and subject, and no
	// secret. If nil, nothing is logged. The messages are stable:
	//
	//	tokenstore.signed_in          info   refresh_token: whether there was a new one;
	//	                                     id_token: whether an ID token said whose it is
	//	tokenstore.imported           info
	//	tokenstore.narrowed           warn   lost: scopes that an earlier sign-in had
	//	tokenstore.refreshed          debug
	//	tokenstore.rotated            info   Google sent a new refresh token
	//	tokenstore.refused            info   reason: why Google refuses the refresh token
	//	tokenstore.refresh_failed     warn   error: for now
	//	tokenstore.refresh_not_noted  warn   error: the Store's, after a refresh that worked
	//	tokenstore.unsaved            error  error, what: the Store did not take it; kept in memory
	//	tokenstore.revoked            info   reason
	//	tokenstore.disconnected       info
	//	tokenstore.not_revoked        warn   error: of a refresh token that came after a Disconnect
	//	tokenstore.lease_failed       warn   error: refreshing without a lease
	//	tokenstore.replayed           debug  a request was sent again after a 401 or a 403
	Logger *slog.Logger

	// Now is the clock. If nil, time.Now is used.
	Now func() time.Time
}

// A Manager turns the kept refresh tokens of one OAuth client's users into
// access tokens. It is safe for concurrent use, and any number of Managers, in
// any number of processes, may work on one [Store].
type Manager struct {
	redacted

	config Config // with its defaults
	hosts  bearer.Hosts
	seed   maphash.Seed // of fingerprints

	// Behind pointers: a copy of a Manager prints addresses.
	clock      *clock.Clock
	users      *users
	refused    *refused.Tokens
	background *background.Work
	stats      *counters
}

// New checks the configuration. It does no I/O.
func New(c Config) (*Manager, error) {
	if len(c.Hosts) == 0 {
		c.Hosts = []string{"googleapis.com"}
	}
	hosts, wrong := bearer.NewHosts(c.Hosts)
	switch {
	case refusePart(c.ClientID) != "":
		wrong = "ClientID is " + refusePart(c.ClientID)
	case c.Store == nil:
		wrong = "Store is not set"
	case check(c.Store) != nil:
		wrong = "Store: " + check(c.Store).Error()
	case c.Refresher == nil:
		wrong = "Refresher is not set"
	case c.RefreshAhead < 0:
		wrong = "RefreshAhead is negative"
	case c.Timeout < 0:
		wrong = "Timeout is negative"
	case c.CacheSize < 0:
		wrong = "CacheSize is negative"
	}
	if wrong != "" {
		return nil, errors.New("tokenstore: Config." + wrong)
	}
	c.RefreshAhead = cmp.Or(c.RefreshAhead, 5*time.Minute)
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	c.CacheSize = cmp.Or(c.CacheSize, 1<<20)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Leaser == nil {
		c.Leaser, _ = c.Store.(Leaser)
	}
	if c.Transport == nil {
		c.Transport = bearer.DefaultBase()
	}
	return &Manager{
		redacted:   redacted(fmt.Sprintf("tokenstore.Manager{ClientID: %q}", c.ClientID)),
		config:     c,
		hosts:      hosts,
		seed:       maphash.MakeSeed(),
		clock:      clock.New(c.Now),
		users:      &users{limit: c.CacheSize},
		refused:    new(refused.Tokens),
		background: new(background.Work),
		stats:      new(counters),
	}, nil
}

func (m *Manager) key(subject string) Key { return Key{ClientID: m.config.ClientID, Subject: subject} }

// acquire returns the user's entry, if subject can be one. The caller must release
// it. Its subject is a copy, which outlives the call.
func (m *Manager) acquire(subject string) (*user, error) {
	if err := m.key(subject).Validate(); err != nil {
		return nil, fmt.Errorf("tokenstore: %w", err)
	}
	return m.users.acquire(subject), nil
}

func (m *Manager) release(u *user) { m.users.release(u, m.clock.UnixNano()) }

// detached returns a context for work that must complete even if the caller gives
// up. It has none of a caller's values: some frameworks reuse a request's context
// for the next request.
func (m *Manager) detached() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), m.config.Timeout)
}

// now is the time as records have it.
func (m *Manager) now() time.Time { return m.clock.Time().UTC().Round(0) }
