package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func start(t *testing.T, a exchangetest.Options, d drivetest.Options) *fakes {
	t.Helper()
	f := newFakes(defaultRedirectURI, a, d)
	t.Cleanup(f.Close)
	return f
}

// lookAt goes through the steps. change may change the google, and is given the run.
func lookAt(t *testing.T, ctx context.Context, f *fakes, change func(*google, *run)) (*Recording, string) {
	t.Helper()
	var out bytes.Buffer
	g := f.google()
	r, err := newRun(g, Recording{Format: format, Date: "2026-12-01", Version: "test"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(g, r)
		r.tap.base = g.transport
	}
	rec := r.all(ctx)
	f.wantClean(t)
	return rec, out.String()
}

// these returns some of the steps, in their order.
func these(names ...string) []step {
	return slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return !slices.Contains(names, s.name) })
}

// wantClean checks that the account is as it was.
func (f *fakes) wantClean(t *testing.T) {
	t.Helper()
	if grants := f.accounts.Grants(); len(grants) > 0 {
		t.Errorf("access is left: %+v", grants)
	}
	for _, account := range f.accounts.Accounts() {
		if files := f.files.Folder(account.Subject).Files(); len(files) > 0 {
			t.Errorf("%d files are left", len(files))
		}
	}
}

// fakesAsTheyAre is what all tests compare with.
var fakesAsTheyAre = sync.OnceValues(func() (*Recording, error) {
	return lookAtFakes(context.Background(), Project{})
})

func expected(t *testing.T) *Recording {
	t.Helper()
	rec, err := fakesAsTheyAre()
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func wantDifferences(t *testing.T, rec *Recording, want ...string) {
	t.Helper()
	var got []string
	for _, d := range compare(rec, expected(t)) {
		got = append(got, d.String())
		if d.A == d.B {
			t.Errorf("%s: both are %q", d, d.A)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences\n %q, want\n %q", got, want)
	}
}

func TestFakesAgainstThemselves(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "recording.json")
	var out bytes.Buffer
	if err := check(t.Context(), &out, settings{recording: path}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the fakes against themselves", "says nothing about Google", "No difference in "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not say %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "not finished") {
		t.Errorf("a step was not finished:\n%s", &out)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rec, err := readRecording(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Steps) != len(steps) || rec.Of != "the fakes" || rec.Date == "" || rec.Version == "" {
		t.Errorf("the recording has %d steps, of %q, date %q, version %q", len(rec.Steps), rec.Of, rec.Date, rec.Version)
	}
	wantDifferences(t, rec)

	out.Reset() // now that the file is there
	if err := check(t.Context(), &out, settings{recording: path}); !errors.Is(err, fs.ErrExist) || !strings.Contains(out.String(), "No difference in ") {
		t.Errorf("a recording is overwritten, or the report is lost: %v\n%s", err, &out)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	f := start(t, exchangetest.Options{}, drivetest.Options{ETags: true, Lag: drivetest.Lag{Twice: true}})
	rec, _ := lookAt(t, t.Context(), f, func(_ *google, r *run) { r.steps = these("sign-in", "late-search", "etags") })
	rec.Of = "Google"
	var out bytes.Buffer
	report(&out, rec, expected(t))
	for _, want := range []string{
		"3 of ",
		"etags: ETag of a file\n      Google:    present\n      the fakes: absent\n      docs/google.md: No ETag …\n",
		"late-search: a list shows a file once\n      Google:    no\n",
		"(this may vary from run to run)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
}

// A someone is a person who differs from the automatic one.
type someone func(context.Context, trip) (url.Values, error)

func (s someone) visit(ctx context.Context, t trip) (url.Values, error) { return s(ctx, t) }

func TestCancelsByMistake(t *testing.T) {
	t.Parallel()
	f := start(t, exchangetest.Options{}, drivetest.Options{})
	rec, out := lookAt(t, t.Context(), f, func(g *google, r *run) {
		willing, visits := g.person, 0
		g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
			if r.at.Step == "sign-in" {
				visits++
				p.choice.Deny = visits == 1
			}
			return willing.visit(ctx, p)
		})
	})
	if want := "Google has answered access_denied, and this step needs your consent. Once more."; !strings.Contains(out, want) {
		t.Errorf("the output does not say %q:\n%s", want, out)
	}
	wantDifferences(t, rec)
}

func TestDoesNotUntick(t *testing.T) {
	t.Parallel()
	f := start(t, exchangetest.Options{}, drivetest.Options{})
	rec, out := lookAt(t, t.Context(), f, func(g *google, r *run) {
		willing, visits := g.person, 0
		g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
			if r.at.Step == "sign-in" {
				if visits++; visits < tries {
					p.choice.Declined = nil
				}
			}
			return willing.visit(ctx, p)
		})
	})
	if n := strings.Count(out, "Please untick drive.file only. Once more."); n != tries-1 {
		t.Errorf("the output asks %d times to untick the scope, want %d:\n%s", n, tries-1, out)
	}
	// Later answers have the scopes of the earlier consents, too.
	wantDifferences(t, rec, "narrower-consent: scopes with include_granted_scopes")
}

