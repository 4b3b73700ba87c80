package main

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// serverSessions are sessions in memory; the browser has a random name for each
// value. A site with several instances keeps them in its database instead.
type serverSessions struct {
	cookies
	mu   sync.Mutex
	kept map[string]kept // by the cookie's value
}

type kept struct {
	name  string
	value []byte
	until time.Time
}

func newServerSessions(secure bool) *serverSessions {
	return &serverSessions{cookies: cookies{secure}, kept: make(map[string]kept)}
}

func (s *serverSessions) put(w http.ResponseWriter, name string, v any, ttl time.Duration) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	now, id := time.Now(), rand.Text() // a new one each time, so that nobody can have planted it
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.kept {
		if now.After(k.until) {
			delete(s.kept, id)
		}
	}
	s.kept[id] = kept{name, value, now.Add(ttl)}
	s.set(w, name, id, ttl)
	return nil
}

func (s *serverSessions) get(r *http.Request, name string, v any) bool {
	s.mu.Lock()
	k, ok := s.kept[s.cookies.get(r, name)]
	s.mu.Unlock()
	return ok && k.name == name && time.Now().Before(k.until) && json.Unmarshal(k.value, v) == nil
}

func (s *serverSessions) drop(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	delete(s.kept, s.cookies.get(r, name))
	s.mu.Unlock()
	s.set(w, name, "", -time.Second)
}
