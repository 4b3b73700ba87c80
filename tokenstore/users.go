package tokenstore

import (
	"container/heap"
	"container/list"
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
)

// A user is what this process knows about one user. Reading the cached access
// token takes no lock. A call that does more holds a reference, so that all calls
// about one user share one entry: see [users.acquire].
type user struct {
	subject string
	cached  atomic.Pointer[accessToken] // nil: none; what belongs to another grant is stored with mu held

	mu         sync.Mutex
	generation atomic.Uint64 // raised by a sign-in, a revocation and a Disconnect
	grant      uint64        // fingerprint of the record that was read or written last; 0: not known
	activity   *activity     // nil without a reference, if there is nothing to keep

	// Guarded by users.mu.
	refs    int32
	index   int32 // in users.idle; -1: not there
	leaveAt int64 // when an idle entry is no longer needed
}

// activity is the part of a user that an idle one does not have.
type activity struct {
	refresh   *sharedRefresh // under way; nil: none
	rotation  *write         // pending rotation or refusal of the kept refresh token
	signIns   []*write       // pending sign-ins, mostly one; nil: none
	displaced []string       // scopes of sign-ins that those displaced
	saving    chan struct{}  // held while pending writes are saved
	asking    chan struct{}  // held from a call of the Refresher until its result is saved
	failures  atomic.Pointer[failures]
	listed    *list.Element // of users.pending; nil: not there. Guarded by users.mu
}

// lock waits for one of the activity's locks until ctx ends.
func lock(ctx context.Context, held chan struct{}) (unlock func(), err error) {
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, ctxerr.Of(ctx)
	}
}

// observe compares the fingerprint of a record, which was read in that
// generation, with the grant behind the cached access token, and drops the token
// if it belongs to another grant.
func (u *user) observe(generation, grant uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.generation.Load() != generation {
		return // the record may have changed since it was read
	}
	if u.grant != grant && u.grant != 0 {
		u.cached.Store(nil)
	}
	u.grant = grant
}

// publish caches c as an access token of the grant. It does not if the user's
// generation has changed, or if the record that was seen last is neither read nor
// grant: c may belong to an older grant then.
func (m *Manager) publish(u *user, generation uint64, c *accessToken, read, grant Grant) (ok bool) {
	before, after := m.fingerprint(read), m.fingerprint(grant)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.generation.Load() != generation || u.grant != before && u.grant != after && u.grant != 0 {
		return false
	}
	m.cache(u, c)
	u.grant = after
	return true
}

// replaceGrant begins a new generation with g and its access token; the zero Grant
// means that the grant is not known. Where the generation is not the one in which
// the save began, it is not known which of two writers came last in the store:
// nothing is cached then. It ends the failures of the former grant.
func (m *Manager) replaceGrant(u *user, generation uint64, g Grant, c *accessToken) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.succeeded()
	u.grant = 0
	if u.generation.Load() != generation || g.Version == "" {
		c = nil
	} else {
		u.grant = m.fingerprint(g)
	}
	m.cache(u, c)
	u.generation.Add(1)
}

// forget is replaceGrant by a grant that is not known, so that nothing that was
// read before is cached.
func (m *Manager) forget(u *user) { m.replaceGrant(u, 0, Grant{}, nil) }

// cache stores c as the user's access token. The caller holds u.mu.
func (m *Manager) cache(u *user, c *accessToken) {
	if c != nil && m.config.ShareAccessTokens {
		now := m.clock.Time()
		c.checkAt = min(c.checkAt, now.Add(jittered(lookAgain, now)).UnixNano())
	}
	u.cached.Store(c)
}

// users holds the entries by subject. One without references stays until it is
// no longer needed or there are too many; those that are needed for the shortest
// time leave first.
type users struct {
	limit int

	// bySubject has the users. It is changed with mu held, and read without: two
	// cores would wait for a lock that all readers share.
	bySubject sync.Map

	mu      sync.Mutex
	total   int // in bySubject
	idle    idleUsers
	pending list.List // of users with pending writes, in the order in which other Saves take them along
}