func TestNeverConsents(t *testing.T) {
	t.Parallel()
	f := start(t, exchangetest.Options{}, drivetest.Options{})
	rec, out := lookAt(t, t.Context(), f, func(g *google, _ *run) {
		willing := g.person
		g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
			p.choice = exchangetest.Choice{Deny: true}
			return willing.visit(ctx, p)
		})
	})
	if want := "not finished: the browser came back with access_denied 3 times"; !strings.Contains(out, want) {
		t.Errorf("the output does not say %q:\n%s", want, out)
	}
	for _, s := range rec.Steps {
		switch done := s.Failed == ""; s.Step {
		case "discovery", "error-pages", "denial":
			if !done {
				t.Errorf("%s: %s", s.Step, s.Failed)
			}
		default:
			if done {
				t.Errorf("%s is done without tokens", s.Step)
			}
		}
	}
}

// TestErrorIsShown has a Google that does not send the browser back.
func TestErrorIsShown(t *testing.T) {
	t.Parallel()
	f := start(t, exchangetest.Options{}, drivetest.Options{})
	rec, out := lookAt(t, t.Context(), f, func(g *google, r *run) {
		r.steps = these("sign-in", "second-sign-in", "approval-prompt")
		willing := g.person
		g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
			if r.at.Step != "sign-in" {
				return nil, errShown
			}
			return willing.visit(ctx, p)
		})
	})
	wantDifferences(t, rec, "second-sign-in: it comes to its end",
		"approval-prompt: the browser comes back from the old address", "approval-prompt: refresh token by the old address",
		"approval-prompt: the browser comes back from today's address", "approval-prompt: refresh token by today's address")
	if want := "not finished: the browser was not sent back: an error was shown"; strings.Count(out, want) != 1 {
		t.Errorf("the output does not say %q:\n%s", want, out)
	}
	for _, fact := range rec.step("approval-prompt").Facts {
		if fact.Value != "no: Google shows an error" {
			t.Errorf("%s: %s", fact.Name, fact.Value)
		}
	}
}

// TestAnotherAccount has a person who signs in with another account than at first.
func TestAnotherAccount(t *testing.T) {
	t.Parallel()
	f := start(t, exchangetest.Options{Users: []exchangetest.User{{Email: "jane.doe@gmail.com"}, {Email: "john.roe@gmail.com"}}}, drivetest.Options{})
	rec, out := lookAt(t, t.Context(), f, func(g *google, r *run) {
		r.steps = these("sign-in", "second-sign-in", "narrower-consent", "code-twice", "revocation")
		willing := g.person
		g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
			if at := r.at.Step; at == "second-sign-in" || at == "narrower-consent" {
				p.address = strings.Replace(p.address, "login_hint=", "hint=", 1)
				p.choice.User = "john.roe@gmail.com"
			}
			return willing.visit(ctx, p)
		})
	})
	if n := strings.Count(out, "not finished: another account has signed in than at first; its access is revoked"); n != 2 {
		t.Errorf("the output says it %d times:\n%s", n, out)
	}
	wantDifferences(t, rec, "second-sign-in: it comes to its end", "narrower-consent: it comes to its end")
}

