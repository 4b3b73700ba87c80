package tokenstore

import (
	"context"
	"time"
)

// Health is what the Store knows about a user's grant, without a secret: for a
// page that shows the user the connected account, or for support.
type Health struct {
	// State and Reason say whether the user needs to give consent, and why. That
	// Google has ended a grant shows at its next refresh.
	State  State
	Reason string
	// Missing are the scopes asked for that the grant does not have.
	Missing []string
	// Expiry is when the refresh token ends. If zero, no end was announced.
	Expiry time.Time
	// CreatedAt is when the user was first kept.
	CreatedAt time.Time
	// LastUsed is when Google last accepted the refresh token, exact to a week. If
	// zero, that is not known. Google drops a refresh token that was not used for
	// six months: see [Manager.Sweep].
	LastUsed time.Time
}

// Health returns the state of the user's grant, and which of scopes it lacks. It
// reads the record and asks nobody else. None: [ErrNotFound].
func (m *Manager) Health(ctx context.Context, subject string, scopes ...string) (Health, error) {
	u, err := m.acquire(subject)
	if err != nil {
		return Health{}, err
	}
	defer m.release(u)
	g, err := m.load(ctx, u)
	if err != nil {
		return Health{}, failedForNow("loading the grant of", u.subject, err)
	}
	return Health{
		State:     g.State,
		Reason:    g.Reason,
		Missing:   g.Missing(scopes...),
		Expiry:    g.RefreshTokenExpiry,
		CreatedAt: g.CreatedAt,
		LastUsed:  g.RefreshedAt,
	}, nil
}
