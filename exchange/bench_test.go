package exchange_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
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
// x/oauth2, over the same transport in memory. Where the context can end, the POST
// is on a goroutine of its own, because it outlives its caller: with -cpu 1 that
// is what it costs, and otherwise waking the other cores is the most of it.
func BenchmarkExchange(b *testing.B) {
	httpClient := &http.Client{Transport: memory{}}
	client, err := exchange.New(exchange.Config{ClientID: clientID, ClientSecret: clientSecret, HTTPClient: httpClient})
	if err != nil {
		b.Fatal(err)
	}
	floorConfig := &oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: "postmessage",
		Endpoint: oauth2.Endpoint{TokenURL: "https://oauth2.googleapis.com/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	cancelable, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, test := range []struct {
		name string
		ctx  context.Context
	}{{"context without end", context.Background()}, {"context that can end", cancelable}} {
		b.Run(test.name, func(b *testing.B) {
			floorCtx := context.WithValue(test.ctx, oauth2.HTTPClient, httpClient)
			ours := func(code string) error { _, err := client.Exchange(test.ctx, code, exchange.Popup); return err }
			floor := func(code string) error { _, err := floorConfig.Exchange(floorCtx, code); return err }
			compare(b, &n, ours, floor)
		})
	}
}

// compare runs both in turns and reports their ratios in time and allocations. It
// goes on counting codes where n is: each is good once.
func compare(b *testing.B, n *int, ours, floor func(code string) error) {
	const batch = 200
	var codes [batch]string
	var took [2]time.Duration
	var allocs [2]uint64
	first := *n
	for b.Loop() {
		for i := range codes {
			*n++
			codes[i] = fmt.Sprintf("4/0A%060d", *n)
		}
		for i, f := range []func(string) error{ours, floor} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			for _, code := range codes {
				if err := f(code); err != nil {
					b.Fatal(err)
				}
			}
			took[i] += time.Since(began)
			runtime.ReadMemStats(&after)
			allocs[i] += after.Mallocs - before.Mallocs
		}
	}
	b.ReportMetric(float64(took[0])/float64(took[1]), "time-ratio")
	b.ReportMetric(float64(allocs[0])/float64(allocs[1]), "allocs-ratio")
	b.ReportMetric(float64(took[0].Nanoseconds())/float64(*n-first), "ns/exchange")
	b.ReportMetric(float64(allocs[0])/float64(*n-first), "allocs/exchange")
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
