package tokenstore

import (
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	year = 365 * 24 * time.Hour

	// assumedLifetime is that of an access token without an expiry: expires_in is
	// only recommended (RFC 6749 section 5.1).
	assumedLifetime = 5 * time.Minute

	// lookAgain is how long a process serves an access token without looking at
	// the record, with Config.ShareAccessTokens.
	lookAgain = time.Minute
)

// An accessToken is one in memory. It never changes once other goroutines can
// see it. Times are nanoseconds since 1970.
type accessToken struct {
	value, kind string
	checkAt     int64 // from then on Token looks whether there is a better one
	dueAt       int64 // from then on it is replaced
	expiry      int64
	refreshedAt int64 // when a refresh brought it; 0: it came otherwise
	refused     bool  // an API has refused it
}

// newAccessToken decides when a token is due for a refresh: ahead of its expiry
// by half to all of Config.RefreshAhead, so that tokens of one hour do not all
// come due at once, and by no more than a fifth of its lifetime. It returns nil
// if there is no token or it has expired.
func (m *Manager) newAccessToken(value, kind string, now, expiry time.Time, lifetime time.Duration) *accessToken {
	if value == "" || !now.Before(expiry) {
		return nil
	}
	ahead := min(jittered(m.config.RefreshAhead, now), lifetime/5)
	due := expiry.Add(-ahead).UnixNano()
	return &accessToken{
		value: strings.Clone(value), kind: kind,
		checkAt: due, dueAt: due, expiry: expiry.UnixNano(),
	}
}

// jittered returns half to all of d. The low digits of the clock are as good as
// random here, and under a test's clock they can be repeated.
func jittered(d time.Duration, now time.Time) time.Duration {
	return d - time.Duration(now.UnixNano()%int64(d/2+1))
}

// oauth2 returns a copy for the caller to keep.
func (c *accessToken) oauth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: c.value, TokenType: c.kind, Expiry: time.Unix(0, c.expiry)}
}

// fresh reports whether the token can be served without a look at anything.
func (c *accessToken) fresh(now int64) bool { return c != nil && now < c.checkAt }

// usable reports whether the token can be served if there is no better one.
func (c *accessToken) usable(now int64) bool { return c != nil && !c.refused && now < c.expiry }

// checkedFrom returns a copy that Token serves until then without a check.
func (c *accessToken) checkedFrom(at int64) *accessToken {
	copied := *c
	copied.checkAt = at
	return &copied
}

// refusedByAPI returns a copy that is not served any more. It stays in memory so
// that the same token is not taken from the store again.
func (c *accessToken) refusedByAPI() *accessToken {
	copied := *c
	copied.refused, copied.checkAt = true, 0
	return &copied
}

// publish caches c as an access token of the grant. It does not if the user's
// generation has changed, or if the record that was seen last is neither read nor
// grant: c may belong to an older grant then.
func (m *Manager) publish(u *user, generation uint64, c *accessToken, read, grant Grant) (ok bool) {
	before, after := m.fingerprint(read), m.fingerprint(grant)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.generation.Load() != generation || u.grant != before && u.grant != after && u.grant != 0 {
		return false
	}
	m.cache(u, c)
	u.grant = after
	return true
}

// replaceGrant begins a new generation with g and its access token; the zero Grant
// means that the grant is not known. Where the generation is not the one in which
// the save began, it is not known which of two writers came last in the store:
// nothing is cached then. It ends the failures of the former grant.
func (m *Manager) replaceGrant(u *user, generation uint64, g Grant, c *accessToken) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.succeeded()
	u.grant = 0
	if u.generation.Load() != generation || g.Version == "" {
		c = nil
	} else {
		u.grant = m.fingerprint(g)
	}
	m.cache(u, c)
	u.generation.Add(1)
}

// forget is replaceGrant by a grant that is not known, so that nothing that was
// read before is cached.
func (m *Manager) forget(u *user) { m.replaceGrant(u, 0, Grant{}, nil) }

// cache stores c as the user's access token. The caller holds u.mu.
func (m *Manager) cache(u *user, c *accessToken) {
	if c != nil && m.config.ShareAccessTokens {
		now := m.clock.Time()
		c.checkAt = min(c.checkAt, now.Add(jittered(lookAgain, now)).UnixNano())
	}
	u.cached.Store(c)
}
