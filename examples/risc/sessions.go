package main

import (
	"crypto/rand"
	"maps"
	"sync"
	"time"
)

const sessionCookie = "session"

// clockSkew is how far apart Google's clock and ours may be.
const clockSkew = time.Minute

// sessions are who is signed in, and which accounts must not be. They end with
// the process; a backend of several instances keeps them in its database.
type sessions struct {
	mu    sync.Mutex
	byID  map[string]session
	locks map[string]lock // by subject
}

type session struct {
	subject string
	opened  time.Time
}

// A lock is what the youngest event about it says of an account.
type lock struct {
	locked bool
	at     time.Time
}

func newSessions() *sessions {
	return &sessions{byID: make(map[string]session), locks: make(map[string]lock)}
}

// open starts a session, unless the account is locked.
func (s *sessions) open(subject string) (id string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks[subject].locked {
		return "", false
	}
	id = rand.Text()
	s.byID[id] = session{subject, time.Now()}
	return id, true
}

func (s *sessions) alive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byID[id]
	return ok
}

// endAll ends the sessions that were open at that time.
func (s *sessions) endAll(subject string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.byID, func(_ string, open session) bool {
		return open.subject == subject && open.opened.Sub(at) < clockSkew
	})
}

// lock locks or unlocks an account, unless it has heard of something younger. Of
// two events of one second, as Google's times are, the last to come counts.
func (s *sessions) lock(subject string, locked bool, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !at.Before(s.locks[subject].at) {
		s.locks[subject] = lock{locked, at}
	}
}
