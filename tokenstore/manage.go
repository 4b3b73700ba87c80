package tokenstore

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// Grant returns what is kept for the user, needing consent or not, refresh token
// included. None: [ErrNotFound].
func (m *Manager) Grant(ctx context.Context, subject string) (Grant, error) {
	key, err := m.checked(subject)
	if err != nil {
		return Grant{}, err
	}
	_, _ = m.catchUp(ctx, key) // remembered, and the record is true without it
	g, err := m.read(ctx, key)
	if err != nil {
		return Grant{}, failed("loading the grant of", subject, err)
	}
	return g, nil
}

// Revoked notes that somebody else says that the user's grant is revoked, such
// as a Cross-Account Protection event: the grant needs consent from then on, for
// that reason, and the cached access token is dropped. The refresh token stays in
// the record, so that [Manager.Disconnect] can still revoke it. If the user signs
// in meanwhile, the newer grant stays as it is. Where nothing is kept there is
// nothing to do.
//
// A reason is up to 64 lower-case letters, digits, hyphens and underscores;
// anything else is [ReasonRevoked].
func (m *Manager) Revoked(ctx context.Context, subject, reason string) error {
	key, err := m.checked(subject)
	if err != nil {
		return err
	}
	return m.revoked(ctx, key, reason, func(Grant) bool { return true })
}

// RevokedAt is [Manager.Revoked] as of a time that whoever says so gives, such as
// the iat of a Cross-Account Protection event. Events may come late, again and out
// of order: one from before the sign-in that is kept is about an older grant, and
// changes nothing. Where the two are less than a minute apart, or the time of the
// sign-in is not known, it is taken to be about the kept one.
func (m *Manager) RevokedAt(ctx context.Context, subject, reason string, at time.Time) error {
	key, err := m.checked(subject)
	if err != nil {
		return err
	}
	return m.revoked(ctx, key, reason, func(g Grant) bool { return g.signedIn.Sub(at) < time.Minute })
}

// RevokedToken is [Manager.Revoked] for whose refresh token has that hash, as
// Google's token-revoked events tell it: see [TokenHash] and [PrefixHash]. A
// grant that has another refresh token by then stays as it is. It needs a Store
// that is a [Finder]: otherwise the error is [errors.ErrUnsupported]. An event
// that is delivered again is no harm.
func (m *Manager) RevokedToken(ctx context.Context, tokenHash, reason string) error {
	finder, ok := m.store.(Finder)
	if !ok {
		return &failure{"finding a token", errors.ErrUnsupported}
	}
	hasToken := func(g Grant) bool { return slices.Contains(g.Hashes(), tokenHash) }
	for key, err := range finder.Find(ctx, tokenHash) {
		if err != nil {
			return &failure{"finding a token", err}
		}
		if key.ClientID != m.clientID {
			continue
		}
		if err := m.revoked(ctx, key, reason, hasToken); err != nil {
			return err
		}
	}
	return nil
}

// revoked notes a revocation of the grant that is kept, if it is about that.
func (m *Manager) revoked(ctx context.Context, key Key, reason string, about func(Grant) bool) error {
	defer m.forget(key.Subject)
	if _, err := m.catchUp(ctx, key); err != nil && !errors.Is(err, ErrNeedsConsent) {
		return err
	}
	if !isReason(reason) {
		reason = ReasonRevoked
	}
	if err := m.markRevoked(ctx, key, reason, about); err != nil {
		return failed("noting the revocation of", key.Subject, err)
	}
	m.event(ctx, slog.LevelInfo, eventRevoked, key.Subject, slog.String("reason", reason))
	return nil
}

func (m *Manager) markRevoked(ctx context.Context, key Key, reason string, about func(Grant) bool) error {
	first, err := m.load(ctx, key, false)
	kept := first
	for range maxConflicts {
		switch {
		case err != nil:
			return err
		case !kept.exists || !kept.sameOrigin(first.Grant) || !about(kept.Grant):
			return nil
		case kept.State == NeedsConsent && kept.told:
			return nil
		}
		g := withoutAccessToken(kept.Grant)
		g.State, g.Reason, g.told, g.UpdatedAt = NeedsConsent, reason, true, m.now()
		if _, err = m.store.Save(ctx, key, g); !errors.Is(err, ErrConflict) {
			return err
		}
		kept, err = m.load(ctx, key, false)
	}
	return ErrConflict
}

// Disconnect revokes the user's grant at Google and then deletes the record.
// Google then removes every scope the user has granted to the whole Cloud
// project, for all of its clients
// (https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke);
// to end a session is no reason to disconnect.
//
// If the revocation fails, the record stays and the error says why: call again.
// A token that Google no longer knows counts as revoked. If the user signs in
// meanwhile, the newer grant stays and the error is [ErrConflict]. Where nothing
// is kept there is nothing to do. A record that cannot be unsealed cannot be
// revoked either: [ErrSealed]; to drop it, delete it in the Store.
func (m *Manager) Disconnect(ctx context.Context, subject string) error {
	key, err := m.checked(subject)
	if err != nil {
		return err
	}
	if _, err := m.catchUp(ctx, key); err != nil && !errors.Is(err, ErrNeedsConsent) {
		return err
	}
	if err := m.revokeAndDelete(ctx, key); err != nil {
		return failed("disconnecting", subject, err)
	}
	m.event(ctx, slog.LevelInfo, eventDisconnected, subject)
	return nil
}

// revokeAndDelete ends what is kept, and what that is rotated to meanwhile, but
// no newer sign-in.
func (m *Manager) revokeAndDelete(ctx context.Context, key Key) error {
	first, err := m.load(ctx, key, false)
	for kept := first; err == nil && kept.exists; {
		if !kept.sameOrigin(first.Grant) {
			return ErrConflict
		}
		if err = m.revoke(ctx, kept.RefreshToken); err != nil {
			return err
		}
		m.dead.add(kept.RefreshToken, kept.origin, ReasonRevoked)
		m.forget(key.Subject)
		kept, err = m.deleteRevoked(ctx, key, kept)
		m.forget(key.Subject)
	}
	if err == nil { // also where somebody else has deleted it
		m.forget(key.Subject)
	}
	return err
}

// deleteRevoked deletes the record as long as it holds the token revoked, though
// the caller may have left by now. It returns what is there instead.
func (m *Manager) deleteRevoked(ctx context.Context, key Key, revoked record) (record, error) {
	ctx, cancel := m.detached(ctx)
	defer cancel()
	for kept := revoked; ; {
		err := m.store.Delete(ctx, key, kept.Version)
		if !errors.Is(err, ErrConflict) {
			return record{}, err
		}
		kept, err = m.load(ctx, key, false)
		if err != nil || !kept.exists || kept.RefreshToken != revoked.RefreshToken {
			return kept, err
		}
	}
}

func (m *Manager) revoke(ctx context.Context, refreshToken string) error {
	if m.revoker == nil {
		return errNoRevoker
	}
	if refreshToken == "" {
		return nil
	}
	err := m.revoker.Revoke(ctx, refreshToken)
	if code, _ := oauthCode(err); code == codeInvalidToken {
		return nil
	}
	return err
}

var errNoRevoker = errors.New("Config.Revoker is not set")
