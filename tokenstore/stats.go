package tokenstore

import "sync/atomic"

// Stats counts what a Manager has done since New. Export them as counters,
// Cached as a gauge, and Unsaved as a gauge with an alarm.
type Stats struct {
	SignIns uint64 // sign-ins kept, with or without a new refresh token

	// Calls of the Refresher by outcome.
	Refreshed uint64 // an access token
	Rotated   uint64 // of those, with a new refresh token
	Refused   uint64 // the refresh token is dead: consent needed
	Failed    uint64 // anything else

	Adopted  uint64 // access tokens taken from the store, with ShareAccessTokens
	Replayed uint64 // requests of an HTTPClient that were sent again after a 401

	// Cached is how many access tokens are in memory, those included that have
	// expired and are not evicted yet.
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
	return Stats{
		SignIns:   m.stats.signIns.Load(),
		Refreshed: m.stats.refreshed.Load(),
		Rotated:   m.stats.rotated.Load(),
		Refused:   m.stats.refused.Load(),
		Failed:    m.stats.failed.Load(),
		Adopted:   m.stats.adopted.Load(),
		Replayed:  m.stats.replayed.Load(),
		Cached:    m.cache.size(),
		Unsaved:   m.unsaved.size(),
	}
}
