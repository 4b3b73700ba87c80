package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A grant is what the old software knows of one.
type grant struct {
	user         string // the old software's name of the user, for the report
	subject      string // Google's sub; empty: not known
	clientID     string // empty: not known
	refreshToken string
	unusable     string // why it is of no use; empty: it may be good
}

// The outcomes of a grant.
const (
	taken   = "taken"
	skipped = "skipped"
	dead    = "dead"    // Google refuses the refresh token for good
	waiting = "waiting" // for the user's next sign-in: nothing says whose it is
	failed  = "failed"  // for now; the next run tries again
	due     = "due"     // of a dry run: it would be taken, unless Google says otherwise
)

// A migration takes old grants. In a dry run kept is nil.
type migration struct {
	clientID string
	refresh  bool // also where the user is known
	google   *exchange.Client
	verifier *idtoken.Verifier
	kept     *tokenstore.Manager
}

// all decides about each grant that the report does not have yet. It ends after
// the grant at hand if ctx ends, and early if nothing can be decided: Google or
// the store cannot be reached, or Google refuses the OAuth client.
//
// It asks for one grant at a time. To go faster, run several migrations, each with
// its part of the users and a report of its own.
func (m *migration) all(ctx context.Context, old []grant, r *report) error {
	for _, g := range old {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.decided(g) {
			continue
		}
		e, err := m.decide(ctx, g)
		if err != nil {
			return fmt.Errorf("user %s: %w", g.user, err)
		}
		if err := r.add(e); err != nil {
			return err
		}
	}
	return nil
}

// decide takes a grant, or says why not.
func (m *migration) decide(ctx context.Context, g grant) (entry, error) {
	// A refresh token that Google has replaced is kept although ctx has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	e := newEntry(g)
	switch {
	case g.unusable != "":
		return e.because(skipped, g.unusable), nil
	case g.refreshToken == "":
		return e.because(skipped, "no refresh token is kept"), nil
	case g.clientID != "" && g.clientID != m.clientID:
		return e.because(skipped, "issued to another client"), nil
	case m.kept == nil && g.subject == "":
		return e.because(due, "Google will be asked whose it is"), nil
	case m.kept == nil:
		return e.because(due, ""), nil
	}
	if g.subject != "" {
		if there, err := m.isKept(ctx, g.subject); there || err != nil {
			return e.because(skipped, "a grant is kept already"), err
		}
	}
	record := tokenstore.Grant{RefreshToken: g.refreshToken} // its scopes are those that a refresh will name
	if m.refresh || g.subject == "" {
		t, err := m.google.Refresh(ctx, g.refreshToken)
		if err != nil {
			return e.refused(err)
		}
		subject, err := m.owner(ctx, t)
		if errors.Is(err, idtoken.ErrKeysUnavailable) {
			return e, err
		}
		switch {
		case err != nil:
			return e.because(failed, err.Error()), nil
		case subject == "" && g.subject == "":
			return e.because(waiting, "nothing says whose it is: granted without openid"), nil
		case subject != "" && g.subject != "" && subject != g.subject:
			return e.because(skipped, "the refresh token is another user's"), nil
		case subject != "":
			e.Subject = subject
		}
		record = refreshed(t)
	}
	kept, err := m.keep(ctx, e.Subject, record)
	switch {
	case errors.Is(err, tokenstore.ErrSubject):
		return e.because(skipped, "the subject cannot be one"), nil
	case err != nil:
		return e, err
	case !kept:
		return e.because(skipped, "a grant is kept already"), nil
	}
	return e.because(taken, ""), nil
}

// isKept reports whether the store has a grant of the user.
func (m *migration) isKept(ctx context.Context, subject string) (bool, error) {
	_, err := m.kept.Health(ctx, subject)
	switch {
	case err == nil, errors.Is(err, tokenstore.ErrSealed):
		return true, nil
	case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrSubject):
		return false, nil
	}
	return false, err
}

// owner returns whose a refreshed token is, by its ID token. If it has none, owner
// returns "".
func (m *migration) owner(ctx context.Context, t *oauth2.Token) (subject string, err error) {
	raw, _ := t.Extra("id_token").(string)
	if raw == "" {
		return "", nil
	}
	user, err := m.verifier.Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	return user.Subject, nil
}

// refreshed returns the grant behind a refreshed token.
func refreshed(t *oauth2.Token) tokenstore.Grant {
	now := time.Now()
	g := tokenstore.Grant{RefreshToken: t.RefreshToken, RefreshedAt: now}
	if scope, ok := t.Extra("scope").(string); ok {
		g.Scopes = strings.Fields(scope)
	}
	if seconds, ok := t.Extra("refresh_token_expires_in").(float64); ok && seconds > 0 {
		g.RefreshTokenExpiry = now.Add(time.Duration(seconds) * time.Second)
	}
	return g
}

// keep imports a grant. Where the store fails it tries again for some time: the
// refresh token may be a new one, that only this process has.
func (m *migration) keep(ctx context.Context, subject string, g tokenstore.Grant) (kept bool, err error) {
	for pause := time.Second; ; pause *= 2 {
		kept, err = m.kept.Import(ctx, subject, g)
		if err == nil || errors.Is(err, tokenstore.ErrSubject) {
			return kept, err
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(pause):
		}
	}
}

// refused returns the outcome of a grant that Google did not refresh. If that is
// not the fault of the grant, it returns err.
func (e entry) refused(err error) (entry, error) {
	fault := new(exchange.Error)
	errors.As(err, &fault)
	switch {
	case errors.Is(err, exchange.ErrInvalidGrant):
		return e.because(dead, strings.TrimSpace(fault.Code+" "+fault.Subtype)), nil
	case fault.Code == "unauthorized_client":
		return e.because(skipped, "issued to another client"), nil
	case errors.Is(err, exchange.ErrDenied): // by the user's administrator
		return e.because(failed, fault.Code), nil
	}
	return e, err
}
