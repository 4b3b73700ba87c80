package tokenstore

import (
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Memory is a [Store] that lives as long as the process, for tests and for
// trying things out. It is also a [Lister], a [Finder] and a [Leaser]. Keys and
// Find look at all grants.
//
// The zero value is ready to use. A Memory must not be copied after its first
// use.
type Memory struct {
	redacted

	mu     sync.Mutex
	grants map[Key]*Grant // pointers, which fmt does not follow
	leases map[leaseKey]lease
}

var (
	_ Store  = (*Memory)(nil)
	_ Lister = (*Memory)(nil)
	_ Finder = (*Memory)(nil)
	_ Leaser = (*Memory)(nil)
)

type leaseKey struct {
	Key
	purpose string
}

type lease struct {
	owner string
	until time.Time
}

// clone copies the strings: those of a request may change when it has ended.
func (k Key) clone() Key { return Key{strings.Clone(k.ClientID), strings.Clone(k.Subject)} }

// checkCall returns an error if ctx has ended or key is invalid.
func checkCall(ctx context.Context, key Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return key.Validate()
}

// Load implements [Store].
func (m *Memory) Load(ctx context.Context, key Key) (Grant, error) {
	if err := checkCall(ctx, key); err != nil {
		return Grant{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[key]
	if !ok {
		return Grant{}, ErrNotFound
	}
	return g.clone(), nil
}

// Save implements [Store].
func (m *Memory) Save(ctx context.Context, key Key, g Grant) (version string, err error) {
	if err := checkCall(ctx, key); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := ""
	if old, ok := m.grants[key]; ok {
		kept = old.Version
	}
	if kept != g.Version {
		return "", ErrConflict
	}
	if m.grants == nil {
		m.grants = make(map[Key]*Grant)
	}
	g = g.clone()
	g.Version = rand.Text()
	m.grants[key.clone()] = &g
	return g.Version, nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, key Key, version string) error {
	if err := checkCall(ctx, key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[key]
	if ok && version != AnyVersion && version != g.Version {
		return ErrConflict
	}
	delete(m.grants, key)
	return nil
}

// Keys implements [Lister].
func (m *Memory) Keys(ctx context.Context, after Key) iter.Seq2[Key, error] {
	return m.matching(ctx, func(key Key, _ *Grant) bool { return key.Compare(after) > 0 })
}

// Find implements [Finder].
func (m *Memory) Find(ctx context.Context, tokenHash string) iter.Seq2[Key, error] {
	return m.matching(ctx, func(_ Key, g *Grant) bool { return slices.Contains(g.Hashes(), tokenHash) })
}

// matching yields, in order, the keys that match when the iteration begins.
func (m *Memory) matching(ctx context.Context, match func(Key, *Grant) bool) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		var keys []Key
		m.mu.Lock()
		for key, g := range m.grants {
			if match(key, g) {
				keys = append(keys, key)
			}
		}
		m.mu.Unlock()
		slices.SortFunc(keys, Key.Compare)
		for _, key := range keys {
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

// Lease implements [Leaser] within this process.
func (m *Memory) Lease(ctx context.Context, key Key, purpose string, ttl time.Duration) (release func(), ok bool, err error) {
	if err := checkCall(ctx, key); err != nil {
		return nil, false, err
	}
	if err := ValidatePurpose(purpose); err != nil {
		return nil, false, err
	}
	k := leaseKey{key.clone(), strings.Clone(purpose)}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Before(m.leases[k].until) {
		return nil, false, nil
	}
	if m.leases == nil {
		m.leases = make(map[leaseKey]lease)
	}
	owner := rand.Text()
	m.leases[k] = lease{owner, now.Add(ttl)}
	return func() { m.release(k, owner) }, true, nil
}

func (m *Memory) release(k leaseKey, owner string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leases[k].owner == owner {
		delete(m.leases, k)
	}
}
