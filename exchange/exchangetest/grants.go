package exchangetest

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// ledger is who has granted what to whom: the rules by which consent becomes a
// code, a code becomes tokens, and tokens end. It knows nothing of HTTP.
type ledger struct {
	options Options
	now     func() time.Time
	users   []*user   // the slices do not change
	clients []*client // nor does what is registered

	mu       sync.Mutex // for all below, and for what has become of the above
	consents map[consentKey]*consent
	codes    map[string]*code
	refresh  map[string]*refreshToken
	access   map[string]*accessToken
	kept     map[tokenKey][]*refreshToken // oldest first
}

type consentKey struct{ project, subject string }
type tokenKey struct{ clientID, subject string }

// consent is what a user has let a Cloud project do. Ending it ends every code
// and token that came from it.
type consent struct {
	scopes []string
	ended  bool
}

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
		if u.Email == "" {
			panic("exchangetest: a User without Email")
		}
		if u.Subject == "" {
			u.Subject = subjectOf(u.Email)
		}
		if l.user(u.Subject) != nil || l.user(u.Email) != nil {
			panic("exchangetest: two users " + u.Email)
		}
		l.users = append(l.users, &user{User: u})
	}
	for n, c := range o.Clients {
		c = c.withDefaults(n)
		if l.client(c.ID) != nil {
			panic("exchangetest: two clients " + c.ID)
		}
		l.clients = append(l.clients, &client{Client: c})
	}
	return l
}

// user finds a user by subject or email address; nil if there is none.
func (l *ledger) user(name string) *user {
	i := slices.IndexFunc(l.users, func(u *user) bool { return u.isNamed(name) })
	if i < 0 {
		return nil
	}
	return l.users[i]
}

// client finds a client by its ID; nil if there is none.
func (l *ledger) client(id string) *client {
	i := slices.IndexFunc(l.clients, func(c *client) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return l.clients[i]
}

// signIn is one user's passage through Google's pages.
type signIn struct {
	client *client
	user   *user

	scopes         []string // asked for, canonical
	declined       []string // of these, canonical
	forceConsent   bool
	offline        bool
	includeGranted bool
	accessFor      time.Duration // what the user limited access to; 0: not limited

	origin            string // redirect_uri, or what stands for it
	challenge, method string // PKCE
	nonce, azp        string
}

// asksConsent reports whether the user will be shown the consent screen.
func (l *ledger) asksConsent(s signIn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.forceConsent || len(l.notGranted(s)) > 0
}

// notGranted returns the scopes that the user has not let the project have yet.
func (l *ledger) notGranted(s signIn) []string {
	c := l.consents[consentKey{s.client.project(), s.user.Subject}]
	if c == nil {
		return s.scopes
	}
	return scope.Missing(c.scopes, s.scopes)
}

// approve records the user's consent and issues a code; nil if the user, by
// declining every scope, has denied access.
func (l *ledger) approve(s signIn) *code {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := s.forceConsent || len(l.notGranted(s)) > 0
	granted := scope.Missing(s.declined, s.scopes)
	if len(granted) == 0 {
		return nil
	}
	key := consentKey{s.client.project(), s.user.Subject}
	if l.consents[key] == nil {
		l.consents[key] = new(consent)
	}
	c := l.consents[key]
	c.scopes = scope.Set(append(c.scopes, granted...)...)
	if s.includeGranted {
		granted = c.scopes
	}
	code := &code{
		value:     secret("4/0A", 52),
		signIn:    s,
		consent:   c,
		scopes:    scope.Set(granted...),
		refreshes: s.client.Installed || s.offline && asked,
		asked:     asked,
		expiry:    l.now().Add(l.options.CodeLifetime),
	}
	l.codes[code.value] = code
	return code
}

// end takes back all that a user has let a project do. The caller holds the lock.
func (l *ledger) end(project, subject string) {
	key := consentKey{project, subject}
	if c := l.consents[key]; c != nil {
		c.ended = true
		delete(l.consents, key)
	}
}

// secret returns prefix followed by n random bytes in base64url.
func secret(prefix string, n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}
