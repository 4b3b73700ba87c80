package exchangetest

import (
	"cmp"
	"slices"
)

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
			User: *u.profile(), Blocked: u.blocked, AdvancedProtection: u.protected, Deleted: u.deleted,
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
	now := l.now()
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
