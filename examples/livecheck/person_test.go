package main

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A browser follows the page of a desk as a person would who reads it.
type browser struct {
	t      *testing.T
	http   *http.Client
	desk   *desk
	google *exchangetest.Server
}

var links = regexp.MustCompile(`href="([^"]*)"`)

// get returns the page, or where it redirects to.
func (b *browser) get(ctx context.Context, address string) (page, to string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		b.t.Error(err)
		return "", ""
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return "", "" // the desk is closed
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text), resp.Header.Get("Location")
}

// follow opens the page until all is over.
func (b *browser) follow(ctx context.Context) {
	for ctx.Err() == nil {
		page, google := b.get(ctx, b.desk.url())
		shown := ""
		if found := links.FindAllStringSubmatch(page, -1); len(found) == 2 {
			google, shown = html.UnescapeString(found[0][1]), html.UnescapeString(found[1][1])
		}
		if google == "" {
			if !strings.Contains(page, "by itself") {
				return
			}
			continue
		}
		var choice exchangetest.Choice
		switch {
		case strings.Contains(page, "Cancel"):
			choice.Deny = true
		case strings.Contains(page, "untick the files"):
			choice.Declined = []string{someFile}
		case strings.Contains(page, "untick the app"):
			choice.Declined = []string{appData}
		}
		back := b.desk.url() + shown
		if to, err := b.google.Authorize(google, choice); err == nil {
			back = to.String()
		}
		if _, to := b.get(ctx, back); to != b.desk.url() {
			b.t.Errorf("the redirect URI leads to %q", to)
		}
	}
}

// TestDesk does the steps by way of the page.
func TestDesk(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	d, err := newDesk(t.Context(), "http://localhost:0/livecheck", time.Hour, &said)
	if err != nil {
		t.Fatal(err)
	}
	f := newFakes(d.callback.String(), exchangetest.Options{}, drivetest.Options{})
	defer f.Close()
	b := &browser{t, &http.Client{
		Transport:     new(http.Transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, d, f.accounts}
	defer b.http.CloseIdleConnections()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.follow(t.Context())
	}()
	g := f.google()
	g.person = d
	rec, err := look(t.Context(), &said, g, Project{})
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	<-done
	f.wantClean(t)
	wantDifferences(t, rec)
	if want := "In the browser: choose the account"; !strings.Contains(said.String(), want) {
		t.Errorf("the output does not say %q:\n%s", want, &said)
	}
}

// TestDeskRefuses has requests that end no visit.
func TestDeskRefuses(t *testing.T) {
	t.Parallel()
	d, err := newDesk(t.Context(), "http://localhost:0/livecheck", time.Hour, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	b := &browser{t: t, http: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	type result struct {
		back url.Values
		err  error
	}
	back := make(chan result, 1)
	go func() {
		q, err := d.visit(t.Context(), trip{address: "https://accounts.google.com/", state: "right", do: "go"})
		back <- result{q, err}
	}()
	if page, _ := b.get(t.Context(), d.url()); !strings.Contains(page, "go") {
		t.Errorf("the page does not say what to do: %s", page)
	}
	for _, path := range []string{"livecheck?code=a&state=wrong", "livecheck?code=a", "?shown=wrong", "other"} {
		b.get(t.Context(), d.url()+path)
	}
	prefetch, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url()+"livecheck?code=a&state=right", nil)
	prefetch.Header.Set("Sec-Purpose", "prefetch")
	if resp, err := b.http.Do(prefetch); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Errorf("prefetch: %v, %v", resp, err)
	}
	select {
	case r := <-back:
		t.Fatalf("a stranger's link has ended the visit: %v", r)
	default:
	}
	b.get(t.Context(), d.url()+"livecheck?code=b&state=right")
	if r := <-back; r.err != nil || r.back.Get("code") != "b" {
		t.Errorf("the visit ends with %v, %v", r.back, r.err)
	}
}

// TestDeskKeepsTripsApart has a browser come back from a trip that ends at that moment.
func TestDeskKeepsTripsApart(t *testing.T) {
	t.Parallel()
	for range 20 { // with one channel for both trips, about half of them would mix them up
		synctest.Test(t, func(t *testing.T) {
			d := &desk{callback: &url.URL{Host: "localhost", Path: "/livecheck"}, wait: time.Hour, out: io.Discard, changed: make(chan struct{})}
			codes := make(chan string, 2)
			visit := func(ctx context.Context, state string) {
				go func() {
					back, _ := d.visit(ctx, trip{state: state})
					codes <- back.Get("code")
				}()
				synctest.Wait()
			}
			arrive := func(ctx context.Context, query string) {
				d.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/livecheck?"+query, nil))
			}
			ctx, stop := context.WithCancel(t.Context())
			visit(ctx, "first")
			arrive(onDone{t.Context(), sync.OnceFunc(func() {
				stop()
				synctest.Wait()
				visit(t.Context(), "second")
			})}, "code=a&state=first")
			arrive(t.Context(), "code=b&state=second")
			if first, second := <-codes, <-codes; first != "" || second != "b" {
				t.Errorf("the trips end with the codes %q and %q, want none and b", first, second)
			}
		})
	}
}

// An onDone calls a function when Done is called: just before a select that has it.
type onDone struct {
	context.Context
	do func()
}

func (c onDone) Done() <-chan struct{} {
	c.do()
	return c.Context.Done()
}

// TestDeskShowsAnError follows the link for an error of Google's.
func TestDeskShowsAnError(t *testing.T) {
	t.Parallel()
	d, err := newDesk(t.Context(), "http://localhost:0/livecheck", time.Hour, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	b := &browser{t: t, http: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	done := make(chan error, 1)
	go func() {
		_, err := d.visit(t.Context(), trip{address: "https://accounts.google.com/", state: "right"})
		done <- err
	}()
	if _, to := b.get(t.Context(), d.url()); to != "https://accounts.google.com/" {
		t.Errorf("where nothing is to be done, the page leads to %q", to)
	}
	page, _ := b.get(t.Context(), d.url()) // the person comes back by the back button
	found := links.FindAllStringSubmatch(page, -1)
	if len(found) != 2 {
		t.Fatalf("the page has not two links: %s", page)
	}
	b.get(t.Context(), d.url()+html.UnescapeString(found[1][1]))
	if err := <-done; !errors.Is(err, errShown) {
		t.Errorf("the visit ends with %v", err)
	}
}
