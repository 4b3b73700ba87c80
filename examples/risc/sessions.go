package main

import (
	"crypto/rand"
	"maps"
	"sync"
)

const sessionCookie = "session"

// sessions are who is signed in, and which accounts must not be. They end with
// the process; a backend of several instances keeps them in its database.
type sessions struct {
	mu       sync.Mutex
	subjects map[string]string // by session ID
	locked   map[string]bool   // by subject
}

func newSessions() *sessions {
	return &sessions{subjects: make(map[string]string), locked: make(map[string]bool)}
}

// open starts a session, unless the account is locked.
func (s *sessions) open(subject string) (id string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked[subject] {
		return "", false
	}
	id = rand.Text()
	s.subjects[id] = subject
	return id, true
}

func (s *sessions) alive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.subjects[id]
	return ok
}

func (s *sessions) endAll(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.subjects, func(_, of string) bool { return of == subject })
}

func (s *sessions) lock(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked[subject] = true
}

func (s *sessions) unlock(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.locked, subject)
}
