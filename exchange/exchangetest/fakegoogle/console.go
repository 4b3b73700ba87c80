package main

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

//go:embed console.html console.css console.js
var consoleFiles embed.FS

var page = template.Must(template.New("console.html").Funcs(template.FuncMap{
	"ago": ago, "initial": initial, "pairs": pairs, "scope": shortScope, "took": took,
}).ParseFS(consoleFiles, "console.html"))

func (a *app) consoleRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fake/{$}", a.show)
	mux.HandleFunc("GET /fake/console.css", file("console.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /fake/console.js", file("console.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /fake/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /fake/settings", func(w http.ResponseWriter, _ *http.Request) {
		for _, s := range a.settings() {
			fmt.Fprintf(w, "%s=%s\n", s.Name, quote(s.Value))
		}
	})
	mux.HandleFunc("GET /fake/requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, a.log.all()) })
	mux.HandleFunc("GET /fake/grants", func(w http.ResponseWriter, _ *http.Request) {
		grants := []grant{} // not null
		for _, g := range a.now().google.Grants() {
			grants = append(grants, grant(g))
		}
		writeJSON(w, grants)
	})
	for name, do := range map[string]action{
		"reset": (*app).doReset, "advance": (*app).doAdvance, "rotate": (*app).doRotate, "fail": (*app).doFail,
		"code": (*app).doCode, "revoke": (*app).doRevoke, "block": (*app).doBlock, "protect": (*app).doProtect,
		"reauth": (*app).doReauth,
	} {
		mux.HandleFunc("POST /fake/"+name, func(w http.ResponseWriter, r *http.Request) { a.do(w, r, do) })
	}
	return mux
}

// A grant is an exchangetest.Grant, as GET /fake/grants shows it.
type grant struct {
	Subject       string   `json:"sub"`
	ClientIDs     []string `json:"client_ids"`
	Scopes        []string `json:"scopes"`
	RefreshTokens int      `json:"refresh_tokens"`
	AccessTokens  int      `json:"access_tokens"`
}

// An action is something that a button or a test does. It returns a response for the
// test, and a sentence for the console.
type action func(a *app, form form) (response, said string, err error)

// A form has the fields of an action.
type form func(name string) string

func (a *app) do(w http.ResponseWriter, r *http.Request, do action) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := parseForm(r); err != nil {
		http.Error(w, "the form cannot be read, or is longer than 64 KiB", http.StatusBadRequest)
		return
	}
	text, said, err := try(func() (string, string, error) { return do(a, r.FormValue) })
	if r.FormValue("from") != "console" {
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, cmp.Or(text, "ok"))
		return
	}
	if err != nil {
		said = "That did not work: " + err.Error()
	}
	a.mu.Lock()
	a.said = said
	a.mu.Unlock()
	http.Redirect(w, r, "/fake/", http.StatusSeeOther)
}

// parseForm reads a form in either encoding. FormValue alone would read one that is cut
// off, or malformed, as one without fields, which is about the first user.
func parseForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	if err := r.ParseMultipartForm(formLimit); !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	return nil
}

// try calls do, and turns a panic of exchangetest, which names a test's mistake, into
// an error.
func try(do func() (string, string, error)) (text, said string, err error) {
	defer func() {
		if p := recover(); p != nil {
			message, ok := p.(string)
			if !ok {
				panic(p)
			}
			err = fmt.Errorf("%s", strings.TrimPrefix(message, "exchangetest: "))
		}
	}()
	return do()
}

func (a *app) doReset(form) (string, string, error) {
	a.reset()
	return "", "Reset: no grants, no tokens, no documents, and today's time.", nil
}

func (a *app) doAdvance(field form) (string, string, error) {
	d, err := time.ParseDuration(field("by"))
	if err != nil || d < 0 {
		return "", "", fmt.Errorf("by=%q is not a duration such as 90s or 24h", field("by"))
	}
	a.now().google.Advance(d)
	return "", "The clock is " + words(d) + " further on.", nil
}

func (a *app) doRotate(form) (string, string, error) {
	a.rotating.Lock() // so that the kid is that of the key made here
	defer a.rotating.Unlock()
	issuer := a.now().google.Issuer()
	issuer.Rotate()
	return issuer.KeyID(), "A new key signs ID tokens from now on. The former ones stay published.", nil
}

// doCode issues a code as Google's SDK gives it to an app, or to a page with a popup.
func (a *app) doCode(field form) (string, string, error) {
	google := a.now().google
	request := exchangetest.CodeRequest{
		User: field("user"), ClientID: field("client_id"), Scopes: strings.Fields(field("scope")),
		Declined: strings.Fields(field("declined")), ForceConsent: field("consent") == "true", Nonce: field("nonce"),
		AuthTime: field("auth_time") == "true", Methods: field("amr") == "true",
	}
	issue := google.AppCode
	switch field("kind") {
	case "", "app":
	case "popup":
		issue = google.PopupCode
	default:
		return "", "", fmt.Errorf("kind=%q is neither app nor popup", field("kind"))
	}
	code := issue(request)
	return code, "A code: " + code, nil
}

func (a *app) doRevoke(field form) (string, string, error) {
	a.now().google.RemoveAccessTo(field("client_id"), field("user"))
	return "", "The access of " + cmp.Or(field("user"), "the first user") + " is removed.", nil
}

func (a *app) doBlock(field form) (string, string, error) {
	on, err := onOff(field)
	if err != nil {
		return "", "", err
	}
	a.now().google.SetBlocked(field("user"), on)
	return "", sentence(on, "The administrator blocks the app for ", "The administrator allows the app to ", field), nil
}

