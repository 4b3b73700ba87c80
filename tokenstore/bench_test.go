package tokenstore_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"golang.org/x/oauth2"
)

// The benchmarks measure against a floor in the same run, in turns, and compare
// the quickest turns: what else the machine does makes a turn slower, mostly not
// all of them.

// compare reports how much longer a call of ours takes than one of floor, with
// procs goroutines at once. Each call gets a number. It compares the quickest tenth
// of the turns. The metric cores says how many cores those had in fact: a busy
// machine, or one whose cores are a thread each of one core, has fewer than procs.
func compare(b *testing.B, procs int, floor, ours func(i int)) {
	var f, o, alone, together turns
	for b.Loop() {
		f.run(procs, floor)
		o.run(procs, ours)
		alone.run(1, spin)
		together.run(procs, spin)
	}
	report(b, f.tenth(), o.tenth())
	b.ReportMetric(alone.tenth()/together.tenth(), "cores")
}

// spin takes about as long as a call of Token, and nothing that cores share.
func spin(i int) {
	x := uint64(i) + 1
	for range 24 { // xorshift, which is never 0
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 {
		panic(i)
	}
}

// adds reports how many floors ours takes more than without, by the quickest turn
// of each: less than that is lost in a difference.
func adds(b *testing.B, floor, without, ours func(i int)) {
	var f, w, o turns
	for b.Loop() {
		f.run(1, floor)
		w.run(1, without)
		o.run(1, ours)
	}
	report(b, slices.Min(f), slices.Min(o)-slices.Min(w))
}

// serverHeap gives the benchmark a heap like a server's, in use for a while, so
// that the garbage collector takes the share that it takes there.
func serverHeap(b *testing.B) {
	heap := make([]byte, 32<<20)
	b.Cleanup(func() { runtime.KeepAlive(heap) })
	for range 1 << 20 {
		garbage = new(oauth2.Token)
	}
}

var garbage *oauth2.Token

// turns are the nanoseconds for one call, as measured over a thousand, or over
// twenty thousand where goroutines have to get going first.
type turns []float64

func (t *turns) run(procs int, f func(i int)) {
	calls := 1000
	if procs > 1 {
		calls = 20_000
	}
	var wg sync.WaitGroup
	began := time.Now()
	for p := range procs {
		wg.Go(func() {
			for i := range calls {
				f(p*calls + i)
			}
		})
	}
	wg.Wait()
	*t = append(*t, float64(time.Since(began).Nanoseconds())/float64(calls*procs))
}

// tenth returns the turn that a tenth of them is quicker than.
func (t turns) tenth() float64 {
	slices.Sort(t)
	return t[len(t)/10]
}

func report(b *testing.B, floor, ours float64) {
	b.ReportMetric(ours/floor, "ratio")
	b.ReportMetric(ours, "ours-ns")
	b.ReportMetric(floor, "floor-ns")
	b.ReportMetric(0, "ns/op")
}

// reuse is what x/oauth2 offers for one user: the floor of Token.
func reuse() oauth2.TokenSource {
	return oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: "ya29.access", Expiry: time.Now().Add(24 * time.Hour)}, nil)
}

func filled(b *testing.B, users int) (*bench, []string) {
	m := newBench(b)
	m.google.life = 24 * time.Hour
	subjects := make([]string, users)
	for i := range subjects {
		subjects[i] = fmt.Sprintf("1%020d", i)
		if _, err := m.SignIn(context.Background(), subjects[i], m.google.consent("openid")); err != nil {
			b.Fatal(err)
		}
	}
	return m, subjects
}

// BenchmarkToken: a cached token, against one oauth2.ReuseTokenSource that the
// same number of cores share.
func BenchmarkToken(b *testing.B) {
	serverHeap(b)
	ctx := context.Background()
	for _, procs := range []int{1, 2} {
		for _, users := range []int{1, 1024} {
			b.Run(fmt.Sprintf("%d users on %d cores", users, procs), func(b *testing.B) {
				m, subjects := filled(b, users)
				src := reuse()
				compare(b, procs, func(int) { _, _ = src.Token() }, func(i int) { _, _ = m.Token(ctx, subjects[i&(users-1)]) })
			})
		}
	}
	b.Run("allocations", func(b *testing.B) {
		m, subjects := filled(b, 1)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = m.Token(ctx, subjects[0])
		}
	})
}

