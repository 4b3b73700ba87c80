package tokenstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "run TestModel with this seed only")
	modelRuns = flag.Int("model.runs", 2000, "how many runs TestModel makes; 1000000 take half an hour")
)

// TestModel lets several processes on one store do at random what they can, and
// anything fail, and holds the outcome against what the world knows:
//
//   - no live refresh token is lost, but for one that Google issued to a process
//     that died before it could save it;
//   - a process that knows a token to be refused never sends it again;
//   - a newer sign-in wins, in the store and in the cache, unless it only narrows
//     the grant; and one that works over one that does not;
//   - no scope is lost without a trace;
//   - after a Disconnect or a revocation no access token of before is served, and
//     none is revoked by an event from before its sign-in;
//   - what a Disconnect has ended does not live on.
//
// Time is that of a synctest bubble, and all chance comes from the seed.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		runModel(t, *modelSeed)
		return
	}
	first := rand.Uint64()
	t.Log("first seed", first)
	for i := range *modelRuns {
		if runModel(t, first+uint64(i)); t.Failed() {
			return
		}
	}
}

// A seed gives the same run each time, so that a failure can be looked into.
func TestModelRepeats(t *testing.T) {
	for seed := range uint64(50) {
		if first, again := runModel(t, seed), runModel(t, seed); !slices.Equal(first, again) {
			t.Fatalf("seed %d: %d and %d steps, which differ\n%s\n\n%s", seed, len(first), len(again), strings.Join(first, "\n"), strings.Join(again, "\n"))
		}
	}
}

func runModel(t *testing.T, seed uint64) (trace []string) {
	synctest.Test(t, func(t *testing.T) {
		d := newDice(seed, 0)
		w := &world{
			t: t, seed: seed, refresh: map[string]*issued{}, had: map[string][]string{}, access: map[string]*lineage{},
			rotate: []float64{0, 0.3, 1}[d.r.IntN(3)],
			faults: []float64{0, 0.03, 0.2}[d.r.IntN(3)],
		}
		w.run(d)
		if t.Failed() {
			t.Log("trace of seed", seed, "\n"+strings.Join(w.trace, "\n"))
		}
		trace = w.trace
	})
	return trace
}

func (w *world) run(d *dice) {
	w.faulty = w.faults > 0
	w.noIDToken = []float64{0, 0, 0.3}[d.r.IntN(3)]
	share := d.happens(0.3)
	w.skewed = d.happens(0.3)
	processes := make([]*process, 1+d.r.IntN(3))
	begin := func(i int) {
		var skew time.Duration
		if w.skewed {
			skew = time.Duration(d.r.IntN(11)-5) * time.Minute
		}
		processes[i] = w.start(i, share, skew)
	}
	for i := range processes {
		begin(i)
	}
	var wg sync.WaitGroup
	for n := range 4 + d.r.IntN(20) {
		i := d.r.IntN(len(processes))
		if d.happens(0.06) {
			processes[i].crash()
			begin(i)
		}
		p, own, op := processes[i], newDice(w.seed, uint64(n)+1), d.r.IntN(110)
		wg.Go(func() { p.do(own, op) })
		switch pause := d.r.IntN(10); {
		case pause < 5:
			time.Sleep(d.duration(50 * time.Millisecond))
		case pause < 9:
			time.Sleep(d.duration(5 * time.Second))
		default:
			time.Sleep(d.duration(90 * time.Minute))
		}
	}
	wg.Wait()
	time.Sleep(2 * time.Minute) // refreshes that were left
	w.mu.Lock()
	w.faults = 0
	w.mu.Unlock()
	for _, p := range processes {
		p.settle()
	}
	w.checkStore()
	w.checkEnded()
	w.checkRestart(w.start(len(processes), share, 0))
	time.Sleep(2 * time.Minute)
}

