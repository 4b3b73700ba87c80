package tokenstore

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// MarkRevoked notes that the user's grant was revoked at that time, as a
// Cross-Account Protection event says: the grant needs consent from then on, for
// that reason, and the cached access token is dropped. The refresh token stays in
// the record, so that [Manager.Disconnect] can still revoke it. If at is zero, the
// grant that is kept now was revoked. If nothing is kept there is nothing to do.
//
// Events may come late, again and out of order: one from before the sign-in that
// is kept is about an older grant, and changes nothing. If the time of that
// sign-in is not by Google's clock, because no ID token came with it, at may be
// up to a minute earlier.
//
// A reason is up to 64 lower-case letters, digits, hyphens and underscores;
// if it is anything else, [ReasonRevoked] is used.
func (m *Manager) MarkRevoked(ctx context.Context, subject, reason string, at time.Time) error {
	return m.revoked(ctx, subject, reason, func(g Grant) bool {
		signedIn := g.lineage.at
		if !g.lineage.byGoogle {
			signedIn = signedIn.Add(-time.Minute)
		}
		return at.IsZero() || !at.Before(signedIn)
	})
}

// MarkTokenRevoked is [Manager.MarkRevoked] for the grant whose refresh token has
// that hash, as Google's token-revoked events give it: see [TokenHash].
// A grant that has another refresh token by now stays as it is. It needs a Store that
// is a [Finder]: otherwise the error is [errors.ErrUnsupported]. An event that is
// delivered again does no harm.
func (m *Manager) MarkTokenRevoked(ctx context.Context, tokenHash, reason string) error {
	finder, ok := m.config.Store.(Finder)
	if !ok {
		return &failure{"finding a token", errors.ErrUnsupported}
	}
	tokenHash = strings.Clone(tokenHash)
	hasToken := func(g Grant) bool { return slices.Contains(g.Hashes(), tokenHash) }
	for key, err := range finder.Find(ctx, tokenHash) {
		if err != nil {
			return &unavailable{failure{"finding a token", err}}
		}
		if key.ClientID != m.config.ClientID {
			continue
		}
		if err := m.revoked(ctx, key.Subject, reason, hasToken); err != nil {
			return err
		}
	}
	return nil
}

// revoked notes a revocation of the grant that is kept, if it is about that.
func (m *Manager) revoked(ctx context.Context, subject, reason string, about func(Grant) bool) error {
	u, err := m.acquire(subject)
	if err != nil {
		return err
	}
	defer m.release(u)
	defer m.forget(u)
	if err := m.settle(ctx, u); err != nil && !errors.Is(err, ErrNeedsConsent) {
		return err
	}
	if !isReason(reason) {
		reason = ReasonRevoked
	}
	reason = strings.Clone(reason)
	var first *record
	g, err := m.update(ctx, u, nil, func(kept *record) (Grant, error) {
		if first == nil {
			first = kept
		}
		switch {
		case kept.unopened != nil:
			return Grant{}, kept.unopened
		case !kept.exists || kept.State == NeedsConsent && kept.told,
			!sameLineage(kept.Grant, first.Grant) || !about(kept.Grant):
			return Grant{}, errKnown // or about another grant
		}
		g := withoutAccessToken(kept.Grant)
		g.State, g.Reason, g.told, g.UpdatedAt = NeedsConsent, reason, true, m.now()
		return g, nil
	})
	if err != nil {
		return failedForNow("noting the revocation of", u.subject, err)
	}
	if g.told { // something is kept, and the revocation is about that
		m.event(ctx, slog.LevelInfo, "tokenstore.revoked", u.subject, slog.String("reason", reason))
	}
	return nil
}

// Disconnect revokes the user's grant at Google and then deletes the record.
// Google then removes every scope the user has granted to the whole Cloud
// project, for all of its clients
// (https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke);
// to end a session is no reason to disconnect.
//
// If the revocation fails, the record stays and the error says why: call again.
// A token that Google no longer knows counts as revoked. If the user signs in
// at the same time, the newer grant stays and the error is [ErrConflict]. If
// nothing is kept there is nothing to do. A record that cannot be unsealed cannot
// be revoked either: [ErrSealed]; to drop it, delete it in the Store.
//
// This process forgets the user's access token at once. Another one serves its own
// for up to an hour, or a minute with [Config].ShareAccessTokens; Google's APIs
// refuse it before.
func (m *Manager) Disconnect(ctx context.Context, subject string) error {
	u, err := m.acquire(subject)
	if err != nil {
		return err
	}
	defer m.release(u)
	if err := m.settle(ctx, u); err != nil && !errors.Is(err, ErrNeedsConsent) {
		return err
	}
	if err := m.revokeAndDelete(ctx, u); err != nil {
		return failedForNow("disconnecting", u.subject, err)
	}
	m.event(ctx, slog.LevelInfo, "tokenstore.disconnected", u.subject)
	return nil
}

// revokeAndDelete revokes and deletes the kept grant, also if it is rotated at the
// same time, but no newer sign-in. Once it has revoked, it goes on when the caller
// leaves.
func (m *Manager) revokeAndDelete(ctx context.Context, u *user) error {
	first, err := m.loadKept(ctx, u)
	var revoked *record
	for kept := first; ; {
		switch {
		case err != nil:
			return err
		case kept.unopened != nil:
			return kept.unopened
		case !kept.exists: // also if another process has deleted it
			m.forget(u)
			return nil
		case !sameLineage(kept.Grant, first.Grant):
			return ErrConflict
		}
		if revoked == nil || revoked.RefreshToken != kept.RefreshToken {
			if err := m.revoke(ctx, kept.RefreshToken); err != nil {
				return err
			}
			m.refused.Add(kept.RefreshToken, kept.lineage.id, ReasonRevoked)
			if revoked == nil {
				var cancel context.CancelFunc
				ctx, cancel = m.detached()
				defer cancel()
			}
			revoked = &record{Grant: kept.Grant}
		}
		m.forget(u)
		err = m.config.Store.Delete(ctx, m.key(u.subject), kept.Version)
		if err == nil {
			kept = record{}
		} else if errors.Is(err, ErrConflict) {
			kept, err = m.loadKept(ctx, u)
		}
	}
}

func (m *Manager) revoke(ctx context.Context, refreshToken string) error {
	if m.config.Revoker == nil {
		return errors.New("Config.Revoker is not set")
	}
	if refreshToken == "" {
		return nil
	}
	err := m.config.Revoker.Revoke(ctx, refreshToken)
	if code, _ := oauthCode(err); code == "invalid_token" { // RFC 7009 section 2.2.1
		return nil
	}
	return err
}
