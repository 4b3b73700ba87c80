package tokenstore

// A visit is a stretch of work on one subject that ends with something to cache:
// a refresh, or a sign-in. While it lasts, whatever ends the validity of what it
// has read (a sign-in, a revocation, a Disconnect) makes it stale, and what a
// stale visit has found is not cached: it may belong to an older grant.
type visit struct {
	m       *Manager
	subject string
	began   uint64
}

// visits counts, for one subject, the visits under way and what has made
// earlier ones stale. It exists only while there are any.
type visits struct {
	open       int
	generation uint64
}

func (m *Manager) visit(subject string) visit {
	s, _ := m.cache.shard(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.visits[subject]
	if v == nil {
		if s.visits == nil {
			s.visits = make(map[string]*visits)
		}
		v = new(visits)
		s.visits[subject] = v
	}
	v.open++
	return visit{m, subject, v.generation}
}

func (v visit) end() {
	s, _ := v.m.cache.shard(v.subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.visits[v.subject]; all.open > 1 {
		all.open--
		return
	}
	delete(s.visits, v.subject)
}

func (v visit) stale() bool {
	s, _ := v.m.cache.shard(v.subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visits[v.subject].generation != v.began
}

// publish caches e unless the visit has become stale.
func (v visit) publish(e *cached) (ok bool) {
	s, hash := v.m.cache.shard(v.subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.visits[v.subject].generation != v.began {
		return false
	}
	s.set(hash, v.subject, e, v.m.clock.unixNano())
	return true
}

// replace caches e in place of whatever was there, and makes all visits stale.
// Where this one was stale already, nobody knows which of two writers came last
// in the store: nothing stays cached then.
func (v visit) replace(e *cached) {
	s, hash := v.m.cache.shard(v.subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.visits[v.subject]
	if all.generation != v.began {
		e = nil
	}
	s.set(hash, v.subject, e, v.m.clock.unixNano())
	all.generation++
}

// forget drops what is cached for subject and makes all visits stale.
func (m *Manager) forget(subject string) {
	s, hash := m.cache.shard(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(hash, subject)
	if all := s.visits[subject]; all != nil {
		all.generation++
	}
}

// update puts change's result in place of what is cached, if anything is.
func (m *Manager) update(subject string, change func(*cached) *cached) {
	s, hash := m.cache.shard(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := m.cache.get(subject); c != nil {
		s.set(hash, subject, change(c), m.clock.unixNano())
	}
}
