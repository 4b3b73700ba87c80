package tokenstore_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// world is what the model knows and no Manager can: which tokens live, which
// sign-in they come from, and who did what when.
type world struct {
	t         *testing.T
	seed      uint64
	memory    tokenstore.Memory
	rotate    float64 // how often Google rotates
	faults    float64 // how often anything fails
	noIDToken float64 // how often a sign-in has no ID token: others order it as they may
	faulty    bool    // anything ever fails
	skewed    bool    // clocks are up to five minutes off

	mu       sync.Mutex
	n        int
	refresh  map[string]*issued
	had      map[string][]string // scopes of records by subject, since the last Delete
	access   map[string]*lineage
	lineages []*lineage
	ends     []ending
	trace    []string
}

// lineage is a sign-in with consent and all tokens that came of it.
type lineage struct {
	id             int
	subject        string
	began, settled time.Time // of the SignIn; settled zero: it is under way
	err            error     // of the SignIn
	ended          bool      // a Disconnect has deleted its record
	head           string    // the refresh token that Google takes now
	holder         *process  // who was told of head
	by             *process  // who did the SignIn
	iat            time.Time // of its ID token; zero: there is none
	scopes         []string
	worked         time.Time // when a refresh of it last succeeded
	saved          bool      // the store has had it
}

type issued struct {
	of   *lineage
	live bool
}

// ending is a Disconnect or a Revoked.
type ending struct {
	subject        string
	began, settled time.Time
	at             time.Time // what MarkRevoked was told; zero: now, or a Disconnect
	by             *process
	err            error
}

func (w *world) logf(format string, args ...any) {
	w.trace = append(w.trace, time.Now().Format("05.000000 ")+fmt.Sprintf(format, args...))
}

func (w *world) failf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logf("FAILED "+format, args...)
	w.t.Errorf("seed %d: "+format, append([]any{w.seed}, args...)...)
}

// consent is the user at Google's consent screen.
func (w *world) consent(subject string, p *process, scopes []string, withIDToken bool) (*lineage, *oauth2.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &lineage{id: len(w.lineages), subject: subject, began: time.Now(), by: p, scopes: scopes}
	w.lineages = append(w.lineages, l)
	w.issue(l, p)
	tok := w.token(l, l.head)
	if withIDToken {
		l.iat = time.Now().Truncate(time.Second)
		tok = withExtra(tok, "id_token", idToken(fmt.Sprintf(`{"sub":%q,"iat":%d}`, subject, l.iat.Unix())))
	}
	return l, tok
}

// issue gives a lineage its next refresh token; the former one is refused then.
func (w *world) issue(l *lineage, to *process) {
	if old := w.refresh[l.head]; old != nil {
		old.live = false
	}
	w.n++
	l.head, l.holder = fmt.Sprintf("1//r%d-of-lineage-%d", w.n, l.id), to
	w.refresh[l.head] = &issued{l, true}
}

func (w *world) token(l *lineage, refreshToken string) *oauth2.Token {
	w.n++
	access := fmt.Sprintf("ya29.a%d-of-lineage-%d", w.n, l.id)
	w.access[access] = l
	tok := &oauth2.Token{AccessToken: access, RefreshToken: refreshToken, Expiry: time.Now().Add(time.Hour)}
	return tok.WithExtra(map[string]any{"scope": strings.Join(l.scopes, " ")})
}

// process is a Manager and its ways to the world, until it crashes.
type process struct {
	*world
	*tokenstore.Manager
	name    int
	crashed bool
	refused map[string]bool // refresh tokens that it was told are refused or replaced
	steps   map[string]int  // by kind
	blind   int             // > 0: it cannot read the store
}

var errCrashed = errors.New("the process has crashed")

func (w *world) start(name int, share bool, skew time.Duration) *process {
	p := &process{world: w, name: name, refused: map[string]bool{}, steps: map[string]int{}}
	m, err := tokenstore.New(tokenstore.Config{
		ClientID: client, Store: storeOf{p}, Refresher: p, Revoker: p,
		ShareAccessTokens: share,
		Now:               func() time.Time { return time.Now().Add(skew) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p.Manager = m
	return p
}

func (p *process) crash() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crashed = true
	p.logf("process %d crashes", p.name)
}

// reach is one way to or from somewhere else: it takes time, it may fail, and a
// process that has crashed gets nowhere.
func (p *process) reach(ctx context.Context, what string) error {
	r := p.chance(what)
	time.Sleep(r.duration(20 * time.Millisecond))
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.crashed:
		return errCrashed
	case ctx.Err() != nil:
		return ctx.Err()
	case p.blind > 0 && what == "load":
		return errDown
	case r.happens(p.faults):
		p.logf("process %d: %s fails", p.name, what)
		return errDown
	}
	return nil
}

// chance is the chance of the next step of that kind in the process. A seed gives
// the same ones at each run.
func (p *process) chance(what string) *dice {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps[what]++
	h := fnv.New64a()
	fmt.Fprint(h, p.name, what, p.steps[what])
	return newDice(p.seed, h.Sum64())
}

// dice is the chance of one operation or step.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed, n uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, n))} }

func (d *dice) happens(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64() < p
}

func (d *dice) duration(most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.r.Int64N(int64(most)))
}

