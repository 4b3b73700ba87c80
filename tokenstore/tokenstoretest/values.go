package tokenstoretest

import (
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

var copyCases = []testCase{
	{"CopiedIn", func(t *testing.T, s tokenstore.Store) {
		g := grant("1//jane")
		want := grant("1//jane")
		want.Version = save(t, s, jane, g).Version
		g.Scopes[0] = "changed after Save"
		wantKept(t, s, jane, want)
	}},
	{"CopiedOut", func(t *testing.T, s tokenstore.Store) {
		want := grant("1//jane")
		want.Version = save(t, s, jane, grant("1//jane")).Version
		got, err := s.Load(t.Context(), jane)
		if err != nil {
			t.Fatal(err)
		}
		got.Scopes[0] = "changed after Load"
		wantKept(t, s, jane, want)
	}},
}

type change struct {
	name string
	to   func(*tokenstore.Grant)
}

var valueCases = roundTrips([]change{
	{"Zero", func(g *tokenstore.Grant) { *g = tokenstore.Grant{} }},
	{"NoRefreshToken", func(g *tokenstore.Grant) { g.RefreshToken = "" }},
	{"ScopesNil", func(g *tokenstore.Grant) { g.Scopes = nil }},
	{"ScopesEmpty", func(g *tokenstore.Grant) { g.Scopes = []string{} }},
	{"ScopesMany", func(g *tokenstore.Grant) {
		g.Scopes = strings.Fields(strings.Repeat("https://example.com/scope ", 200))
	}},
	{"BigTokens", func(g *tokenstore.Grant) {
		g.RefreshToken = strings.Repeat("r", 12<<10)
		g.AccessToken = strings.Repeat("a", 12<<10)
	}},
	{"AnyBytes", func(g *tokenstore.Grant) { g.RefreshToken = "\x00\xff'\"\\%_\r\n é \u2028 😀" }},
	{"AccessToken", func(g *tokenstore.Grant) {
		g.AccessToken = "ya29.access"
		g.Expiry = time.Date(2026, 11, 24, 12, 0, 0, 999999999, time.UTC)
	}},
	{"NeedsConsent", func(g *tokenstore.Grant) {
		g.State = tokenstore.NeedsConsent
		g.Reason = "invalid_rapt"
	}},
	{"TimesZero", func(g *tokenstore.Grant) {
		g.CreatedAt, g.UpdatedAt, g.RefreshedAt = time.Time{}, time.Time{}, time.Time{}
	}},
	{"TimesOfAnotherZone", func(g *tokenstore.Grant) {
		g.CreatedAt = g.CreatedAt.In(time.FixedZone("", -11*3600))
		g.RefreshTokenExpiry = time.Date(2027, 3, 28, 2, 30, 0, 1, time.FixedZone("", 5*3600+1800))
	}},
	{"TimesFarOff", func(g *tokenstore.Grant) {
		g.CreatedAt = time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC)
		g.UpdatedAt = time.Date(99, 1, 1, 0, 0, 0, 0, time.UTC)
		g.RefreshTokenExpiry = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	}},
})

// roundTrips makes a case of each change: the changed grant comes back as it
// was written, when it is created and when it replaces another.
func roundTrips(changes []change) []testCase {
	var cases []testCase
	for _, change := range changes {
		cases = append(cases, testCase{"Value" + change.name, func(t *testing.T, s tokenstore.Store) {
			g := grant("1//jane")
			change.to(&g)
			wantKept(t, s, jane, save(t, s, jane, g))

			g.Version = save(t, s, john, grant("1//john")).Version
			wantKept(t, s, john, save(t, s, john, g))
		}})
	}
	return cases
}
