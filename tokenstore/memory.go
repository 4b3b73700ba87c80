package tokenstore

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"iter"
	"slices"
	"sync"
	"time"
)

// Memory is a [Store] that lives as long as the process: for tests and for
// trying things out. It is a [Lister], a [Finder] and a [Leaser] too; Keys and
// Find look at all there is.
//
// The zero value is ready, and a Memory must not be copied after its first use.
type Memory struct {
	redacted

	shards [64]memoryShard
}

var (
	_ Store  = (*Memory)(nil)
	_ Lister = (*Memory)(nil)
	_ Finder = (*Memory)(nil)
	_ Leaser = (*Memory)(nil)
)

type memoryShard struct {
	mu     sync.RWMutex
	grants map[Key]func() *Grant // which fmt has no way into, also in a copy
	leases map[leaseKey]lease
}

type leaseKey struct {
	Key
	purpose string
}

type lease struct {
	owner string
	until time.Time
}

var hashSeed = maphash.MakeSeed()

func (m *Memory) shard(key Key) *memoryShard {
	return &m.shards[maphash.Comparable(hashSeed, key)%uint64(len(m.shards))]
}

// enter is what every method does first.
func enter(ctx context.Context, key Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return key.Validate()
}

// Load implements [Store].
func (m *Memory) Load(ctx context.Context, key Key) (Grant, error) {
	if err := enter(ctx, key); err != nil {
		return Grant{}, err
	}
	s := m.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, ok := s.grants[key]
	if !ok {
		return Grant{}, ErrNotFound
	}
	return g().clone(), nil
}

// Save implements [Store].
func (m *Memory) Save(ctx context.Context, key Key, g Grant) (version string, err error) {
	if err := enter(ctx, key); err != nil {
		return "", err
	}
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := ""
	if old, ok := s.grants[key]; ok {
		kept = old().Version
	}
	if kept != g.Version {
		return "", ErrConflict
	}
	if s.grants == nil {
		s.grants = make(map[Key]func() *Grant)
	}
	g = g.clone()
	g.Version = rand.Text()
	s.grants[key] = func() *Grant { return &g }
	return g.Version, nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, key Key, version string) error {
	if err := enter(ctx, key); err != nil {
		return err
	}
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants[key]
	if ok && version != AnyVersion && version != g().Version {
		return ErrConflict
	}
	delete(s.grants, key)
	return nil
}

// Keys implements [Lister].
func (m *Memory) Keys(ctx context.Context, after Key) iter.Seq2[Key, error] {
	return m.yield(ctx, func(key Key, _ *Grant) bool { return key.Compare(after) > 0 })
}

// Find implements [Finder].
func (m *Memory) Find(ctx context.Context, tokenHash string) iter.Seq2[Key, error] {
	return m.yield(ctx, func(_ Key, g *Grant) bool { return slices.Contains(g.Hashes(), tokenHash) })
}

// yield yields the keys that match when the iteration begins, in order.
func (m *Memory) yield(ctx context.Context, match func(Key, *Grant) bool) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for _, key := range m.matching(match) {
			if ctx.Err() != nil {
				break
			}
			if !yield(key, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Key{}, err)
		}
	}
}

func (m *Memory) matching(match func(Key, *Grant) bool) []Key {
	var keys []Key
	for i := range m.shards {
		keys = m.shards[i].appendMatching(keys, match)
	}
	slices.SortFunc(keys, Key.Compare)
	return keys
}

func (s *memoryShard) appendMatching(keys []Key, match func(Key, *Grant) bool) []Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for key, g := range s.grants {
		if match(key, g()) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Lease implements [Leaser], within this process.
func (m *Memory) Lease(ctx context.Context, key Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	if err := enter(ctx, key); err != nil {
		return nil, false, err
	}
	if err := ValidatePurpose(purpose); err != nil {
		return nil, false, err
	}
	s, k := m.shard(key), leaseKey{key, purpose}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(s.leases[k].until) {
		return nil, false, nil
	}
	if s.leases == nil {
		s.leases = make(map[leaseKey]lease)
	}
	owner := rand.Text()
	s.leases[k] = lease{owner, now.Add(ttl)}
	return func() { s.release(k, owner) }, true, nil
}

func (s *memoryShard) release(k leaseKey, owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases[k].owner == owner {
		delete(s.leases, k)
	}
}
