package tokenstore

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/seed3a054f9c/googlesignin/internal/redact/redactoauth"
)

// Stats counts what a Manager has done since New. Export them as counters,
// Cached as a gauge, and Unsaved as a gauge with an alarm.
type Stats struct {
	SignIns uint64 // sign-ins kept, with or without a new refresh token

	// Calls of the Refresher by outcome.
	Refreshed uint64 // an access token
	Rotated   uint64 // of those, with a new refresh token
	Refused   uint64 // the refresh token is refused for good: consent needed
	Failed    uint64 // anything else

	Adopted  uint64 // access tokens taken from the store, with ShareAccessTokens
	Replayed uint64 // requests of an HTTPClient that were sent again after a 401

	// Cached is how many users are in memory, mostly with an access token; those
	// included whose token has expired and who have not been removed yet.
	Cached int

	// Unsaved is for how many users the Store has not taken what is new: see
	// [Manager.Flush].
	Unsaved int
}

type counters struct {
	signIns, refreshed, rotated, refused, failed, adopted, replayed atomic.Uint64
}

// Stats returns the counts as they are now.
func (m *Manager) Stats() Stats {
	total, pending := m.users.size()
	return Stats{
		SignIns:   m.stats.signIns.Load(),
		Refreshed: m.stats.refreshed.Load(),
		Rotated:   m.stats.rotated.Load(),
		Refused:   m.stats.refused.Load(),
		Failed:    m.stats.failed.Load(),
		Adopted:   m.stats.adopted.Load(),
		Replayed:  m.stats.replayed.Load(),
		Cached:    total,
		Unsaved:   pending,
	}
}

// event logs one of the messages that Config.Logger lists.
func (m *Manager) event(ctx context.Context, level slog.Level, name, subject string, attrs ...slog.Attr) {
	if !m.config.Logger.Enabled(ctx, level) {
		return
	}
	attrs = append(attrs, slog.String("client_id", m.config.ClientID), slog.String("subject", subject))
	m.config.Logger.LogAttrs(ctx, level, name, attrs...)
}

// errorAttr is the text of an error without a response body in it.
func errorAttr(err error) slog.Attr {
	return slog.String("error", redactoauth.WithoutBody(err).Error())
}
