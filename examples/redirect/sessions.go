package main

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

const sessionTime = 7 * 24 * time.Hour

// A user is signed in to this site.
type user struct{ Subject, Email string }

// sessions keeps who is signed in, in memory. A real site has its own sessions,
// in its database.
type sessions struct {
	https bool
	mu    sync.Mutex
	kept  map[string]session // by the value of the cookie
}

type session struct {
	user
	ends time.Time
}

func newSessions(https bool) *sessions {
	return &sessions{https: https, kept: make(map[string]session)}
}

// user returns the user of the browser that has sent r.
func (s *sessions) user(r *http.Request) (u user, ok bool) {
	c, err := r.Cookie(s.name())
	if err != nil {
		return user{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.kept[c.Value]
	return found.user, time.Now().Before(found.ends)
}

// start begins a session in place of the browser's earlier one. It always has a new ID:
// an attacker may know the ID that the browser had.
func (s *sessions) start(w http.ResponseWriter, r *http.Request, u user) {
	id, now := rand.Text(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(r)
	for id, k := range s.kept {
		if now.After(k.ends) {
			delete(s.kept, id)
		}
	}
	s.kept[id] = session{u, now.Add(sessionTime)}
	s.set(w, id, sessionTime)
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(r)
	s.set(w, "", -time.Second)
}

// forget forgets the session of the browser that has sent r. s.mu is locked.
func (s *sessions) forget(r *http.Request) {
	if c, err := r.Cookie(s.name()); err == nil {
		delete(s.kept, c.Value)
	}
}

func (s *sessions) name() string {
	if s.https {
		return "__Host-session"
	}
	return "session"
}

func (s *sessions) set(w http.ResponseWriter, id string, ttl time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: s.name(), Value: id, Path: "/", MaxAge: int(ttl / time.Second),
		Secure: s.https, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
