package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// identity are the scopes that tell who the user is; firstScopes are asked for at the first
// sign-in.
var (
	identity    = []string{"openid", "email", "profile"}
	firstScopes = append(slices.Clip(identity), drive.Scope)
)

const nonceTime = time.Hour

// home is the page with the ways in.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	if _, err := a.db.userOf(r.Context(), r); err == nil {
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return
	}
	// Another tab may show the page as well, with the same nonce.
	nonce := rand.Text()
	if c, err := r.Cookie(a.db.cookieName("nonce")); err == nil && c.Value != "" {
		nonce = c.Value
	}
	a.db.setCookie(w, "nonce", nonce, nonceTime)
	if err := a.show(w, http.StatusOK, "home.html", "Sign in", user{}, nonce); err != nil {
		a.client.Fail(w, r, err)
	}
}

// signIn verifies an ID token, keeps the tokens that have come with it, and starts a
// session. The button brings no tokens: it says who the user is, and nothing more. If
// only is not empty, no other user may sign in.
func (a *app) signIn(r *http.Request, rawIDToken string, t *exchange.Tokens, only string, check idtoken.Check) (p *idtoken.Profile, s session, err error) {
	ctx := r.Context()
	if p, err = a.verifier.Verify(ctx, rawIDToken, check); err != nil {
		return nil, session{}, err
	}
	if only != "" && only != p.Subject {
		return nil, session{}, exchange.ErrAccount
	}
	if t != nil {
		if _, err = a.grants.SignIn(ctx, p.Subject, &t.Token); err != nil {
			return p, session{}, err
		}
	}
	s, err = a.db.startSession(ctx, r, p)
	if errors.Is(err, errDeleting) && t != nil {
		// The deletion may have passed the grant already, and must not leave a new one behind.
		err = errors.Join(err, a.finishDeletion(ctx, p.Subject))
	}
	return p, s, err
}

// cameBack ends a redirect. Google shows its consent screen by itself to users who have
// not granted everything, and sends a refresh token then. To others who have none kept
// here, it has to be shown again: they pass Google a second time.
func (a *app) cameBack(w http.ResponseWriter, r *http.Request, t *exchange.Tokens, returnPath string) {
	only, connecting := strings.CutPrefix(returnPath, connectingPath)
	if !connecting {
		only = ""
	}
	p, s, err := a.signIn(r, t.IDToken, t, only, idtoken.AccessToken(t.AccessToken))
	switch {
	case errors.Is(err, tokenstore.ErrNeedsConsent):
		a.redirect.StartWith(w, r, returnPath, exchange.AuthParams{Scopes: firstScopes, ForceConsent: true, LoginHint: p.Subject})
	case err != nil:
		a.logFailure(r, err)
		http.Redirect(w, r, "/message?about="+exchange.ProblemCode(explained(err)), http.StatusSeeOther) // away from the address with the code
	default:
		a.db.setCookie(w, "session", s.ID, sessionTime)
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	}
}

// popupSignedIn answers the script of the page, which has sent the code of a popup.
func (a *app) popupSignedIn(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
	_, s, err := a.signIn(r, t.IDToken, t, "", idtoken.AccessToken(t.AccessToken))
	if err != nil { // of ErrNeedsConsent the script learns as consent_required
		a.client.Fail(w, r, err)
		return
	}
	a.db.setCookie(w, "session", s.ID, sessionTime)
	w.WriteHeader(http.StatusNoContent)
}

// buttonSignedIn receives the ID token of Google's button. The nonce binds it to the
// browser that the page was shown to. In the redirect mode of the button its cookie would
// not come along, because the POST is of another site then.
func (a *app) buttonSignedIn(w http.ResponseWriter, r *http.Request) {
	raw, err := idtoken.CredentialFromRequest(w, r)
	var s session
	if err == nil {
		var nonce string
		if c, err := r.Cookie(a.db.cookieName("nonce")); err == nil {
			nonce = c.Value
		}
		_, s, err = a.signIn(r, raw, nil, "", idtoken.Nonce(nonce))
	}
	if err != nil {
		a.client.Fail(w, r, err)
		return
	}
	a.db.setCookie(w, "nonce", "", 0)
	a.db.setCookie(w, "session", s.ID, sessionTime)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

// appSignedIn answers an app that has sent its serverAuthCode. The app sends the session
// from then on, as Authorization: Bearer.
func (a *app) appSignedIn(w http.ResponseWriter, r *http.Request, t *exchange.Tokens) {
	p, s, err := a.signIn(r, t.IDToken, t, "", idtoken.AccessToken(t.AccessToken))
	if err != nil {
		a.client.Fail(w, r, err)
		return
	}
	a.writeJSON(w, r, struct {
		Session string    `json:"session"`
		Ends    time.Time `json:"ends"`
		Name    string    `json:"name"`
		Missing []string  `json:"missing_scopes"`
	}{s.ID, s.Ends, p.Name, t.Missing(firstScopes...)})
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request, _ user) error {
	if err := a.db.endSession(r.Context(), r); err != nil {
		return err
	}
	a.db.setCookie(w, "session", "", 0)
	http.Redirect(w, r, "/", http.StatusSeeOther) // the grant stays: jobs go on, and the user may come back
	return nil
}

func (a *app) writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.logFailure(r, err)
	}
}