// do is one operation. The two subjects keep the locks of the model honest.
func (p *process) do(own *dice, op int) {
	ctx := context.Background()
	subject := jane
	if own.happens(0.1) {
		subject = john
	}
	switch {
	case op < 20:
		p.signIn(ctx, own, subject)
	case op < 28:
		p.signInAgain(ctx, subject)
	case op < 78:
		p.getToken(ctx, own, subject)
	case op < 84:
		p.Invalidate(subject, "")
	case op < 90:
		at := time.Time{}
		if own.happens(0.5) { // an event that comes late
			at = time.Now().Add(-own.duration(20 * time.Second))
		}
		p.end(subject, "revoked", at, func() error { return p.MarkRevoked(ctx, subject, "told", at) })
	case op < 95:
		p.end(subject, "disconnect", time.Time{}, func() error { return p.Disconnect(ctx, subject) })
	case op < 100:
		p.userRevokes(subject)
	case op < 104:
		p.takeOver(ctx, own, subject)
	case op < 107:
		p.sweep(ctx, own)
	default:
		p.getGrant(ctx, subject)
	}
}

// takeOver imports a grant that other software had.
func (p *process) takeOver(ctx context.Context, own *dice, subject string) {
	l, _ := p.consent(subject, p, []string{"drive", "openid"}, false)
	g := tokenstore.Grant{RefreshToken: l.head, Scopes: l.scopes}
	if own.happens(0.3) {
		g.Scopes = nil
	}
	kept, err := p.Import(ctx, subject, g)
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept {
		l.settled = time.Now()
	}
	p.logf("process %d: import of lineage %d: %t, %v", p.name, l.id, kept, err)
}

// sweep refreshes the grants that were idle for a while.
func (p *process) sweep(ctx context.Context, own *dice) {
	o := tokenstore.SweepOptions{Idle: 1 + own.duration(time.Hour)}
	for subject, err := range p.Sweep(ctx, o) {
		p.mu.Lock()
		p.logf("process %d: swept %s: %v", p.name, subject, err)
		p.mu.Unlock()
	}
}

func (p *process) getGrant(ctx context.Context, subject string) {
	g, err := p.Grant(ctx, subject)
	p.mu.Lock()
	of := p.refresh[g.RefreshToken]
	p.logf("process %d: grant %s: %v", p.name, g.RefreshToken, err)
	p.mu.Unlock()
	if err == nil && (of == nil || of.of.subject != subject) {
		p.failf("process %d: the grant of %s has %s", p.name, subject, g.RefreshToken)
	}
}

func (p *process) signIn(ctx context.Context, own *dice, subject string) {
	scopes := [][]string{{"openid"}, {"drive", "openid"}, {"calendar", "openid"}}[own.r.IntN(3)]
	l, tok := p.consent(subject, p, scopes, !own.happens(p.noIDToken))
	blind := 0
	if own.happens(p.faults) {
		blind = 1
	}
	p.mu.Lock()
	p.blind += blind
	p.mu.Unlock()
	_, err := p.SignIn(ctx, subject, tok)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blind -= blind
	l.settled, l.err = time.Now(), err
	p.logf("process %d: sign-in of lineage %d: %v", p.name, l.id, err)
}

// signInAgain brings an access token of what the user has consented to last.
func (p *process) signInAgain(ctx context.Context, subject string) {
	p.mu.Lock()
	var last *lineage
	for _, l := range p.lineages {
		if l.subject == subject {
			last = l
		}
	}
	if last == nil {
		last = &lineage{id: -1, subject: subject}
	}
	tok := p.token(last, "")
	delete(p.access, tok.AccessToken) // it belongs to the user, not to a refresh token
	p.mu.Unlock()
	_, err := p.SignIn(ctx, subject, tok)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logf("process %d: sign-in without a refresh token: %v", p.name, err)
}