// Refresh implements [tokenstore.Refresher].
func (p *process) Refresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	p.mu.Lock()
	refused := p.refused[refreshToken]
	p.mu.Unlock()
	if refused {
		p.failf("process %d sends %s, which it knows to be refused", p.name, refreshToken)
	}
	if err := p.reach(ctx, "refresh"); err != nil {
		return nil, err
	}
	tok, err := p.decide(refreshToken)
	time.Sleep(p.chance("refresh responds").duration(20 * time.Millisecond))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crashed {
		return nil, errCrashed
	}
	if err != nil || tok.RefreshToken != "" {
		p.refused[refreshToken] = true
	}
	return tok, err
}

func (p *process) decide(refreshToken string) (*oauth2.Token, error) {
	rotate := p.chance("rotate").happens(p.rotate)
	p.mu.Lock()
	defer p.mu.Unlock()
	rt := p.refresh[refreshToken]
	if !rt.live {
		p.logf("process %d: %s is refused", p.name, refreshToken)
		return nil, &refusedError{code: "invalid_grant"}
	}
	rt.of.worked = time.Now()
	if !rotate {
		p.logf("process %d: %s is refreshed", p.name, refreshToken)
		return p.token(rt.of, ""), nil
	}
	p.issue(rt.of, p)
	p.logf("process %d: %s is rotated to %s", p.name, refreshToken, rt.of.head)
	return p.token(rt.of, rt.of.head), nil
}

// Revoke implements [tokenstore.Revoker].
func (p *process) Revoke(ctx context.Context, token string) error {
	if err := p.reach(ctx, "revoke"); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logf("process %d revokes %s", p.name, token)
	if rt := p.refresh[token]; rt.live {
		rt.live = false
		return nil
	}
	return &refusedError{code: "invalid_token"}
}

// storeOf is the one store, as a process sees it.
type storeOf struct{ p *process }

func (s storeOf) Load(ctx context.Context, key tokenstore.Key) (tokenstore.Grant, error) {
	if err := s.p.reach(ctx, "load"); err != nil {
		return tokenstore.Grant{}, err
	}
	g, err := s.p.memory.Load(ctx, key)
	return g, errors.Join(err, s.p.reach(ctx, "response of load"))
}

func (s storeOf) Save(ctx context.Context, key tokenstore.Key, g tokenstore.Grant) (string, error) {
	if err := s.p.reach(ctx, "save"); err != nil {
		return "", err
	}
	s.p.mu.Lock()
	version, err := s.p.memory.Save(ctx, key, g)
	s.p.logf("process %d saves %s %s: %v", s.p.name, g.RefreshToken, g.State, err)
	if err == nil {
		s.p.refresh[g.RefreshToken].of.saved = true
		s.p.had[key.Subject] = append(s.p.had[key.Subject], slices.Concat(g.Scopes, g.Lost)...)
	}
	s.p.mu.Unlock()
	if lost := s.p.reach(ctx, "response of save"); lost != nil {
		return "", s.sentAgain(lost)
	}
	return version, err
}

// sentAgain is a client of the store that repeats what got no response, and then
// meets its own write.
func (s storeOf) sentAgain(lost error) error {
	r := s.p.chance("sent again")
	if errors.Is(lost, errDown) && r.happens(0.5) {
		time.Sleep(r.duration(3 * time.Second))
		return tokenstore.ErrConflict
	}
	return lost
}

func (s storeOf) Delete(ctx context.Context, key tokenstore.Key, version string) error {
	if err := s.p.reach(ctx, "delete"); err != nil {
		return err
	}
	s.p.mu.Lock()
	kept, _ := s.p.memory.Load(ctx, key)
	err := s.p.memory.Delete(ctx, key, version)
	if rt := s.p.refresh[kept.RefreshToken]; err == nil && rt != nil {
		rt.of.ended = true
		delete(s.p.had, key.Subject)
	}
	s.p.logf("process %d deletes: %v", s.p.name, err)
	s.p.mu.Unlock()
	if lost := s.p.reach(ctx, "response of delete"); lost != nil {
		return lost
	}
	return err
}

func (s storeOf) Keys(ctx context.Context, after tokenstore.Key) iter.Seq2[tokenstore.Key, error] {
	return func(yield func(tokenstore.Key, error) bool) {
		if err := s.p.reach(ctx, "keys"); err != nil {
			yield(tokenstore.Key{}, err)
			return
		}
		s.p.memory.Keys(ctx, after)(yield)
	}
}

func (s storeOf) Lease(ctx context.Context, key tokenstore.Key, purpose string, ttl time.Duration) (func(), bool, error) {
	if err := s.p.reach(ctx, "lease"); err != nil {
		return nil, false, err
	}
	release, ok, err := s.p.memory.Lease(ctx, key, purpose, ttl)
	if !ok {
		return nil, false, err
	}
	return func() {
		s.p.mu.Lock()
		defer s.p.mu.Unlock()
		if !s.p.crashed {
			release()
		}
	}, true, nil
}