// BenchmarkSealed: what Sealed adds to Save and to Load, against one bare
// AES-256-GCM seal and open of the same record: its tokens, with the rest of it
// as associated data.
func BenchmarkSealed(b *testing.B) {
	serverHeap(b)
	ctx := context.Background()
	g := tokenstore.Grant{
		RefreshToken: "1//" + strings.Repeat("r", 100),
		Scopes:       []string{"https://www.googleapis.com/auth/drive.appdata", "https://www.googleapis.com/auth/userinfo.email", "openid"},
		CreatedAt:    time.Now(), UpdatedAt: time.Now(), RefreshedAt: time.Now(),
	}
	key := tokenstore.Key{ClientID: client, Subject: jane}
	memory := new(tokenstore.Memory)
	keyring := ring(b, 1)
	save(b, &tokenstore.Sealed{Store: memory, Sealer: keyring}, key, g)
	plain := discard{g}
	sealed := &tokenstore.Sealed{Store: plain, Sealer: keyring}
	stored := &tokenstore.Sealed{Store: discard{load(b, memory, key)}, Sealer: keyring}

	rest := load(b, memory, key)
	rest.RefreshToken = ""
	bound := []byte(bytesOf(b, rest))
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	seal := func() []byte {
		nonce := make([]byte, 12)
		rand.Read(nonce)
		return aead.Seal(nonce, nonce, []byte(g.RefreshToken), bound)
	}
	once := seal()
	b.Run("save", func(b *testing.B) {
		adds(b, func(int) { seal() }, func(int) { _, _ = plain.Save(ctx, key, g) }, func(int) { _, _ = sealed.Save(ctx, key, g) })
	})
	b.Run("load", func(b *testing.B) {
		open := func(int) { _, _ = aead.Open(nil, once[:12], once[12:], bound) }
		adds(b, open, func(int) { _, _ = plain.Load(ctx, key) }, func(int) { _, _ = stored.Load(ctx, key) })
	})
}

// discard is a store that costs nothing.
type discard struct{ g tokenstore.Grant }

func (d discard) Load(context.Context, tokenstore.Key) (tokenstore.Grant, error) { return d.g, nil }
func (d discard) Save(_ context.Context, _ tokenstore.Key, g tokenstore.Grant) (string, error) {
	_ = g.Hashes() // as every store does that is a Finder
	return "v", nil
}
func (d discard) Delete(context.Context, tokenstore.Key, string) error { return nil }

// BenchmarkMillion: a million cached users. It reports the bytes for each,
// beyond those of the subject and token strings, and how long the slowest of the
// calls takes, and the slowest but 20, while a million expired ones are evicted.
func BenchmarkMillion(b *testing.B) {
	const users = 1_000_000
	ctx := context.Background()
	subjects, tokens := make([]string, users), make([]*oauth2.Token, users)
	for b.Loop() {
		now := time.Now()
		m, err := tokenstore.New(tokenstore.Config{
			ClientID: client, Store: discard{tokenstore.Grant{RefreshToken: "1//r"}}, Refresher: newGoogle(),
			Now: func() time.Time { return now },
		})
		if err != nil {
			b.Fatal(err)
		}
		for i := range subjects {
			subjects[i] = fmt.Sprintf("1%020d", i)
			tokens[i] = &oauth2.Token{AccessToken: fmt.Sprintf("ya29.%0200d", i), RefreshToken: "1//r", Expiry: now.Add(time.Hour)}
		}
		before := heap()
		for i := range subjects {
			if _, err := m.SignIn(ctx, subjects[i], tokens[i]); err != nil {
				b.Fatal(err)
			}
		}
		strs := float64(users * (len(subjects[0]) + len(tokens[0].AccessToken)))
		b.ReportMetric((heap()-before-strs)/users, "B/user")

		now = now.Add(2 * time.Hour)
		fresh := &oauth2.Token{AccessToken: "ya29.fresh", RefreshToken: "1//r", Expiry: now.Add(time.Hour)}
		var took []time.Duration
		for i := range 200_000 {
			began := time.Now()
			if _, err := m.SignIn(ctx, subjects[i], fresh); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)-1].Microseconds()), "worst-us")
		b.ReportMetric(float64(took[len(took)-21].Microseconds()), "p99.99-us")
		b.ReportMetric((heap()-before)/1e6, "MB-after")
		runtime.KeepAlive(m)
	}
	runtime.KeepAlive(subjects)
	runtime.KeepAlive(tokens)
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}
