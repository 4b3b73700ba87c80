package drivetest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// library has four files to look for.
func library(t *testing.T, opts drivetest.Options) *client {
	c := newClient(t, opts)
	folder := c.srv.Folder(drivetest.DefaultUser)
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC) }
	for _, f := range []drivetest.File{
		{Name: "alpha", MIMEType: "text/plain", Modified: day(1), Created: day(1), AppProperties: map[string]string{"k": "v"}},
		{Name: "alphabet", MIMEType: "text/html", Modified: day(2), Created: day(1)},
		{Name: `it's \ here`, MIMEType: "image/png", Modified: day(3), Created: day(1), Properties: map[string]string{"k": "v"}},
		{Name: "Beta", MIMEType: "text/plain", Modified: day(4), Created: day(4)},
	} {
		folder.Add(f)
	}
	return c
}

func TestQuery(t *testing.T) {
	c := library(t, drivetest.Options{})
	folder := c.ok("GET", filesPath+"/appDataFolder", "").str("id")
	const escaped = `it's \ here`
	for _, tt := range []struct {
		q    string
		want string // names in order, comma-separated
	}{
		{"", `Beta,alpha,alphabet,` + escaped},
		{"  ", `Beta,alpha,alphabet,` + escaped},
		{"name = 'alpha'", "alpha"},
		{"name='alpha'", "alpha"},
		{"name != 'alpha'", `Beta,alphabet,` + escaped},
		{"name = 'beta'", ""},
		{"name contains 'alpha'", "alpha,alphabet"},
		{"name contains 'bet'", ""}, // prefixes only
		{`name = 'it\'s \\ here'`, escaped},
		{"mimeType = 'text/plain'", "Beta,alpha"},
		{"mimeType contains 'text/'", "Beta,alpha,alphabet"},
		{"mimeType != 'image/png'", "Beta,alpha,alphabet"},
		{"modifiedTime > '2026-01-02T12:00:00'", "Beta," + escaped},
		{"modifiedTime >= '2026-01-02T12:00:00'", "Beta,alphabet," + escaped},
		{"modifiedTime >= '2026-01-02T12:00:00.001Z'", "Beta," + escaped},
		{"modifiedTime = '2026-01-02T14:00:00+02:00'", "alphabet"},
		{"modifiedTime != '2026-01-02T12:00:00Z'", "Beta,alpha," + escaped},
		{"modifiedTime <= '2026-01-02T12:00:00Z'", "alpha,alphabet"},
		{"createdTime < '2026-01-04T00:00:00Z'", "alpha,alphabet," + escaped},
		{"trashed = false", `Beta,alpha,alphabet,` + escaped},
		{"trashed = true", ""},
		{"trashed != true", `Beta,alpha,alphabet,` + escaped},
		{"starred=false and name='alpha'", "alpha"},
		{"appProperties has { key='k' and value='v' }", "alpha"},
		{"appProperties has {key='k' and value='w'}", ""},
		{"properties has { key='k' and value='v' }", escaped},
		{"properties has { key='none' and value='' }", ""},
		{"'appDataFolder' in parents", `Beta,alpha,alphabet,` + escaped},
		{"'" + folder + "' in parents", `Beta,alpha,alphabet,` + escaped},
		{"'root' in parents", ""},
		{"not 'appDataFolder' in parents", ""},
		{"name = 'alpha' or name = 'Beta'", "Beta,alpha"},
		{"name = 'alpha' and mimeType = 'text/html'", ""},
		{"name = 'alpha' or name = 'alphabet' and mimeType = 'text/html'", "alpha,alphabet"},
		{"(name = 'alpha' or name = 'alphabet') and mimeType = 'text/html'", "alphabet"},
		{"not name = 'alpha' and mimeType = 'text/plain'", "Beta"},
		{"not (name = 'alpha' or name = 'Beta')", "alphabet," + escaped},
		{"not not name = 'alpha'", "alpha"},
		{"(((name = 'alpha')))", "alpha"},
		{"name = 'alpha' and not name contains 'b' and trashed = false", "alpha"},
	} {
		got := c.listed("&orderBy=name&q=" + url.QueryEscape(tt.q))
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: %q, want %q", tt.q, got, tt.want)
		}
	}
}

func TestQueryRefused(t *testing.T) {
	c := library(t, drivetest.Options{})
	for _, q := range []string{
		"alpha", "'alpha'", "name", "name =", "name = alpha", "name = 'alpha", `name = 'al\pha'`, `name = 'alpha\`,
		"name > 'a'", "name == 'a'", "name = 'a' name = 'b'", "name = 'a' and", "and name = 'a'", "name = 'a' or or name = 'b'",
		"(name = 'a'", "name = 'a')", "()", "not", "NAME = 'a'", "name = 'a' AND trashed = false", "title = 'a'",
		"fullText contains 'a'", "sharedWithMe", "'me' in owners", "visibility = 'limited'", "id = 'a'", "size > 1",
		"trashed", "trashed = 'false'", "trashed = 0", "trashed contains true", "trashed > true",
		"modifiedTime contains '2026-01-01T00:00:00Z'", "modifiedTime > '2026-01-01'", "modifiedTime > 'yesterday'",
		"modifiedTime > 2026-01-01T00:00:00Z", "mimeType > 'a'", "parents in 'appDataFolder'", "'appDataFolder' = parents",
		"appProperties has 'k'", "appProperties has { key='k' }", "appProperties has { value='v' and key='k' }",
		"appProperties has { key='k' and value='v'", "appProperties = 'k'", "appProperties = { key='k' and value='v' }", "appProperties has { key=k and value='v' }",
		strings.Repeat("(", 10000) + "name = 'a'", strings.Repeat("not ", 10000) + "name = 'a'",
	} {
		r := c.refused(400, "invalid", "GET", filesPath+"?spaces=appDataFolder&q="+url.QueryEscape(q), "")
		if !strings.Contains(string(r.body), `"location": "q"`) {
			t.Errorf("%s", r.body)
		}
	}
}

func TestFoldNames(t *testing.T) {
	c := library(t, drivetest.Options{FoldNames: true})
	for q, want := range map[string][]string{"name = 'beta'": {"Beta"}, "name contains 'ALPHA'": {"alpha", "alphabet"}} {
		if got := c.listed("&orderBy=name&q=" + url.QueryEscape(q)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
}

func FuzzQuery(f *testing.F) {
	srv := drivetest.NewServer(drivetest.Options{})
	f.Cleanup(srv.Close)
	srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "alpha"})
	for _, q := range []string{"name = 'alpha'", "not (name contains 'a' or trashed = true)", `name = 'it\'s'`, "appProperties has { key='k' and value='v' }"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		// Who matches q does not match its negation.
		count := func(q string) (int, bool) {
			c := &client{t: t, srv: srv, token: "token"}
			status, names := c.inProcess(filesPath + "?spaces=appDataFolder&fields=files(name)&q=" + url.QueryEscape(q))
			return strings.Count(names, "alpha"), status == 200
		}
		n, ok := count(q)
		if !ok || strings.TrimSpace(q) == "" {
			return
		}
		if m, ok := count("not (" + q + ")"); !ok || n+m != 1 {
			t.Errorf("%q: %d files match, %d its negation (accepted: %t)", q, n, m, ok)
		}
	})
}
