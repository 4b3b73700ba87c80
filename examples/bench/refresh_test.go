package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// BenchmarkRefresh gets an access token for a refresh token, through a Manager and
// exchange's Client, and through x/oauth2's source. The Manager loads the record
// and compares it; x/oauth2 keeps nothing. Metrics end in -oauth2 for x/oauth2.
func BenchmarkRefresh(b *testing.B) {
	tokens, err := json.Marshal(map[string]any{
		"access_token": "ya29.benchmark",
		"expires_in":   3599,
		"scope":        "openid https://www.googleapis.com/auth/userinfo.email",
		"token_type":   "Bearer",
	})
	if err != nil {
		b.Fatal(err)
	}
	hc := &http.Client{Transport: &memoryTransport{tokens: tokens}}
	refreshes := []func() error{ourRefresh(b, hc), peerRefresh(b, hc)}
	var spent [2][]time.Duration
	for b.Loop() {
		for i, refresh := range refreshes {
			start := time.Now()
			if err := refresh(); err != nil {
				b.Fatal(err)
			}
			spent[i] = append(spent[i], time.Since(start))
		}
	}
	b.ReportMetric(float64(fastTenth(spent[0]))/float64(fastTenth(spent[1])), "x-of-oauth2")
	for i, suffix := range []string{"", "-oauth2"} {
		bytes, allocs := cost(b, refreshes[i])
		b.ReportMetric(bytes, "B"+suffix)
		b.ReportMetric(allocs, "allocs"+suffix)
	}
}

// fastTenth returns the duration that a tenth of all fall below: other programs
// on the machine only make a call slower.
func fastTenth(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/10]
}

// cost returns the bytes and allocations of one call.
func cost(b *testing.B, op func() error) (bytes, allocs float64) {
	const calls = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		if err := op(); err != nil {
			b.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / calls, float64(after.Mallocs-before.Mallocs) / calls
}

func ourRefresh(b *testing.B, hc *http.Client) func() error {
	client, err := exchange.New(exchange.Config{ClientID: clientID, ClientSecret: "secret", HTTPClient: hc})
	if err != nil {
		b.Fatal(err)
	}
	grants, err := tokenstore.New(tokenstore.Config{ClientID: clientID, Store: new(tokenstore.Memory), Refresher: client})
	if err != nil {
		b.Fatal(err)
	}
	const subject = "110169484474386276334"
	signedIn := (&oauth2.Token{RefreshToken: "1//benchmark"}).WithExtra(map[string]any{
		"scope": "openid https://www.googleapis.com/auth/userinfo.email",
	})
	if _, err := grants.SignIn(b.Context(), subject, signedIn); err != nil {
		b.Fatal(err)
	}
	ctx := context.WithoutCancel(b.Context())
	return func() error {
		grants.Invalidate(subject, "")
		_, err := grants.Token(ctx, subject)
		return err
	}
}

func peerRefresh(b *testing.B, hc *http.Client) func() error {
	config := &oauth2.Config{
		ClientID: clientID, ClientSecret: "secret",
		Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
	ctx := context.WithValue(context.WithoutCancel(b.Context()), oauth2.HTTPClient, hc)
	return func() error {
		source := oauth2.ReuseTokenSource(nil, config.TokenSource(ctx, &oauth2.Token{RefreshToken: "1//benchmark"}))
		_, err := source.Token()
		return err
	}
}
