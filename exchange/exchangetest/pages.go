package exchangetest

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"strings"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// account is how a user appears on the pages.
type account struct{ Subject, Email, Name, Initial string }

func accountOf(u *user) account {
	now := u.profile()
	name := cmp.Or(now.Name, now.Email)
	return account{u.subject, now.Email, name, strings.ToUpper(string([]rune(name)[:1]))}
}

func showAccounts(w http.ResponseWriter, a *authRequest, users []*user) {
	data := struct {
		Title, Action, Request string
		Client                 Client
		Accounts               []account
	}{Title: "Choose an account", Action: a.pagePath(accountPath), Request: a.query, Client: a.client.Client}
	for _, u := range users {
		data.Accounts = append(data.Accounts, accountOf(u))
	}
	show(w, http.StatusOK, a.framedBy(), "accounts.html", data)
}

type permission struct{ Scope, Text string }

// showConsent asks for each scope that is not part of signing in.
func showConsent(w http.ResponseWriter, a *authRequest, u *user) {
	data := struct {
		Title, Action, Request string
		Client                 Client
		User                   account
		Fixed, Choices         []permission
	}{
		Title: "Grant access", Action: a.pagePath(consentPath), Request: a.query, Client: a.client.Client,
		User: accountOf(u),
	}
	for _, name := range a.scopes {
		to := &data.Choices
		if isIdentity(name) {
			to = &data.Fixed
		}
		*to = append(*to, permission{name, scopeText(name)})
	}
	show(w, http.StatusOK, a.framedBy(), "consent.html", data)
}

func scopeText(name string) string {
	switch strings.TrimPrefix(name, "https://www.googleapis.com/auth/") {
	case "openid":
		return "Associate you with your personal info on Google"
	case "userinfo.email":
		return "See your primary Google Account email address"
	case "userinfo.profile":
		return "See your personal info, including any personal info you've made publicly available"
	case "drive.appdata", "drive.appfolder":
		return "See, create, and delete its own configuration data in your Google Drive"
	case "drive.file":
		return "See, edit, create, and delete only the specific Google Drive files you use with this app"
	case "drive":
		return "See, edit, create, and delete all of your Google Drive files"
	case "calendar.readonly":
		return "See and download any calendar you can access using your Google Calendar"
	case "gmail.readonly":
		return "View your email messages and settings"
	}
	return "Use " + name
}

func showError(w http.ResponseWriter, no *refusal) {
	show(w, no.status, "'none'", "error.html", struct {
		Title, Code, Description string
		Status                   int
	}{"Access blocked", no.code, no.description, no.status})
}

// show writes a page that pages of the origin framedBy may have in a frame.
func show(w http.ResponseWriter, status int, framedBy, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		panic(err) // the templates are ours
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src "+relayScripts+"; frame-ancestors "+framedBy)
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	w.Write(page.Bytes())
}
