package tokenstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
	"github.com/seed3a054f9c/googlesignin/internal/scope"
	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/background"
	"golang.org/x/oauth2"
)

// SignIn keeps the tokens of a sign-in, and returns the grant that is kept then.
// It saves a refresh token detached from ctx's cancellation: a phone that hangs
// up must not cost the user's consent. If ctx has a deadline, SignIn returns by
// then, and saving goes on.
//
// A refresh token in tok replaces the kept one, with the scopes granted along
// with it, and ends a need for consent; also if the kept record cannot be
// unsealed. If the Store does not take it even after some tries, the error says
// so, and the Manager saves it at the next call for this user ([Manager.Flush]).
//
// There is one exception: a refresh token that covers less than an Active kept
// one, and nothing else, is set aside if a refresh shows that the kept one works.
// If Google refuses the kept one, or cannot say now, the new one is kept, and
// [Grant].Lost names the scopes that are gone. [Config].AllowNarrowing switches
// this off.
//
// Google sends a refresh token only when the user has seen the consent screen.
// Without one the kept record stays as it is. If none is kept, or Google refuses
// it, the error is a [*ConsentError]: ask for a code with consent. If it cannot be
// unsealed, the error is [ErrSealed], which says when to ask for consent then.
//
// Of tok.Extra it reads "scope" (space-separated; absent: not known),
// "refresh_token_expires_in" (seconds), "id_token", and "dpop_jkt": the thumbprint of
// the key that the refresh token is bound to. If the ID token's sub is
// not subject, the error is [ErrSubject] and nothing is written; its iat is the
// time of the sign-in. Of two sign-ins the later one is kept. The access token is
// cached if it covers the kept scopes.
//
// Without an ID token SignIn cannot tell whose tokens it keeps. The event
// tokenstore.signed_in says id_token=false then; ExchangeFor of package exchange
// compares the accounts before.
func (m *Manager) SignIn(ctx context.Context, subject string, tok *oauth2.Token) (Grant, error) {
	u, err := m.acquire(subject)
	if err != nil {
		return Grant{}, err
	}
	defer m.release(u)
	now := m.now()
	issued, err := checkSignIn(tok, u.subject, now)
	if err != nil {
		return Grant{}, failed("signing in", u.subject, err)
	}
	r := m.newResponse(tok)
	if r.refreshToken == "" {
		return m.signInAgain(ctx, u, r)
	}
	w := m.newWrite(signInWrite, Grant{}, r)
	w.lineage = lineage{id: rand.Text(), at: issued, byGoogle: true}
	if issued.IsZero() {
		w.lineage.at, w.lineage.byGoogle = now, false
	}
	return m.signInByDeadline(ctx, u, w)
}

// signInByDeadline saves a sign-in, and returns at ctx's deadline at the latest.
func (m *Manager) signInByDeadline(ctx context.Context, u *user, w *write) (Grant, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return m.signInAnew(u, w)
	}
	var g Grant
	t := background.NewTask()
	m.inBackground(u, func() {
		t.Run(func() (err error) {
			g, err = m.signInAnew(u, w)
			return err
		})
	})
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-t.Done():
		return g, t.Result()
	case <-timer.C:
		return Grant{}, failedForNow("signing in", u.subject, fmt.Errorf("%w; saving goes on", context.DeadlineExceeded))
	}
}

// signInAnew saves a new refresh token.
func (m *Manager) signInAnew(u *user, w *write) (Grant, error) {
	ctx, cancel := m.detached()
	defer cancel()
	defer m.background.Begin()()
	if first := u.nextWrite(); first != nil { // other processes may overtake it while it waits
		w.late, w.before = true, &Grant{lineage: first.lineage}
	}
	settled := false
	defer m.rememberUnless(&settled, u, w)
	err := m.settle(ctx, u)
	settled = true
	if pending := u.nextWrite(); err != nil && pending != nil && pending.kind != refusalWrite {
		m.remember(u, w, false) // after those before it: the record is not yet the one to compare it with
		m.forget(u)
		return Grant{}, m.notSaved(u, w, err)
	}
	generation := u.generation.Load()
	g, err := m.save(ctx, u, w, nil)
	switch {
	case errors.Is(err, errSuperseded) && g.Version == "":
		return Grant{}, noneKept(u.subject)
	case errors.Is(err, errSuperseded):
		u.succeeded()
	case err != nil:
		m.forget(u)
		return Grant{}, m.notSaved(u, w, err)
	default:
		m.replaceGrant(u, generation, g, w.response.access)
	}
	m.stats.signIns.Add(1)
	m.event(ctx, slog.LevelInfo, "tokenstore.signed_in", u.subject, slog.Bool("refresh_token", true), slog.Bool("id_token", w.response.named))
	return g, nil
}

// signInAgain leaves the record as it is.
func (m *Manager) signInAgain(ctx context.Context, u *user, r response) (Grant, error) {
	if err := m.settle(ctx, u); err != nil {
		return Grant{}, err
	}
	generation := u.generation.Load()
	g, err := m.active(ctx, u)
	if err != nil {
		return Grant{}, err
	}
	if r.access != nil && g.Scopes != nil && r.scopes != nil && scope.Missing(r.scopes, g.Scopes) == nil {
		m.publish(u, generation, r.access, g, g)
	}
	m.stats.signIns.Add(1)
	m.event(ctx, slog.LevelInfo, "tokenstore.signed_in", u.subject, slog.Bool("refresh_token", false), slog.Bool("id_token", r.named))
	return g, nil
}

// checkSignIn refuses a token whose ID token names another user, and returns when
// Google issued the ID token; zero: there is none. To verify an ID token is
// package idtoken's part: this one came straight from Google's token endpoint.
func checkSignIn(tok *oauth2.Token, subject string, now time.Time) (issued time.Time, err error) {
	if tok == nil {
		return time.Time{}, errors.New("no token was given")
	}
	raw := extra(tok, "id_token")
	if raw == "" {
		return time.Time{}, nil
	}
	var sub string
	var iat json.RawMessage
	switch err := exactjson.Claims(raw, map[string]any{"sub": &sub, "iat": &iat}); {
	case err != nil || sub == "":
		return time.Time{}, fmt.Errorf("%w: the ID token names nobody", ErrSubject)
	case sub != subject:
		return time.Time{}, fmt.Errorf("%w: the ID token is another user's", ErrSubject)
	}
	var seconds float64
	if json.Unmarshal(iat, &seconds) != nil || seconds <= 0 || seconds > float64(now.Add(24*time.Hour).Unix()) {
		return time.Time{}, nil // a time that cannot be is worse than none
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}
