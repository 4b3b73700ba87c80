package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// Import keeps a grant that other software had, so that its user need not sign in
// again. It reports whether that grant is now the kept one: Import never replaces
// a record, which is newer, and it does no harm to import the same grant twice.
//
// Of g it takes RefreshToken, Scopes, RefreshTokenExpiry, CreatedAt and
// RefreshedAt; the rest is left out. Scopes must be those that Google granted. If
// only those that were asked for are known, leave Scopes nil: the first refresh
// fills them in. Without a refresh token the error is a [*ConsentError].
//
// The refresh token must have been issued to the Manager's OAuth client. Import
// does not ask Google: that the token is refused shows at the first refresh.
//
// subject is Google's sub. Some software keeps the user's e-mail address in its
// place, which may be another user's tomorrow: the error is [ErrSubject].
func (m *Manager) Import(ctx context.Context, subject string, g Grant) (kept bool, err error) {
	u, err := m.acquire(subject)
	if err != nil {
		return false, err
	}
	defer m.release(u)
	switch {
	case strings.Contains(subject, "@"):
		return false, failed("importing the grant of", u.subject, fmt.Errorf("%w: it is an e-mail address", ErrSubject))
	case g.RefreshToken == "":
		return false, needsConsent(u.subject, ReasonNone)
	}
	if err := m.settle(ctx, u); err != nil { // a pending sign-in is newer
		return false, err
	}
	kept, err = m.create(ctx, u, m.imported(g))
	if err != nil {
		return false, failedForNow("importing the grant of", u.subject, err)
	}
	return kept, nil
}

// imported returns the record of an imported grant.
func (m *Manager) imported(g Grant) Grant {
	now := m.now()
	record := Grant{
		RefreshToken:       strings.Clone(g.RefreshToken),
		RefreshTokenExpiry: g.RefreshTokenExpiry,
		CreatedAt:          g.CreatedAt,
		RefreshedAt:        g.RefreshedAt,
		UpdatedAt:          now,
	}
	if record.CreatedAt.IsZero() {
		record.CreatedAt = now
	}
	if g.Scopes != nil {
		record.Scopes = scope.Parse(strings.Clone(strings.Join(g.Scopes, " ")))
	}
	return record
}

// create saves g if there is no record, and reports whether the record has its
// refresh token.
func (m *Manager) create(ctx context.Context, u *user, g Grant) (kept bool, err error) {
	for range maxConflicts {
		_, err := m.store.Save(ctx, m.key(u.subject), g)
		if err == nil {
			u.forget() // that nothing was kept
			m.event(ctx, slog.LevelInfo, eventImported, u.subject)
			return true, nil
		}
		if !errors.Is(err, ErrConflict) {
			return false, err
		}
		there, err := m.load(ctx, u)
		if !errors.Is(err, ErrNotFound) {
			if errors.Is(err, ErrSealed) {
				err = nil // another grant, as far as is known
			}
			return err == nil && there.RefreshToken == g.RefreshToken, err
		}
	}
	return false, ErrConflict
}