func (a *app) doProtect(field form) (string, string, error) {
	on, err := onOff(field)
	if err != nil {
		return "", "", err
	}
	a.now().google.SetAdvancedProtection(field("user"), on)
	return "", sentence(on, "Advanced Protection is on for ", "Advanced Protection is off for ", field), nil
}

func (a *app) doReauth(field form) (string, string, error) {
	a.now().google.RequireReauth(field("user"))
	return "", "Refreshing asks for a new sign-in of " + cmp.Or(field("user"), "the first user") + ".", nil
}

func onOff(field form) (bool, error) {
	on, err := strconv.ParseBool(cmp.Or(field("on"), "true"))
	if err != nil {
		return false, fmt.Errorf("on=%q is neither true nor false", field("on"))
	}
	return on, nil
}

func sentence(on bool, yes, no string, field form) string {
	if !on {
		yes = no
	}
	return yes + cmp.Or(field("user"), "the first user") + "."
}

// driveEndpoint stands beside the endpoints of exchangetest.
const driveEndpoint = "drive"

// endpoints are those that can fail, in the order of the console.
var endpoints = []string{
	string(exchangetest.TokenEndpoint), string(exchangetest.RevokeEndpoint), string(exchangetest.UserInfoEndpoint),
	string(exchangetest.TokenInfoEndpoint), string(exchangetest.AuthEndpoint), string(exchangetest.DiscoveryEndpoint),
	string(exchangetest.CertsEndpoint), string(exchangetest.ScriptEndpoint), driveEndpoint,
}

// doFail lets the next requests to an endpoint fail: with a status, without an answer
// (hang), or by a connection that breaks (cut).
func (a *app) doFail(field form) (string, string, error) {
	endpoint := cmp.Or(field("endpoint"), string(exchangetest.TokenEndpoint))
	if !slices.Contains(endpoints, endpoint) {
		return "", "", fmt.Errorf("endpoint=%q is none of %s", endpoint, strings.Join(endpoints, ", "))
	}
	times, err := strconv.Atoi(cmp.Or(field("times"), "1"))
	if err != nil || times < 1 {
		return "", "", fmt.Errorf("times=%q is not a number from 1", field("times"))
	}
	how := cmp.Or(field("with"), "503")
	status, err := strconv.Atoi(how)
	if how != "hang" && how != "cut" && (err != nil || status < 400 || status > 599) {
		return "", "", fmt.Errorf("with=%q is neither cut, hang nor a status from 400 to 599", how)
	}
	w := a.now()
	if endpoint == driveEndpoint {
		w.drive.Inject(drivetest.Fault{
			Status: status, Reason: field("error"), Hang: how == "hang", Cut: how == "cut", Times: times,
		})
	} else {
		fault := exchangetest.Fault{Hang: how == "hang", Cut: how == "cut"}
		if status != 0 {
			fault = exchangetest.ErrorFault(status, cmp.Or(field("error"), "internal_failure"), "")
		}
		fault.Times = times
		w.google.Inject(exchangetest.Endpoint(endpoint), fault)
	}
	return "", fmt.Sprintf("The next %d to %s: %s.", times, endpoint, how), nil
}

// A view holds the data of the console page.
type view struct {
	URL, Said string
	Settings  []setting
	Now       time.Time
	Ahead     time.Duration
	Accounts  []accountView
	Clients   []exchangetest.Client
	KeyID     string
	Endpoints []string
	Requests  []request
}

type accountView struct {
	exchangetest.Account
	Grants []grantView
	Files  []drivetest.File
}

type grantView struct {
	exchangetest.Grant
	Client exchangetest.Client // the first of the project
}

func (a *app) view() view {
	w := a.now()
	v := view{
		URL: a.cfg.url, Settings: a.settings(), Now: w.google.Now(), Clients: w.google.Clients(),
		KeyID: w.google.Issuer().KeyID(), Endpoints: endpoints, Requests: a.log.all(),
	}
	v.Ahead = time.Until(v.Now).Round(time.Second)
	for _, account := range w.google.Accounts() {
		one := accountView{Account: account, Files: w.drive.Folder(account.Subject).Files()}
		for _, g := range w.google.Grants() {
			if g.Subject == account.Subject {
				i := slices.IndexFunc(v.Clients, func(c exchangetest.Client) bool { return c.ID == g.ClientIDs[0] })
				one.Grants = append(one.Grants, grantView{g, v.Clients[i]})
			}
		}
		v.Accounts = append(v.Accounts, one)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v.Said = a.said
	return v
}

func (a *app) show(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	page.Execute(w, a.view()) // fails only if the browser has gone
}

func file(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-store")
		http.ServeFileFS(w, r, consoleFiles, name)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.Encode(v)
}

// ago returns how far the clock is from the system's.
func ago(d time.Duration) string {
	if d < 2*time.Second {
		return ""
	}
	return words(d) + " ahead"
}

// words returns a duration in the largest units.
func words(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / unit.size; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
			d -= n * unit.size
		}
	}
	return cmp.Or(strings.Join(parts, " "), "0 s")
}

func initial(a accountView) string {
	return strings.ToUpper(string([]rune(cmp.Or(a.Name, a.Email))[:1]))
}

// shortScope returns a scope without the part that Google's have in common.
func shortScope(scope string) string {
	return strings.TrimPrefix(scope, "https://www.googleapis.com/auth/")
}

func took(d time.Duration) string {
	if d < time.Millisecond {
		return "< 1 ms"
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// A pair is a parameter or a header of a request.
type pair struct{ Name, Value string }

func pairs(values map[string][]string) []pair {
	var all []pair
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			all = append(all, pair{name, value})
		}
	}
	return all
}