// evictions is how many entries one call removes at most, so that no call pays
// for all that have expired.
const evictions = 16

// get returns the entry of subject, for reading its cached token only.
func (all *users) get(subject string) *user {
	found, _ := all.bySubject.Load(subject)
	u, _ := found.(*user)
	return u
}

// acquire returns the entry of subject with a reference that the caller must
// release. It makes the entry if there is none.
func (all *users) acquire(subject string) *user {
	all.mu.Lock()
	defer all.mu.Unlock()
	u := all.get(subject)
	if u == nil {
		u = &user{subject: strings.Clone(subject), index: -1} // some frameworks reuse the memory of a request
		all.bySubject.Store(u.subject, u)
		all.total++
	}
	all.hold(u)
	return u
}

// hold adds a reference. The caller holds all.mu.
func (all *users) hold(u *user) {
	u.refs++
	if u.activity == nil {
		u.activity = &activity{saving: make(chan struct{}, 1), asking: make(chan struct{}, 1)}
	}
	if u.index >= 0 {
		heap.Remove(&all.idle, int(u.index))
	}
}

// release gives a reference back. Without references an entry stays as long as
// its access token, its pending writes or its failures are of use.
func (all *users) release(u *user, now int64) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if u.refs--; u.refs > 0 {
		return
	}
	pending, until := u.usefulUntil()
	switch {
	case pending:
	case until <= now:
		all.remove(u)
	default:
		u.leaveAt = until
		heap.Push(&all.idle, u)
	}
	for range evictions {
		if len(all.idle) == 0 || all.idle[0].leaveAt > now && all.total <= all.limit {
			return
		}
		all.remove(heap.Pop(&all.idle).(*user))
	}
}

// remove removes an entry without references. The caller holds all.mu.
func (all *users) remove(u *user) {
	all.bySubject.Delete(u.subject)
	all.total--
}

// usefulUntil reports whether u, an entry without references, has pending writes,
// and else until when it is of use.
func (u *user) usefulUntil() (pending bool, until int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c := u.cached.Load(); c != nil {
		until = c.expiry
	}
	if f := u.activity.failures.Load(); f != nil {
		until = max(until, f.forgetAt)
	} else if u.activity.listed == nil {
		u.activity = nil
	}
	return u.activity != nil && u.activity.listed != nil, until
}

// notePending brings the list of users with pending writes up to date.
func (all *users) notePending(u *user) {
	all.mu.Lock()
	defer all.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	switch a := u.activity; {
	case a.hasPending() && a.listed == nil:
		a.listed = all.pending.PushBack(u)
	case !a.hasPending() && a.listed != nil:
		all.pending.Remove(a.listed)
		a.listed = nil
	}
}

// nextPending returns, with a reference, the user whose pending writes have
// waited longest, and puts it at the end of the list; nil if there is none.
func (all *users) nextPending() *user {
	all.mu.Lock()
	defer all.mu.Unlock()
	first := all.pending.Front()
	if first == nil {
		return nil
	}
	all.pending.MoveToBack(first)
	u := first.Value.(*user)
	all.hold(u)
	return u
}

// allPending returns, each with a reference, the users with pending writes.
func (all *users) allPending() []*user {
	all.mu.Lock()
	defer all.mu.Unlock()
	var pending []*user
	for e := all.pending.Front(); e != nil; e = e.Next() {
		u := e.Value.(*user)
		all.hold(u)
		pending = append(pending, u)
	}
	return pending
}

// idleUsers is a heap by leaveAt, for container/heap.
type idleUsers []*user

func (h idleUsers) Len() int           { return len(h) }
func (h idleUsers) Less(i, j int) bool { return h[i].leaveAt < h[j].leaveAt }
func (h idleUsers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

func (h *idleUsers) Push(x any) {
	u := x.(*user)
	u.index = int32(len(*h))
	*h = append(*h, u)
}

func (h *idleUsers) Pop() any {
	last := len(*h) - 1
	u := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	u.index = -1
	return u
}
