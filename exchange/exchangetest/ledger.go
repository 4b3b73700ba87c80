package exchangetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// codeLifetime is the longest that RFC 6749 section 4.1.2 recommends. Google states
// none.
const codeLifetime = 10 * time.Minute

// A ledger holds users, clients, consents, codes and tokens, and the rules by which
// a consent becomes a code, a code becomes tokens, and tokens end. It knows nothing
// of HTTP.
type ledger struct {
	options Options
	now     func() time.Time // calls Options.Now, so not with mu held
	users   []*user          // the slices do not change
	clients []*client        // nor does the embedded Client

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

// A consent is the set of scopes that a user has granted to a Cloud project. When it
// ends, so does every code and token that came from it.
type consent struct {
	scopes []string
	ended  bool
}

type consentKey struct{ project, subject string }

// A signIn is one visit of a user to Google's pages.
type signIn struct {
	client *client
	user   *user

	scopes         []string // asked for, canonical
	declined       []string // of these, canonical
	forceConsent   bool
	offline        bool
	includeGranted bool

	redirectURI               string
	challenge, method         string // PKCE
	nonce, azp                string
	asksAuthTime, asksMethods bool // claims that are asked for
}

func (s *signIn) key() consentKey { return consentKey{s.client.project(), s.user.subject} }

// asksConsent reports whether the user will be shown the consent screen.
func (l *ledger) asksConsent(s signIn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asks(s)
}

// asks is asksConsent with the lock held.
func (l *ledger) asks(s signIn) bool {
	c := l.consents[s.key()]
	return c == nil || s.forceConsent || len(scope.Missing(c.scopes, s.scopes)) > 0
}

var errAccessDenied = errors.New("access_denied")

// decide issues a code for the user's decisions on the screens that Google would
// show. If the user declines every scope, the error is errAccessDenied.
func (l *ledger) decide(s signIn) (*code, error) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if no := s.client.refusal(); no != nil {
		return nil, no
	}
	if no := s.user.refusal(); no != nil {
		return nil, no
	}
	asked := l.asks(s)
	if len(s.declined) > 0 && !asked {
		return nil, fmt.Errorf("nothing to decline: %s has granted all of it before", s.user.profile().Email)
	}
	for _, name := range s.declined {
		if isIdentity(name) || !slices.Contains(s.scopes, name) {
			return nil, fmt.Errorf("the consent screen has no box to untick for %q", name)
		}
	}
	granted := scope.Missing(s.declined, s.scopes)
	if len(granted) == 0 {
		return nil, errAccessDenied
	}
	return l.newCode(s, asked, granted, now), nil
}

// newCode adds the granted scopes to the user's consent, and issues a code.
func (l *ledger) newCode(s signIn, asked bool, granted []string, now time.Time) *code {
	c := l.consents[s.key()]
	if c == nil {
		c = new(consent)
		l.consents[s.key()] = c
	}
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
		expiry:    now.Add(codeLifetime),
		authTime:  s.user.profile().SignedInAt,
	}
	if code.authTime.IsZero() {
		code.authTime = now
	}
	l.codes[code.value] = code
	return code
}

// end ends a user's consent for a project. The caller holds the lock.
func (l *ledger) end(key consentKey) {
	if c := l.consents[key]; c != nil {
		c.ended = true
		delete(l.consents, key)
	}
}
