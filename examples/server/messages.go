package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

// A refusal is an error of this program. exchange.HTTPStatus and ProblemCode read it.
type refusal struct {
	text   string
	status int
	code   string
}

func (e *refusal) Error() string       { return e.text }
func (e *refusal) HTTPStatus() int     { return e.status }
func (e *refusal) ProblemCode() string { return e.code }

var (
	errSlow      = &refusal{"Google did not answer in time", http.StatusServiceUnavailable, "retry_later"}
	errKept      = &refusal{"the user did not agree to more", http.StatusForbidden, "kept"}
	errDriveFull = &refusal{"there is no room", http.StatusInsufficientStorage, "drive_full"}
	errTooLarge  = &refusal{"the file is too large", http.StatusRequestEntityTooLarge, "upload_large"}
)

// A message tells a person what has happened, and what to do.
type message struct{ Title, Text, Link, To string }

// messages are by the codes of exchange.ProblemCode, and a few of our own.
var messages = map[string]message{
	"consent_required": {"Google asks for your consent again", "Notes has no access to what this needs, or not any more. You decide on Google's page.", "Continue to Google", "/connect"},
	"denied":           {"You are not signed in", "You or an administrator did not agree, or this account cannot be used here. Nothing has changed.", "Back", "/"},
	"not_started":      {"Signing in was not completed", "It took longer than ten minutes, was begun in another browser, or cookies are blocked.", "Try again", "/"},
	"other_account":    {"That was another Google Account", "You are signed in with one account, and have chosen another one at Google. Sign out first to change accounts.", "Back", "/account"},
	"code_spent":       {"Signing in took too long", "What Google has sent was used already, or is too old.", "Try again", "/"},
	"retry_later":      {"Google is slow at the moment", "Nothing is lost. It mostly works again after a minute.", "Try again", "/account"},
	"not_signed_in":    {"Please sign in again", "Your session has ended.", "Sign in", "/"},
	"bad_request":      {"This did not work", "The page may be an old one, or what it was about is gone.", "Back", "/"},
	"server_error":     {"Something is wrong on our side", "We have been told. Nothing of yours is lost.", "Back", "/"},

	"kept":         {"Nothing has changed", "You or an administrator did not agree. Notes may do what it could before.", "Back", "/account"},
	"locked":       {"Google has disabled this account", "You can sign in again when Google has restored it.", "Back", "/"},
	"deleting":     {"Your data is being deleted", "This takes a moment, and goes on by itself. You can sign in again afterwards.", "Back", "/"},
	"deleted":      {"Your data is deleted", "Notes has deleted its folder in your Drive, ended its access to your Google Account, and forgotten you.", "Back to the start", "/"},
	"drive_full":   {"Your Drive is full", "Make room in your Google Drive, and try again.", "Back", "/files"},
	"upload_large": {"This file is too large", "Notes takes files of up to 100 MB.", "Back", "/files"},
}

// message is the page that the script goes to.
func (a *app) message(w http.ResponseWriter, r *http.Request) {
	m, ok := messages[r.FormValue("about")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if _, err := a.db.userOf(r.Context(), r); err != nil && m.To == "/connect" {
		m.To = "/sign-in" // after a popup: it asks for consent if it has to
	}
	if err := a.show(w, http.StatusOK, "message.html", m.Title, user{}, m); err != nil {
		a.client.Fail(w, r, err)
	}
}

// logFailure is the OnError of the packages. Their errors hold no secret, and neither
// does a route.
func (a *app) logFailure(r *http.Request, err error) {
	if errors.Is(err, errSignedOut) {
		return // every session ends
	}
	attrs := []any{"route", r.Pattern, "error", err}
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		attrs = append(attrs, "hint", e.Hint())
	}
	a.log.WarnContext(r.Context(), "request failed", attrs...)
}

// answerFailure answers a script and an app with a code, and a person with a page.
func (a *app) answerFailure(w http.ResponseWriter, r *http.Request, err error) {
	err = explained(err)
	switch {
	case r.Header.Get("X-Requested-With") != "" || r.Header.Get("Authorization") != "":
		exchange.WriteProblem(w, r, err)
	case errors.Is(err, errSignedOut) && r.Method == http.MethodGet:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		a.showMessage(w, r, err, "")
	}
}

// explained joins errors that an app can do little about with one that has a message.
func explained(err error) error {
	switch status := exchange.HTTPStatus(err); {
	case status == http.StatusInsufficientStorage:
		return errors.Join(errDriveFull, err)
	case status == http.StatusRequestEntityTooLarge:
		return errors.Join(errTooLarge, err)
	case status == http.StatusBadGateway, errors.Is(err, context.DeadlineExceeded):
		return errors.Join(errSlow, err)
	}
	return err
}

// redirectFailed answers the browser after a sign-in by redirect that has failed. The
// user may have signed in since then, in another tab.
func (a *app) redirectFailed(w http.ResponseWriter, r *http.Request, err error, returnPath string) {
	_, errUser := a.db.userOf(r.Context(), r)
	if errors.Is(err, exchange.ErrState) && errUser == nil {
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return
	}
	to := "/"
	if errUser == nil {
		to = "/account"
		if errors.Is(err, exchange.ErrDenied) {
			err = errors.Join(errKept, err)
		}
	}
	a.showMessage(w, r, err, to)
}

// showMessage shows what err means, and leads to a page, if that is not empty, or else to
// where the message says.
func (a *app) showMessage(w http.ResponseWriter, r *http.Request, err error, to string) {
	code := exchange.ProblemCode(err)
	m, ok := messages[code]
	if !ok {
		m = messages["server_error"]
	}
	if code == "retry_later" && to == "" && r.Method == http.MethodGet {
		to = (&url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}).String()
	}
	m.To = cmp.Or(to, m.To)
	if err := a.show(w, exchange.HTTPStatus(err), "message.html", m.Title, user{}, m); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}