func (p *process) getToken(ctx context.Context, own *dice, subject string) {
	began := time.Now()
	if own.happens(0.3) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, own.duration(100*time.Millisecond))
		defer cancel()
	}
	tok, err := p.Token(ctx, subject)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.logf("process %d: token: %v", p.name, err)
		return
	}
	p.checkToken(subject, tok.AccessToken, began)
}

// end is a Disconnect or a Revoked.
func (p *process) end(subject, what string, at time.Time, do func() error) {
	began := time.Now()
	err := do()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = append(p.ends, ending{subject, began, time.Now(), at, p, err})
	p.logf("process %d: %s: %v", p.name, what, err)
}

// userRevokes is the user on Google's page of connected apps.
func (p *process) userRevokes(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logf("the user revokes all")
	for _, rt := range p.refresh {
		if rt.of.subject == subject {
			rt.live = false
		}
	}
}

// checkToken looks at an access token that a call that began then got.
func (p *process) checkToken(subject, access string, began time.Time) {
	p.mu.Lock()
	of := p.access[access]
	p.logf("process %d: token %s", p.name, access)
	var wrong string
	if of != nil && !of.settled.IsZero() && of.err == nil {
		for _, l := range p.lineages {
			if l.subject == subject && l.by == p && l.err == nil && !l.settled.IsZero() && l.settled.Before(began) && of.settled.Before(l.began) && !p.setAside(l) && !p.cameTooLate(l) && (ordered(l, of) || !p.faulty) {
				wrong = fmt.Sprintf("that of lineage %d, older than %d", of.id, l.id)
			}
		}
		for _, e := range p.ends {
			about := e.at.IsZero() || !of.iat.IsZero() && !e.at.Before(of.iat)
			if e.subject == subject && e.by == p && e.err == nil && about && e.settled.Before(began) && of.settled.Before(e.began) {
				wrong = fmt.Sprintf("that of lineage %d, which has ended", of.id)
			}
		}
	}
	if of != nil && of.subject != subject {
		wrong = "another user's"
	}
	p.mu.Unlock()
	if wrong != "" {
		p.failf("process %d serves %s, %s", p.name, access, wrong)
	}
}

// ordered reports whether Google's clock says which of two sign-ins is the later.
func ordered(a, b *lineage) bool {
	return !a.iat.IsZero() && !b.iat.IsZero() && !a.iat.Equal(b.iat)
}

// setAside reports whether a narrower sign-in may have been set aside for another
// one that has worked since.
func (w *world) setAside(l *lineage) bool {
	return slices.ContainsFunc(w.lineages, func(kept *lineage) bool {
		missing := func(s string) bool { return !slices.Contains(kept.scopes, s) }
		return kept.subject == l.subject && len(l.scopes) < len(kept.scopes) &&
			!slices.ContainsFunc(l.scopes, missing) && !kept.worked.Before(l.began)
	})
}

// cameTooLate reports whether Google refused a sign-in to p before the store had
// taken it.
func (p *process) cameTooLate(l *lineage) bool { return !l.saved && p.refused[l.head] }

// settle is a quiet moment: what could not be saved is saved.
func (p *process) settle() {
	ctx := context.Background()
	if err := p.Flush(ctx); err != nil || p.Stats().Unsaved != 0 {
		p.failf("process %d: Flush: %v, %d unsaved", p.name, err, p.Stats().Unsaved)
	}
}

func (w *world) checkStore() {
	for _, subject := range []string{jane, john} {
		g, err := w.memory.Load(context.Background(), tokenstore.Key{ClientID: client, Subject: subject})
		switch {
		case errors.Is(err, tokenstore.ErrNotFound):
			w.checkAbsence(subject)
		case err != nil:
			w.failf("Load: %v", err)
		default:
			w.checkRecord(subject, g)
		}
	}
}

// checkAbsence: a sign-in that was acknowledged is there, or somebody ended it.
func (w *world) checkAbsence(subject string) {
	for _, l := range w.lineages {
		if l.subject == subject && l.err == nil && !l.settled.IsZero() && !w.endedSince(l) {
			w.failf("the sign-in of lineage %d is lost", l.id)
		}
	}
}

