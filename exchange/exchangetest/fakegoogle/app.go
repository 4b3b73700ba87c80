package main

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// An app serves the fakes, and the console under /fake/.
type app struct {
	cfg                         *config
	secretFile, certificateFile string // set before it serves
	console                     http.Handler
	rotating                    sync.Mutex // held by doRotate

	mu    sync.Mutex
	world *world
	said  string // on the console, about the last action
	log   requestLog
}

// A world is all the state that a reset replaces.
type world struct {
	google *exchangetest.Server
	drive  *drivetest.Server
}

func newWorld(cfg *config) *world {
	google := exchangetest.NewServer(cfg.google)
	google.URL = cfg.url
	drive := drivetest.NewServer(drivetest.Options{Accounts: google})
	drive.URL = cfg.url
	return &world{google, drive}
}

// close ends the world's hanging requests, and waits for those to Drive.
func (w *world) close() {
	w.google.Close()
	w.drive.Close()
}

func newApp(cfg *config) *app {
	a := &app{cfg: cfg, world: newWorld(cfg)}
	a.console = http.NewCrossOriginProtection().Handler(a.consoleRoutes())
	return a
}

// now returns the world since the last reset.
func (a *app) now() *world {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.world
}

// reset begins anew: no grants, tokens, documents, faults, and the system's time.
func (a *app) reset() {
	fresh := newWorld(a.cfg)
	a.mu.Lock()
	old := a.world
	a.world = fresh
	a.mu.Unlock()
	a.log.clear()
	go old.close() // a slow upload may be under way
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/":
		http.Redirect(w, r, "/fake/", http.StatusFound)
	case path == "/favicon.ico": // of every browser, and not worth a line in the log
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(path, "/fake/"):
		if !a.isOurs(r.Host) {
			http.Error(w, "This is fakegoogle, which has no console under that name. See -url.", http.StatusMisdirectedRequest)
			return
		}
		a.console.ServeHTTP(w, r)
	case strings.Contains(path, "/drive/v3/"):
		a.log.serve(w, r, "Drive", a.now(), a.now().drive)
	default:
		a.log.serve(w, r, "Sign-in", a.now(), a.now().google)
	}
}

// isOurs reports whether a Host header may ask for the console. With another
// site's name that leads to this address (DNS rebinding), its pages could read it.
func (a *app) isOurs(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	u, _ := url.Parse(a.cfg.url) // parse has checked it
	return a.cfg.public || host == "localhost" || host == u.Hostname() || net.ParseIP(host) != nil
}
