package tokenstore

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
	"golang.org/x/oauth2"
)

// SignIn keeps what a sign-in has brought, and returns the grant that is kept
// then. It saves a refresh token detached from ctx's cancellation: a phone that
// hangs up must not cost the user's consent.
//
// A refresh token in tok replaces the kept one, with the scopes granted along
// with it, and ends a need for consent; also where the kept record cannot be
// unsealed. If the Store does not take it even after some tries, the error says
// so, and the Manager keeps it in memory and saves it at the next call for this
// user ([Manager.Flush]).
//
// Google sends a refresh token only when the user has seen the consent screen.
// Without one the kept record stays as it is. If none is kept, or it is dead,
// the error is a [*ConsentError]: ask for a code with consent. If it cannot be
// unsealed, the error is [ErrSealed], which says when to ask for consent then.
//
// Of tok.Extra it reads "scope" (space-separated; absent: not known),
// "refresh_token_expires_in" (seconds), and "id_token": where there is an ID
// token whose sub is not subject, the error is [ErrSubject] and nothing is
// written. The access token is cached if it covers the kept scopes.
func (m *Manager) SignIn(ctx context.Context, subject string, tok *oauth2.Token) (Grant, error) {
	key, err := m.checked(subject)
	if err != nil {
		return Grant{}, err
	}
	if err := checkAnswer(tok, subject); err != nil {
		return Grant{}, failed("signing in", subject, err)
	}
	v := m.visit(subject)
	defer v.end()
	a := m.answer(subject, tok)
	if a.refreshToken == "" {
		return m.signInAgain(ctx, key, v, a)
	}
	ctx, cancel := m.detached(ctx)
	defer cancel()
	return m.signInAnew(ctx, key, v, a)
}

func checkAnswer(tok *oauth2.Token, subject string) error {
	if tok == nil {
		return errors.New("no token was given")
	}
	return checkIDToken(tok, subject)
}

// signInAnew saves a new refresh token over whatever is there.
func (m *Manager) signInAnew(ctx context.Context, key Key, v visit, a answer) (Grant, error) {
	n := m.newsOf(Grant{origin: rand.Text()}, signedIn, a)
	if old := m.unsaved.of(key.Subject); old != nil && old.kind == signedIn {
		n.older = append(slices.Clone(old.older), old.origin)
	}
	g, verdict, err := m.settle(ctx, key, n)
	if err != nil {
		v.replace(nil)
		return Grant{}, n.notSaved(key.Subject, err)
	}
	if verdict == superseded { // by a newer sign-in, or by a Disconnect
		a.access = nil
	}
	v.replace(a.access)
	if verdict == superseded && g.Version == "" {
		return Grant{}, noneKept(key.Subject)
	}
	m.stats.signIns.Add(1)
	m.event(ctx, slog.LevelInfo, eventSignedIn, key.Subject, slog.Bool("refresh_token", true))
	return g, nil
}

// signInAgain leaves the record alone.
func (m *Manager) signInAgain(ctx context.Context, key Key, v visit, a answer) (Grant, error) {
	if _, err := m.catchUp(ctx, key); err != nil {
		return Grant{}, err
	}
	g, err := m.usable(ctx, key)
	if err != nil {
		return Grant{}, err
	}
	if a.access != nil && g.Scopes != nil && a.scopes != nil {
		if scope.Missing(a.scopes, g.Scopes) == nil {
			v.publish(a.access)
		}
	}
	m.stats.signIns.Add(1)
	m.event(ctx, slog.LevelInfo, eventSignedIn, key.Subject, slog.Bool("refresh_token", false))
	return g, nil
}
