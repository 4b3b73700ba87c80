package exchangetest

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// A ledger holds users, clients, consents, codes and tokens, and the rules by which
// a consent becomes a code, a code becomes tokens, and tokens end. It knows nothing
// of HTTP.
type ledger struct {
	options Options
	now     func() time.Time
	users   []*user   // the slices do not change
	clients []*client // nor does the embedded Client

	mu       sync.Mutex // guards the maps below, and the state of users and clients
	consents map[consentKey]*consent
	codes    map[string]*code
	refresh  map[string]*refreshToken
	access   map[string]*accessToken
	kept     map[tokenKey][]*refreshToken // oldest first
}

type tokenKey struct{ clientID, subject string }

func newLedger(o Options, now func() time.Time) *ledger {
	l := &ledger{
		options:  o,
		now:      now,
		consents: make(map[consentKey]*consent),
		codes:    make(map[string]*code),
		refresh:  make(map[string]*refreshToken),
		access:   make(map[string]*accessToken),
		kept:     make(map[tokenKey][]*refreshToken),
	}
	for _, u := range o.Users {
		u.Subject = cmp.Or(u.Subject, subjectOf(u.Email))
		l.users = append(l.users, newUser(u))
	}
	for n, c := range o.Clients {
		l.clients = append(l.clients, &client{Client: c.withDefaults(n)})
	}
	return l
}

// user returns a user by subject or email address, or nil.
func (l *ledger) user(name string) *user { return find(l.users, name) }

// client returns a client by its ID, or nil.
func (l *ledger) client(id string) *client {
	i := slices.IndexFunc(l.clients, func(c *client) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return l.clients[i]
}
