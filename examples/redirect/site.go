package main

import (
	"context"
	"errors"
	"html/template"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const (
	callbackPath = "/oauth2/callback"
	folderScope  = "https://www.googleapis.com/auth/drive.appdata"
)

// asked is what the site asks for: who the user is, and a folder in their Drive
// that it can reach when they are away.
var asked = exchange.AuthParams{Scopes: []string{"openid", "email", folderScope}}

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
type site struct {
	prefix   string // of all paths: that of the base URL
	redirect *exchange.Redirect
	verifier *idtoken.Verifier
	grants   *tokenstore.Manager
	sessions *sessions
}

// newSite returns the site that browsers find at base. key seals its cookies.
func newSite(base *url.URL, cfg exchange.Config, keys idtoken.KeySource, key []byte, s *sessions) (*site, error) {
	cfg.OnError = func(r *http.Request, err error) {
		log.Printf("%s: %v", r.URL.Path, err)
		if e, ok := errors.AsType[*exchange.Error](err); ok {
			log.Print(e.Hint())
		}
	}
	client, err := exchange.New(cfg)
	if err != nil {
		return nil, err
	}
	redirect, err := client.NewRedirect(exchange.RedirectConfig{
		URI:    base.String() + callbackPath,
		Keys:   [][]byte{key},
		Params: asked,
		Home:   base.Path + "/",
	})
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
	return &site{base.Path, redirect, verifier, grants, s}, nil
}

// close saves what the store did not take before. It is for the time after the
// server has stopped.
func (s *site) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.grants.Close(ctx)
}

// routes answers under the prefix, and without it, because some proxies remove it.
func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /login", s.login)
	mux.Handle("GET "+callbackPath, s.redirect.Handler(s.signedIn))
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("POST /disconnect", s.disconnect)
	site := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // or a proxy may show one user's page to another
		if strings.HasPrefix(r.URL.Path, s.prefix+"/") {
			http.StripPrefix(s.prefix, site).ServeHTTP(w, r)
			return
		}
		site.ServeHTTP(w, r)
	})
}

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	p := asked
	if u, ok := s.sessions.user(r); ok { // connect Google again, with consent if it is needed
		_, err := s.grants.Token(r.Context(), u.Subject)
		p.ForceConsent = errors.Is(err, tokenstore.ErrNeedsConsent)
		p.LoginHint = u.Subject
	}
	s.redirect.StartWith(w, r, r.URL.Query().Get("to"), p)
}

func (s *site) signedIn(w http.ResponseWriter, r *http.Request, t *exchange.Tokens, returnPath string) {
	who, err := s.verifier.Verify(r.Context(), t.IDToken, idtoken.AccessToken(t.AccessToken))
	if err == nil {
		_, err = s.grants.SignIn(r.Context(), who.Subject, &t.Token)
	}
	switch {
	case errors.Is(err, tokenstore.ErrNeedsConsent):
		p := asked
		p.ForceConsent, p.LoginHint = true, who.Subject
		s.redirect.StartWith(w, r, returnPath, p)
	case err != nil:
		s.redirect.Fail(w, r, err)
	default:
		s.sessions.start(w, r, user{who.Subject, who.Email})
		http.Redirect(w, r, returnPath, http.StatusSeeOther)
	}
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	s.sessions.end(w, r) // and nothing at Google: the user may come back
	http.Redirect(w, r, s.prefix+"/", http.StatusSeeOther)
}

func (s *site) disconnect(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.sessions.user(r); ok {
		if err := s.grants.Disconnect(r.Context(), u.Subject); err != nil {
			log.Printf("%s: %v", r.URL.Path, err)
			http.Error(w, "Google could not be disconnected. Please try again.", exchange.HTTPStatus(err))
			return
		}
	}
	s.logout(w, r)
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	page := struct{ Prefix, Email, Access string }{Prefix: s.prefix}
	if u, ok := s.sessions.user(r); ok {
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
<html lang="en">
<meta name="viewport" content="width=device-width">
<title>Notes</title>
{{if .Email}}
<p>{{.Email}} is signed in. Access to the app's folder in Google Drive: {{.Access}}.
{{if ne .Access "granted"}}<p><a href="{{.Prefix}}/login">Connect Google again</a>{{end}}
<form method="post" action="{{.Prefix}}/logout"><button>Sign out</button></form>
<form method="post" action="{{.Prefix}}/disconnect"><button>Disconnect Google</button></form>
{{else}}
<p><a href="{{.Prefix}}/login">Sign in with Google</a>
{{end}}
`))
