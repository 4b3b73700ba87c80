package exchangetest

import (
	"slices"
	"strings"
)

// RemoveAccess is the user, named by subject or email address, taking back all
// that they have granted to the first client's project, on the account's own
// pages. This and the methods below panic if there is no such user or client.
func (s *Server) RemoveAccess(user string) {
	u := s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.end(consentKey{s.ledger.clients[0].project(), u.Subject})
}

// ChangePassword is the user setting a new password, which ends the refresh
// tokens that have a Gmail scope, and those only.
func (s *Server) ChangePassword(user string) {
	s.eachRefreshToken(user, func(t *refreshToken) {
		t.ended = t.ended || slices.ContainsFunc(t.scopes, isGmail)
	})
}

func isGmail(scope string) bool {
	return scope == "https://mail.google.com/" || strings.HasPrefix(scope, "https://www.googleapis.com/auth/gmail.")
}

// RequireReauth is the session length of the user's organization running out:
// until the user signs in with consent again, refreshing is refused with the
// subtype invalid_rapt.
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

// SetBlocked is the administrator of the user's organization forbidding the
// app, or allowing it again.
func (s *Server) SetBlocked(user string, blocked bool) {
	u := s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	u.blocked = blocked
}

// DeleteUser is the account being deleted, with every token.
func (s *Server) DeleteUser(user string) {
	u := s.mustUser(user)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	u.deleted = true
}

// DeleteClient is the client being deleted in Google's console, with every token.
func (s *Server) DeleteClient(id string) {
	c := s.mustClient(id)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	c.deleted = true
}

// DisableClient is the client being disabled. What Google answers then is not
// documented; the server says 401 disabled_client.
func (s *Server) DisableClient(id string) {
	c := s.mustClient(id)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	c.disabled = true
}

// mustUser finds a user; the first one for "".
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

// mustClient finds a client; the first one for "".
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