func TestNobodyComes(t *testing.T) {
	t.Parallel()
	f := start(t, exchangetest.Options{}, drivetest.Options{})
	var said bytes.Buffer
	d, err := newDesk(t.Context(), "http://localhost:0/livecheck", 1, &said)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	rec, out := lookAt(t, t.Context(), f, func(g *google, _ *run) { g.person = d })
	if want := "not finished: no browser came back within 1ns"; !strings.Contains(out, want) {
		t.Errorf("the output does not say %q:\n%s", want, out)
	}
	if s := rec.step("sign-in"); s == nil || s.Failed == "" || len(s.Facts) > 0 {
		t.Errorf("sign-in is %+v", s)
	}
}

// TestInterrupted ends a run when Google has done what a request asks for, and the
// answer is lost; or when the browser has come back.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for step, at := range map[string]int{ // the request; 0: the visit
		"denial": 0, "sign-in": 0, "names": 1, "uploads": 5, "narrower-consent": 1, "unticked-later": 0, "dpop": 2, "revocation": 3,
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			f := start(t, exchangetest.Options{}, drivetest.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			rec, out := lookAt(t, ctx, f, func(g *google, r *run) {
				r.steps = these("sign-in", step, "silence")
				base, requests := g.transport, 0
				g.transport = roundTripper(func(req *http.Request) (*http.Response, error) {
					resp, err := base.RoundTrip(req)
					if r.at.Step == step {
						if requests++; requests == at {
							cancel()
						}
					}
					return resp, err
				})
				willing := g.person
				g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
					back, err := willing.visit(ctx, p)
					if r.at.Step == step && at == 0 {
						cancel()
					}
					return back, err
				})
			})
			if !strings.Contains(out, "Interrupted: ") || !strings.Contains(out, "The next run begins anew.") {
				t.Errorf("the output does not say so:\n%s", out)
			}
			if strings.Contains(out, connections) {
				t.Errorf("access is left, it says:\n%s", out)
			}
			if at := rec.Steps[len(rec.Steps)-1].Step; at != step {
				t.Errorf("the last step in the recording is %s", at)
			}
			for _, d := range compare(rec, expected(t)) {
				if d.Step != step {
					t.Errorf("difference in %s", d)
				}
			}
		})
	}
}

// TestCannotCleanUp has a Google that does not answer any more.
func TestCannotCleanUp(t *testing.T) {
	t.Parallel()
	f := newFakes(defaultRedirectURI, exchangetest.Options{}, drivetest.Options{})
	defer f.Close()
	var out bytes.Buffer
	g := f.google()
	r, err := newRun(g, Recording{}, &out)
	if err != nil {
		t.Fatal(err)
	}
	base, gone := g.transport, false
	r.tap.base = roundTripper(func(req *http.Request) (*http.Response, error) {
		if gone = gone || req.Method == http.MethodPatch; gone {
			return nil, errors.New("gone")
		}
		return base.RoundTrip(req)
	})
	r.all(t.Context())
	for _, want := range []string{connections, "Small files may be left", "not finished: no whole answer came"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not say %q:\n%s", want, &out)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const web = `{"web":{"client_id":"1-a.apps.googleusercontent.com","client_secret":"GOCSPX-secret"}}`
	for _, c := range []struct {
		name string
		s    settings
		want string
	}{
		{"no file", settings{clientSecret: filepath.Join(dir, "none")}, "no such file"},
		{"installed", settings{clientSecret: write("i", strings.Replace(web, "web", "installed", 1))}, "not that of a web client"},
		{"https", settings{clientSecret: write("w", web), redirectURI: "https://example.com/cb"}, "redirect URI is not of the form"},
		{"no path", settings{clientSecret: write("w", web), redirectURI: "http://localhost:0"}, "redirect URI is not of the form"},
		{"not registered", settings{
			clientSecret: write("r", strings.Replace(web, `{"client_id"`, `{"redirect_uris":["http://localhost:1/a"],"client_id"`, 1)),
			redirectURI:  "http://localhost:0/livecheck",
		}, "register it"},
	} {
		err := check(t.Context(), io.Discard, c.s)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "GOCSPX") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
