// Livecheck holds this module's fakes against Google. It walks a person who has a
// Google account through some sign-ins and consents, looks at how Google behaves, does
// the same with the fakes, and prints what differs.
//
//	go run -C examples ./livecheck
//
// runs the fakes against themselves, to show how it works. For Google itself, make a
// Cloud project for this purpose alone, with the Drive API enabled, a web client whose
// redirect URI is http://localhost:8085/livecheck, and, while its publishing status is
// Testing, your account among the test users. Then:
//
//	go run -C examples ./livecheck -client-secret "$PWD/client_secret.json"
//
// It takes a dozen minutes. In the end it deletes its files and revokes the access that
// you granted. That ends all access of the account to the Cloud project: do not use a
// project that people sign in to.
//
// It writes what it has seen to a file. There is no token, code, secret, address or ID
// in it, so that it can be attached to a report.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// settings are what the flags say.
type settings struct {
	clientSecret string // empty: the fakes alone
	redirectURI  string
	recording    string
	wait         time.Duration
	project      Project
}

func main() {
	var s settings
	flag.StringVar(&s.clientSecret, "client-secret", "", "client_secret_*.json of a web client; none: the fakes against themselves")
	fake := flag.Bool("fake", false, "the fakes against themselves, as without -client-secret")
	flag.StringVar(&s.redirectURI, "redirect-uri", defaultRedirectURI, "registered redirect URI, of the form http://localhost:port/path")
	flag.StringVar(&s.recording, "recording", "", "`file` to write what was seen to; default: livecheck-DATE.json, or none for the fakes")
	flag.DurationVar(&s.wait, "wait", 10*time.Minute, "how long to wait for the browser to come back")
	flag.BoolVar(&s.project.Testing, "testing", false, "the publishing status of the Cloud project is Testing")
	flag.BoolVar(&s.project.AuthClaims, "auth-claims", false, "the project is verified and has its session age and authentication strength claims switched on")
	flag.Parse()
	if flag.NArg() > 0 || *fake && s.clientSecret != "" {
		fmt.Fprintln(os.Stderr, "livecheck: -fake and -client-secret exclude each other, and there are no arguments")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := check(ctx, os.Stdout, s); err != nil {
		fmt.Fprintln(os.Stderr, "livecheck:", err)
		os.Exit(1)
	}
}

var errDiffers = errors.New("the fakes differ from Google")

// check goes through the steps with Google and with the fakes, and compares.
func check(ctx context.Context, out io.Writer, s settings) error {
	g, closeGoogle, err := s.google(ctx, out)
	if err != nil {
		return err
	}
	seen, err := look(ctx, out, g, s.project)
	closeGoogle()
	if err != nil {
		return err
	}
	var unwritten error
	if s.recording != "" {
		seen.Version = version(context.WithoutCancel(ctx))
		if unwritten = seen.write(s.recording); unwritten == nil {
			path, _ := filepath.Abs(s.recording)
			fmt.Fprintln(out, "\nWhat was seen is in", path)
		}
	}
	expected, err := lookAtFakes(context.WithoutCancel(ctx), s.project)
	if err != nil {
		return errors.Join(unwritten, err)
	}
	if len(report(out, seen, expected)) > 0 {
		err = errDiffers
	}
	return errors.Join(unwritten, err, ctx.Err())
}

// look goes through the steps at one google.
func look(ctx context.Context, out io.Writer, g *google, p Project) (*Recording, error) {
	r, err := newRun(g, Recording{Format: format, Date: time.Now().UTC().Format(time.DateOnly), Project: p}, out)
	if err != nil {
		return nil, err
	}
	return r.all(ctx), nil
}

// lookAtFakes goes through the steps at new fakes, without a word.
func lookAtFakes(ctx context.Context, p Project) (*Recording, error) {
	f := newFakes(defaultRedirectURI, exchangetest.Options{Testing: p.Testing, AuthClaims: p.AuthClaims}, drivetest.Options{})
	defer f.Close()
	return look(ctx, io.Discard, f.google(), p)
}

// google returns whom to look at, and a function that ends it.
func (s *settings) google(ctx context.Context, out io.Writer) (*google, func(), error) {
	if s.clientSecret == "" {
		fmt.Fprintf(out, "These are the fakes against themselves. That shows how this program works, and says nothing about Google.\n\n")
		f := newFakes(defaultRedirectURI, exchangetest.Options{Testing: s.project.Testing, AuthClaims: s.project.AuthClaims}, drivetest.Options{})
		return f.google(), f.Close, nil
	}
	client, err := webClient(s.clientSecret)
	if err != nil {
		return nil, nil, err
	}
	if len(client.RedirectURIs) > 0 && !slices.Contains(client.RedirectURIs, s.redirectURI) {
		return nil, nil, fmt.Errorf("the client has no redirect URI %s: register it, or say with -redirect-uri which one it has", s.redirectURI)
	}
	if s.recording == "" {
		s.recording = "livecheck-" + time.Now().UTC().Format("2006-01-02T150405") + ".json"
	}
	d, err := newDesk(ctx, s.redirectURI, s.wait, out)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(out, `This takes a dozen minutes. In the end it revokes all access to your account that the Cloud project has.

Open %s in a browser, keep that page open, and do what it says. It goes to Google by itself
where there is nothing to do. If Google asks something all the same, or says that it has not verified the
app, choose the same account and continue.

`, d.url())
	return realGoogle(client, s.redirectURI, d), d.close, nil
}

// webClient reads a client_secret_*.json. Another client than a web one gets refresh
// tokens without consent, which would be differences of no interest.
func webClient(path string) (exchange.Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return exchange.Config{}, err
	}
	var kinds map[string]json.RawMessage
	if json.Unmarshal(b, &kinds) != nil || kinds["web"] == nil {
		return exchange.Config{}, errors.New("the file is not that of a web client")
	}
	return exchange.ConfigFromJSON(b)
}

// version returns the version of this module. With go run that is the commit checked
// out, which only git knows.
func version(ctx context.Context) string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(commit))
}
