package exchange_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

// memory answers every token request at once.
type memory struct{}

func (memory) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return says(200, tokenAnswer)(r)
}

// BenchmarkExchange compares Exchange with what it adds to: one POST through
// x/oauth2, over the same transport. Where the context can end, ours is on a
// goroutine of its own, because it outlives its caller.
func BenchmarkExchange(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, tokenAnswer)
	}))
	defer server.Close()
	cancelable, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, test := range []struct {
		name string
		ctx  context.Context
		bench
	}{
		{"in memory, context without end", context.Background(), inMemory},
		{"in memory, context that can end", cancelable, inMemory},
		{"over a connection, context that can end", cancelable, bench{server.URL, server.Client().Transport}},
	} {
		b.Run(test.name, func(b *testing.B) {
			client, theirs, floorCtx := test.clients(b, test.ctx)
			ours := func(code string) error { _, err := client.Exchange(test.ctx, code, exchange.Popup); return err }
			floor := func(code string) error { _, err := theirs.Exchange(floorCtx, code); return err }
			compare(b, &n, ours, floor)
		})
	}
}

// BenchmarkRefresh compares Refresh with a refresh by x/oauth2.
func BenchmarkRefresh(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client, theirs, floorCtx := inMemory.clients(b, ctx)
	n := 0
	ours := func(token string) error { _, err := client.Refresh(ctx, token); return err }
	floor := func(token string) error {
		_, err := theirs.TokenSource(floorCtx, &oauth2.Token{RefreshToken: token}).Token()
		return err
	}
	compare(b, &n, ours, floor)
}

// A bench is a token endpoint, and the way to it.
type bench struct {
	tokenURL  string
	transport http.RoundTripper
}

var inMemory = bench{"https://oauth2.googleapis.com/token", memory{}}

// clients returns a client of this package and one of x/oauth2, with the context
// that it takes.
func (e bench) clients(b *testing.B, ctx context.Context) (*exchange.Client, *oauth2.Config, context.Context) {
	httpClient := &http.Client{Transport: e.transport}
	client, err := exchange.New(exchange.Config{
		ClientID: clientID, ClientSecret: clientSecret, HTTPClient: httpClient, Endpoint: exchange.Endpoint{TokenURL: e.tokenURL},
	})
	if err != nil {
		b.Fatal(err)
	}
	return client, &oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: "postmessage",
		Endpoint: oauth2.Endpoint{TokenURL: e.tokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}, context.WithValue(ctx, oauth2.HTTPClient, httpClient)
}

// compare runs both in turns and reports the cost of ours, and its ratio to that of
// floor: in time, of the tenth percentiles of the turns, because other programs on the
// machine only add to them. It goes on counting values where n is: each code is good once.
//
// A turn is 1,000 calls, after a garbage collection: the first call after
// ReadMemStats takes some ten times as long where a goroutine starts, and short
// turns share the collections unevenly.
func compare(b *testing.B, n *int, ours, floor func(string) error) {
	const batch = 1000
	var values [batch]string
	var took [2][]float64
	var allocs, bytes [2]float64
	first := *n
	for b.Loop() {
		for i := range values {
			*n++
			values[i] = fmt.Sprintf("4/0A%060d", *n)
		}
		for i, f := range []func(string) error{ours, floor} {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			for _, v := range values {
				if err := f(v); err != nil {
					b.Fatal(err)
				}
			}
			took[i] = append(took[i], float64(time.Since(began))/batch)
			runtime.ReadMemStats(&after)
			allocs[i] += float64(after.Mallocs - before.Mallocs)
			bytes[i] += float64(after.TotalAlloc - before.TotalAlloc)
		}
	}
	calls := float64(*n - first)
	b.ReportMetric(quick(took[0])/quick(took[1]), "time-ratio")
	b.ReportMetric(quick(took[0]), "ns/call")
	b.ReportMetric(allocs[0]/calls, "allocs/call")
	b.ReportMetric(allocs[1]/calls, "oauth2-allocs/call")
	b.ReportMetric(bytes[0]/calls, "B/call")
	b.ReportMetric(bytes[1]/calls, "oauth2-B/call")
}

// quick returns the tenth percentile.
func quick(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/10]
}

// BenchmarkMemory reports by how much the heap has grown between the 10,000th
// and the 110,000th exchange.
func BenchmarkMemory(b *testing.B) {
	client, err := exchange.New(exchange.Config{ClientID: clientID, HTTPClient: &http.Client{Transport: memory{}}})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	exchangeMany := func(count int) uint64 {
		for range count {
			n++
			if _, err := client.Exchange(context.Background(), fmt.Sprintf("4/0A%060d", n), exchange.App); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := exchangeMany(10_000)
		after := exchangeMany(100_000)
		b.ReportMetric(float64(after)-float64(before), "B-grown")
		b.ReportMetric(float64(after), "B-heap")
	}
	runtime.KeepAlive(client)
}

// A memory of codes that forgets none would make the last of these fail.
func TestSpentCodesAreBounded(t *testing.T) {
	client, err := exchange.New(exchange.Config{ClientID: clientID, HTTPClient: &http.Client{Transport: memory{}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8192 {
		if _, err := client.Exchange(t.Context(), fmt.Sprint("4/0A", i), exchange.App); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Exchange(t.Context(), "4/0A0", exchange.App); err == nil {
		t.Error("the first of 8,192 codes is forgotten already")
	}
	if _, err := client.Exchange(t.Context(), "4/0A8192", exchange.App); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Exchange(t.Context(), "4/0A0", exchange.App); err != nil {
		t.Errorf("the first of 8,193 codes is still remembered: %v", err)
	}
}

// Forgetting the first time that a code was spent does not forget the second.
func TestCodeSpentTwice(t *testing.T) {
	now := start
	client, err := exchange.New(exchange.Config{
		ClientID: clientID, HTTPClient: &http.Client{Transport: memory{}}, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := client.Exchange(t.Context(), goodCode, exchange.App); err != nil {
			t.Fatal(i, err)
		}
		now = now.Add(time.Duration(1-i) * 11 * time.Minute)
	}
	for i := range 8191 {
		if _, err := client.Exchange(t.Context(), fmt.Sprint("4/0A", i), exchange.App); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Exchange(t.Context(), goodCode, exchange.App); err == nil {
		t.Error("the code is forgotten")
	}
}
