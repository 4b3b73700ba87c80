package main

import (
	"context"
	"errors"
	"html/template"
	"log"
	"net/http"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const callbackPath = "/oauth2/callback"

// scopes are what the site asks for: who the user is, and a folder in their
// Drive that it can reach when they are away.
var scopes = []string{"openid", "email", folderScope}

const folderScope = "https://www.googleapis.com/auth/drive.appdata"

// A site signs users in:
//
//	signed out ──/login──▶ at Google, without consent ──▶ callback
//	                                                         │ SignIn keeps the grant, or finds one kept: signed in
//	                                                         │ ErrNeedsConsent: no refresh token has come, and none is kept
//	                                                         ▼
//	             signed in ◀── callback ◀── at Google, with consent
//
// Google shows its consent screen by itself to a user who has not granted all
// scopes, and sends a refresh token then. The second visit is for users who have,
// and whose refresh token this site does not have, or not any more. They do not
// see an account chooser in between: the login hint says who they are.
//
// A user who is signed in here, and whose refresh token has died, is sent to the
// consent screen at once.
type site struct {
	callbackURL string
	client      *exchange.Client
	verifier    *idtoken.Verifier
	grants      *tokenstore.Manager
	sessions    sessions
}

func newSite(base string, cfg exchange.Config, keys idtoken.KeySource, s sessions) (*site, error) {
	client, err := exchange.New(cfg)
	if err != nil {
		return nil, err
	}
	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{cfg.ClientID}, Keys: keys})
	if err != nil {
		return nil, err
	}
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID:  cfg.ClientID,
		Store:     new(tokenstore.Memory), // a real site keeps them in a database, sealed: see quickstart
		Refresher: client,
		Revoker:   client,
	})
	if err != nil {
		return nil, err
	}
	return &site{base + callbackPath, client, verifier, grants, s}, nil
}

func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("GET "+callbackPath, s.callback)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("POST /disconnect", s.disconnect)
	return http.NewCrossOriginProtection().Handler(mux)
}

// A visit to Google is under way: what its callback is measured by.
type visit struct {
	Request *exchange.AuthRequest
	Consent bool // the consent screen was asked for
}

// A user is signed in to this site.
type user struct{ Subject, Email string }

const (
	visitName, visitTime = "signin", 10 * time.Minute
	userName, userTime   = "user", 7 * 24 * time.Hour
)

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	var u user
	var p exchange.AuthParams
	if s.sessions.get(r, userName, &u) {
		_, err := s.grants.Token(r.Context(), u.Subject)
		p.ForceConsent = errors.Is(err, tokenstore.ErrNeedsConsent)
		p.LoginHint = u.Subject
	}
	s.visitGoogle(w, r, p)
}

func (s *site) visitGoogle(w http.ResponseWriter, r *http.Request, p exchange.AuthParams) {
	p.Scopes = scopes
	req, err := s.client.NewAuthRequest(s.callbackURL, p)
	if err == nil {
		err = s.sessions.put(w, visitName, visit{req, p.ForceConsent}, visitTime)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, req.URL, http.StatusFound)
}

func (s *site) callback(w http.ResponseWriter, r *http.Request) {
	var v visit // without a request, if none is under way: ErrState
	s.sessions.get(r, visitName, &v)
	s.sessions.drop(w, r, visitName)
	ctx := context.WithoutCancel(r.Context()) // from here on a closed tab would cost the user's consent
	t, err := s.client.ExchangeCallback(ctx, r.URL.Query(), v.Request)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	who, err := s.verifier.Verify(ctx, t.IDToken, idtoken.Nonce(v.Request.Nonce), idtoken.AccessToken(t.AccessToken))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	_, err = s.grants.SignIn(ctx, who.Subject, &t.Token)
	if errors.Is(err, tokenstore.ErrNeedsConsent) && !v.Consent { // else it would go on for ever
		s.visitGoogle(w, r, exchange.AuthParams{ForceConsent: true, LoginHint: who.Subject})
		return
	}
	if err == nil {
		err = s.sessions.put(w, userName, user{who.Subject, who.Email}, userTime)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusFound)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	s.sessions.drop(w, r, userName) // and nothing at Google: the user may come back
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) disconnect(w http.ResponseWriter, r *http.Request) {
	var u user
	if s.sessions.get(r, userName, &u) {
		if err := s.grants.Disconnect(r.Context(), u.Subject); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	s.logout(w, r)
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	var u user
	var page struct{ Email, Access string }
	if s.sessions.get(r, userName, &u) {
		page.Email, page.Access = u.Email, s.access(r.Context(), u.Subject)
	}
	if err := homePage.Execute(w, page); err != nil {
		log.Print(err)
	}
}

// access says whether the site can reach the user's folder, as it would for a
// job at night.
func (s *site) access(ctx context.Context, subject string) string {
	_, err := s.grants.Token(ctx, subject)
	if errors.Is(err, tokenstore.ErrNeedsConsent) {
		return "ended"
	}
	var grant tokenstore.Grant
	if err == nil {
		grant, err = s.grants.Grant(ctx, subject)
	}
	switch {
	case err != nil:
		log.Print(err)
		return "unknown"
	case len(grant.Missing(folderScope)) > 0: // the user has unticked it, and may
		return "declined"
	}
	return "granted"
}

var homePage = template.Must(template.New("").Parse(`<!doctype html>
<title>Notes</title>
{{if .Email}}
<p>{{.Email}} is signed in. Access to the app's folder in Google Drive: {{.Access}}.
{{if ne .Access "granted"}}<p><a href="/login">Connect Google again</a>{{end}}
<form method="post" action="/logout"><button>Sign out</button></form>
<form method="post" action="/disconnect"><button>Disconnect Google</button></form>
{{else}}
<p><a href="/login">Sign in with Google</a>
{{end}}
`))

// fail tells the log what went wrong, and the user no more than they need.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	log.Printf("%s: %v", r.URL.Path, err)
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		log.Print(e.Hint())
	}
	text := "Signing in has failed. Please try again."
	if errors.Is(err, exchange.ErrDenied) {
		text = "Google says that you, or your administrator, did not agree."
	}
	http.Error(w, text, exchange.HTTPStatus(err))
}
