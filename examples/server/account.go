package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A feature of the application needs a scope that the user may grant or not.
type feature struct{ Name, Scope, Title, Text string }

// features are what the application offers. The calendar stands for what yours asks for
// only when the user wants it.
var features = []feature{
	{"drive", drive.Scope, "Settings and files", "Notes keeps them in a folder of your Drive that only Notes can see."},
	{"calendar", "https://www.googleapis.com/auth/calendar.readonly", "Calendar", "Notes may look up your appointments."},
}

// An access describes the grant of a user to that user.
type access struct {
	tokenstore.Health
	Connected bool // there is a grant, and it works as far as is known
	Ended     string
	Features  []grantedFeature
}

type grantedFeature struct {
	feature
	Granted bool
}

func (a access) grants(scope string) bool {
	return a.Connected && !slices.Contains(a.Missing, scope)
}

// accessOf asks the store, and not Google: that Google has ended a grant shows at its
// next use.
func (a *app) accessOf(ctx context.Context, u user) (access, error) {
	var scopes []string
	for _, f := range features {
		scopes = append(scopes, f.Scope)
	}
	health, err := a.grants.Health(ctx, u.Subject, scopes...)
	none := errors.Is(err, tokenstore.ErrNotFound)
	if err != nil && !none {
		return access{}, err
	}
	got := access{Health: health, Connected: !none && health.State == tokenstore.Active}
	if health.State == tokenstore.NeedsConsent {
		got.Ended = whyEnded(health.Reason)
	}
	for _, f := range features {
		got.Features = append(got.Features, grantedFeature{f, got.grants(f.Scope)})
	}
	return got, nil
}

func whyEnded(reason string) string {
	switch reason {
	case tokenstore.ReasonInvalidRAPT, tokenstore.ReasonRAPTRequired:
		return "Your organisation wants you to sign in again from time to time."
	case tokenstore.ReasonInvalidGrant:
		return "You may have removed Notes in your Google Account, or it was not used for a long time."
	}
	return "Google has ended it to protect your account."
}

// account is the page about the connected account.
func (a *app) account(w http.ResponseWriter, r *http.Request, u user) error {
	got, err := a.accessOf(r.Context(), u)
	if err != nil {
		return err
	}
	return a.show(w, http.StatusOK, "account.html", "Your account", u, got)
}

// appAccount is the same for an app.
func (a *app) appAccount(w http.ResponseWriter, r *http.Request, u user) error {
	got, err := a.accessOf(r.Context(), u)
	if err != nil {
		return err
	}
	a.writeJSON(w, r, struct {
		Name      string    `json:"name"`
		Email     string    `json:"email"`
		Connected bool      `json:"connected"`
		Missing   []string  `json:"missing_scopes"`
		Ends      time.Time `json:"ends,omitzero"`
	}{u.Name, u.Email, got.Connected, got.Missing, got.Expiry})
	return nil
}

// connectingPath and a subject are the return path of a sign-in that connect begins.
const connectingPath = "/account?connect="

// connect asks Google for the scope of one more feature. What was granted before stays
// granted. Consent is forced only if no refresh token is kept that works.
func (a *app) connect(w http.ResponseWriter, r *http.Request, u user) error {
	p := exchange.AuthParams{Scopes: firstScopes, LoginHint: u.Subject}
	for _, f := range features {
		if f.Name == r.FormValue("feature") {
			p.Scopes = append(slices.Clip(identity), f.Scope)
		}
	}
	_, err := a.grants.Token(r.Context(), u.Subject)
	p.ForceConsent = errors.Is(err, tokenstore.ErrNeedsConsent)
	a.redirect.StartWith(w, r, connectingPath+u.Subject, p)
	return nil
}

// disconnect ends the access at Google, and leaves the user signed in here.
func (a *app) disconnect(w http.ResponseWriter, r *http.Request, u user) error {
	if err := a.grants.Disconnect(r.Context(), u.Subject); err != nil {
		return err
	}
	a.folders.forget(u.Subject)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

// confirmDelete shows what will be deleted, and whether the files cannot be reached.
func (a *app) confirmDelete(w http.ResponseWriter, r *http.Request, u user) error {
	got, err := a.accessOf(r.Context(), u)
	if err != nil {
		return err
	}
	return a.show(w, http.StatusOK, "delete.html", "Delete my data", u, got.grants(drive.Scope))
}

func (a *app) deleteEverything(w http.ResponseWriter, r *http.Request, u user) error {
	if err := a.db.markDeleting(r.Context(), u.Subject); err != nil {
		return err
	}
	if err := a.finishDeletion(r.Context(), u.Subject); err != nil {
		a.logFailure(r, err) // tidyUp goes on
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return nil
	}
	a.db.setCookie(w, "session", "", 0)
	http.Redirect(w, r, "/message?about=deleted", http.StatusSeeOther)
	return nil
}

const (
	deletionPurpose = "server/deletion" // of the lease
	deletionTime    = time.Minute
)

// finishDeletion deletes a user who is marked: first the files in Drive, if there is access
// to them; then the access; and at the end the user, with the mark. It can be repeated
// after any step.
//
// Handlers and replicas take turns: one that is late would delete the new data of a user
// who has signed in again. A process that stands still for longer than its lease may still
// send one request too late. errDeleting means that another one has the turn, or that a
// sign-in has come in between: tidyUp goes on.
func (a *app) finishDeletion(ctx context.Context, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, deletionTime)
	defer cancel()
	key := tokenstore.Key{ClientID: a.google.client.ClientID, Subject: subject}
	release, ok, err := a.store.Lease(ctx, key, deletionPurpose, 2*deletionTime)
	if err != nil {
		return err
	}
	if !ok {
		return errDeleting
	}
	defer release()
	deletion, err := a.db.deletionOf(ctx, subject)
	if err != nil || deletion == "" { // another one has finished it
		return err
	}
	folder, err := a.folders.ofSubject(subject)
	if err != nil {
		return err
	}
	_, err = folder.DeleteAll(ctx)
	if err != nil && !errors.Is(err, tokenstore.ErrNeedsConsent) && !errors.Is(err, drive.ErrScope) {
		return err
	}
	if err := a.grants.Disconnect(ctx, subject); err != nil {
		return err
	}
	a.folders.forget(subject)
	return a.db.deleteUser(ctx, subject, deletion)
}

// tidyUp finishes deletions and removes old sessions, every minute until ctx ends. Several
// replicas may do so.
func (a *app) tidyUp(ctx context.Context) {
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for {
		if err := a.tidy(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("tidying up", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

func (a *app) tidy(ctx context.Context) error {
	subjects, err := a.db.deleting(ctx)
	for _, subject := range subjects {
		if failure := a.finishDeletion(ctx, subject); !errors.Is(failure, errDeleting) {
			err = errors.Join(err, failure)
		}
	}
	return errors.Join(err, a.db.deleteExpired(ctx))
}
