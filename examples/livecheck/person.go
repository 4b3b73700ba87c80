package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A person goes to Google with a browser, and comes back.
type person interface {
	// visit returns the query with which the browser comes back. If Google has shown
	// an error instead of sending it back, the error is errShown.
	visit(context.Context, trip) (url.Values, error)
}

// A trip is one way to Google and back.
type trip struct {
	address string
	state   string
	do      string              // what a person has to do; empty: nothing
	choice  exchangetest.Choice // the same, for the fake
}

var errShown = errors.New("the browser was not sent back: an error was shown")

// automatic is the person at the fake.
type automatic struct{ accounts *exchangetest.Server }

func (a automatic) visit(ctx context.Context, t trip) (url.Values, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	back, err := a.accounts.Authorize(t.address, t.choice)
	if err != nil {
		return nil, errShown
	}
	return back.Query(), nil
}

// A desk is a page on this machine that says what to do next, and the redirect URI.
// A person keeps it open: it goes on by itself, and to Google where nothing has to be
// done there.
type desk struct {
	callback *url.URL
	wait     time.Duration // for a person to come back
	out      io.Writer

	mu      sync.Mutex
	current *trip // nil: none
	sent    bool  // the browser has been sent to current without a click
	over    bool
	changed chan struct{} // closed when the above change
	back    chan arrival  // for current, and no later one
	server  *http.Server
}

type arrival struct {
	query url.Values
	err   error
}

// newDesk listens at the host and port of the redirect URI; at any port for 0.
func newDesk(ctx context.Context, redirectURI string, wait time.Duration, out io.Writer) (*desk, error) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "http" || u.Port() == "" || u.Path == "" {
		return nil, errors.New("the redirect URI is not of the form http://localhost:8085/livecheck")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if u.Port() == "0" {
		u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	d := &desk{callback: u, wait: wait, out: out, changed: make(chan struct{})}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second}
	go d.server.Serve(listener)
	return d, nil
}

// url is the address of the page.
func (d *desk) url() string { return "http://" + d.callback.Host + "/" }

// close says on the page that all is done, and stops listening.
func (d *desk) close() {
	d.set(nil, true)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		d.server.Close()
	}
}

// set changes what the page shows. It returns where the browser comes back.
func (d *desk) set(t *trip, over bool) <-chan arrival {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current, d.sent, d.over, d.back = t, false, over, make(chan arrival)
	close(d.changed)
	d.changed = make(chan struct{})
	return d.back
}

func (d *desk) visit(ctx context.Context, t trip) (url.Values, error) {
	if t.do != "" {
		fmt.Fprintf(d.out, "    In the browser: %s\n", t.do)
	}
	back := d.set(&t, false)
	defer d.set(nil, false)
	timer := time.NewTimer(d.wait)
	defer timer.Stop()
	select {
	case a := <-back:
		return a.query, a.err
	case <-timer.C:
		return nil, fmt.Errorf("no browser came back within %v", d.wait)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ServeHTTP is the page, and the redirect URI.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	switch {
	case r.Method != http.MethodGet:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case r.Header.Get("Sec-Purpose") != "": // a prefetch
		w.WriteHeader(http.StatusNoContent)
	case query.Has("shown"):
		d.arrive(w, r, query.Get("shown"), arrival{err: errShown})
	case r.URL.Path == d.callback.Path && query.Has("state"):
		d.arrive(w, r, query.Get("state"), arrival{query: query})
	case r.URL.Path == "/":
		d.show(w, r)
	default:
		http.NotFound(w, r)
	}
}

// arrive ends the current trip if the state is its own, and shows the page again. The
// browser may come from another trip, or from a stranger's link.
func (d *desk) arrive(w http.ResponseWriter, r *http.Request, state string, a arrival) {
	d.mu.Lock()
	known, back, changed := d.current != nil && d.current.state == state, d.back, d.changed
	d.mu.Unlock()
	if known {
		select {
		case back <- a:
		case <-changed: // another tab was faster
		case <-r.Context().Done():
			return
		}
	}
	http.Redirect(w, r, d.url(), http.StatusSeeOther)
}

// show waits for something to do, and says what.
func (d *desk) show(w http.ResponseWriter, r *http.Request) {
	t, over, ok := d.next(r.Context())
	if !ok {
		return
	}
	data := struct {
		Over, Waits bool
		Do, Shown   string
		Address     template.URL
	}{Over: over, Waits: t == nil && !over}
	if t != nil {
		d.mu.Lock()
		forward := t.do == "" && !d.sent
		d.sent = true
		d.mu.Unlock()
		if forward {
			http.Redirect(w, r, t.address, http.StatusSeeOther)
			return
		}
		data.Do, data.Shown, data.Address = t.do, t.state, template.URL(t.address)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page.Execute(w, data)
}

// next returns the current trip. It waits some seconds for one.
func (d *desk) next(ctx context.Context) (t *trip, over, ok bool) {
	soon := time.NewTimer(20 * time.Second)
	defer soon.Stop()
	for {
		d.mu.Lock()
		t, over, changed := d.current, d.over, d.changed
		d.mu.Unlock()
		if t != nil || over {
			return t, over, true
		}
		select {
		case <-changed:
		case <-soon.C:
			return nil, false, true
		case <-ctx.Done():
			return nil, false, false
		}
	}
}

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>livecheck</title>
{{if .Waits}}<meta http-equiv="refresh" content="0">{{end}}
<h1>livecheck</h1>
{{if .Over}}<p>That was all. Close this page, and look at the terminal.</p>
{{else if .Waits}}<p>The next steps need nobody. This page goes on by itself.</p>
{{else}}<p>{{or .Do "Go to Google. If it asks something, choose the same account and go on."}}</p>
<p><a href="{{.Address}}">Go to Google</a></p>
<p>Did Google show an error, and not send you back here?
<a href="/?shown={{.Shown}}">Yes, an error</a></p>
{{end}}</html>
`))
