package exchangetest

import (
	"cmp"
	"slices"
	"strings"
)

// RemoveAccess takes back everything that the user, named by subject or email
// address, has granted to the first client's project, as users do on their
// account's pages. This method and the ones below panic if there is no such user
// or client.
func (s *Server) RemoveAccess(user string) { s.RemoveAccessTo("", user) }

// RemoveAccessTo is RemoveAccess for the project of any client, named by its ID.
func (s *Server) RemoveAccessTo(clientID, user string) {
	c, u := s.mustClient(clientID), s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.end(consentKey{c.project(), u.subject})
}

// SetUser changes the account whose Subject is u's to u, as when users change their
// name or their address, or leave an organization. ID tokens and userinfo show it
// from then on. It panics if u has no Email, or that of another account.
func (s *Server) SetUser(u User) {
	s.ledger.mu.Lock() // so that no other call takes the address
	defer s.ledger.mu.Unlock()
	account := s.ledger.user(cmp.Or(u.Subject, subjectOf(u.Email)))
	if account == nil {
		panic("exchangetest: no user " + cmp.Or(u.Subject, u.Email))
	}
	u.Subject = account.subject
	if other := s.ledger.user(u.Email); u.Email == "" || other != nil && other != account {
		panic("exchangetest: a user without an address of their own")
	}
	account.current.Store(u.clone())
}

// ChangePassword sets a new password for the user, which ends only the refresh
// tokens that have a Gmail scope.
func (s *Server) ChangePassword(user string) {
	s.eachRefreshToken(user, func(t *refreshToken) {
		if slices.ContainsFunc(t.scopes, isGmail) {
			t.ended = true
		}
	})
}

func isGmail(scope string) bool {
	return scope == "https://mail.google.com/" || strings.HasPrefix(scope, "https://www.googleapis.com/auth/gmail.")
}

// RequireReauth ends the session length that the user's organization allows: until
// the user signs in with consent again, refreshing is refused with the subtype
// invalid_rapt.
func (s *Server) RequireReauth(user string) {
	s.eachRefreshToken(user, func(t *refreshToken) { t.reauth = true })
}

func (s *Server) eachRefreshToken(user string, do func(*refreshToken)) {
	u := s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	for _, t := range s.ledger.refresh {
		if t.user == u {
			do(t)
		}
	}
}

// SetBlocked forbids the app to the user, as the administrator of an organization
// can, or allows it again.
func (s *Server) SetBlocked(user string, blocked bool) {
	u := s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	u.blocked = blocked
}

// SetAdvancedProtection puts the user's account under Google's Advanced Protection,
// which does not let the app in, or ends that. Tokens and sign-ins are then refused
// with policy_enforced, also on the way back to the app.
func (s *Server) SetAdvancedProtection(user string, on bool) {
	u := s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	u.protected = on
}

// DeleteUser deletes the account, and with it every token.
func (s *Server) DeleteUser(user string) {
	u := s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	u.deleted = true
}

// DeleteClient deletes the client, as in Google's console, and with it every token.
func (s *Server) DeleteClient(id string) {
	c := s.mustClient(id)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	c.deleted = true
}

// mustUser returns a user, or the first one for "".
func (s *Server) mustUser(name string) *user {
	if name == "" {
		return s.ledger.users[0]
	}
	u := s.ledger.user(name)
	if u == nil {
		panic("exchangetest: no user " + name)
	}
	return u
}

// mustClient returns a client, or the first one for "".
func (s *Server) mustClient(id string) *client {
	if id == "" {
		return s.ledger.clients[0]
	}
	c := s.ledger.client(id)
	if c == nil {
		panic("exchangetest: no client " + id)
	}
	return c
}

// An Account is a user as the server knows them now.
type Account struct {
	User
	Blocked            bool // by SetBlocked
	AdvancedProtection bool // by SetAdvancedProtection
	Deleted            bool // by DeleteUser
}

// Accounts returns the users in the order of [Options], with their Subjects.
func (s *Server) Accounts() []Account {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	var all []Account
	for _, u := range s.ledger.users {
		all = append(all, Account{
			User: *u.profile().clone(), Blocked: u.blocked, AdvancedProtection: u.protected, Deleted: u.deleted,
		})
	}
	return all
}

// Clients returns the clients in the order of [Options], with their defaults.
func (s *Server) Clients() []Client {
	var all []Client
	for _, c := range s.ledger.clients {
		one := c.Client
		one.RedirectURIs = slices.Clone(one.RedirectURIs)
		one.JavaScriptOrigins = slices.Clone(one.JavaScriptOrigins)
		all = append(all, one)
	}
	return all
}

// A Grant is the access that a user has given to a Cloud project and not taken back. It
// ends by revocation and by [Server.RemoveAccess].
type Grant struct {
	Subject       string
	ClientIDs     []string // of the project
	Scopes        []string
	RefreshTokens int // that are good now
	AccessTokens  int // that are good now
}

// Grants returns the grants that there are, ordered by Subject and client.
func (s *Server) Grants() []Grant {
	l := s.ledger
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	grants := make(map[*consent]*Grant)
	for key, c := range l.consents {
		g := &Grant{Subject: key.subject, Scopes: slices.Clone(c.scopes)}
		for _, client := range l.clients {
			if client.project() == key.project {
				g.ClientIDs = append(g.ClientIDs, client.ID)
			}
		}
		grants[c] = g
	}
	for _, t := range l.refresh {
		if g := grants[t.consent]; g != nil && t.alive(now) {
			g.RefreshTokens++
		}
	}
	for _, t := range l.access {
		if g := grants[t.consent]; g != nil && t.alive(now) {
			g.AccessTokens++
		}
	}
	var all []Grant
	for _, g := range grants {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), slices.Compare(a.ClientIDs, b.ClientIDs))
	})
	return all
}