// toldAbout reports whether MarkRevoked was told about a lineage.
func (w *world) toldAbout(l *lineage) bool {
	for _, e := range w.ends {
		if e.subject == l.subject && (e.at.IsZero() || l.iat.IsZero() || !e.at.Before(l.iat)) {
			return true
		}
	}
	return false
}

// consentedAgain reports whether a later sign-in of the user may have been in the
// record when a rotation of l found that l was gone: to revoke that would end the
// later one too.
func (w *world) consentedAgain(l *lineage) bool {
	return slices.ContainsFunc(w.lineages, func(later *lineage) bool { return later.subject == l.subject && later.id > l.id })
}

// checkEnded: what a Disconnect has ended does not live on unknown.
func (w *world) checkEnded() {
	for _, l := range w.lineages {
		g, _ := w.memory.Load(context.Background(), tokenstore.Key{ClientID: client, Subject: l.subject})
		if l.ended && w.refresh[l.head].live && g.RefreshToken != l.head && !l.holder.crashed && !w.faulty && g.Version == "" && !w.consentedAgain(l) {
			w.failf("%s lives on after a Disconnect", l.head)
		}
	}
}

func (w *world) endedSince(l *lineage) bool {
	for _, e := range w.ends {
		if e.subject == l.subject && !e.settled.Before(l.began) {
			return true
		}
	}
	return false
}

func (w *world) checkRecord(subject string, g tokenstore.Grant) {
	of := w.refresh[g.RefreshToken].of
	for _, l := range w.lineages {
		saved := !l.settled.IsZero() && (l.err == nil || !l.by.crashed)
		if l.subject == subject && saved && w.noIDToken == 0 && w.refresh[l.head].live && ordered(l, of) && l.iat.After(of.iat) && !w.endedSince(l) && !w.setAside(l) {
			w.failf("lineage %d is kept, and the newer %d is not", of.id, l.id)
		}
		if l.subject == subject && l != of && saved && !ordered(l, of) && l.began.Sub(of.began).Abs() > 50*time.Millisecond && w.refresh[l.head].live && !w.refresh[of.head].live && !of.holder.crashed && !w.endedSince(l) {
			w.failf("lineage %d, which does not work, is kept, and %d, which does, is not", of.id, l.id)
		}
	}
	for _, scope := range w.had[subject] {
		if !slices.Contains(g.Scopes, scope) && !slices.Contains(g.Lost, scope) {
			w.failf("scope %s was lost unnoticed", scope)
		}
	}
	if g.Reason == "told" && !w.toldAbout(of) {
		w.failf("lineage %d ended by an event from before it", of.id)
	}
	if of.subject != subject {
		w.failf("the record has another user's token")
	}
	if g.RefreshToken != of.head && w.refresh[of.head].live && !of.holder.crashed {
		w.failf("%s is kept, and %s, which came after it, is not", g.RefreshToken, of.head)
	}
	if g.State == tokenstore.NeedsConsent && g.Reason != "told" && w.refresh[of.head].live && !of.holder.crashed {
		w.failf("the live %s needs consent: %s", of.head, g.Reason)
	}
}

// checkRestart: what is kept works for a process that knows nothing else.
func (w *world) checkRestart(p *process) {
	ctx := context.Background()
	for _, subject := range []string{jane, john} {
		g, err := w.memory.Load(ctx, tokenstore.Key{ClientID: client, Subject: subject})
		works := err == nil && g.State == tokenstore.Active && w.refresh[g.RefreshToken].live
		if tok, err := p.Token(ctx, subject); works && err != nil {
			w.failf("Token after a restart: %v", err)
		} else if err == nil && w.access[tok.AccessToken] != nil && w.access[tok.AccessToken].subject != subject {
			w.failf("Token after a restart is another user's")
		}
	}
}
