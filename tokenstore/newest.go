package tokenstore

import (
	"slices"
	"time"
)

// Which of two sign-ins is the newer one is not for the clocks of two machines to
// say, if anything better can. A record tells which sign-in it goes back to, whose
// record that replaced, and whether it had to wait for the store.

// weighSignIn decides about a sign-in that the store has failed, but may have
// taken all the same. What has replaced it, or its former record, came later and
// wins. So does another sign-in that has replaced that very record, unless it was
// saved late: then it may have come in earlier, and the clocks decide, as they do
// where nobody knows the former record.
func (n *news) weighSignIn(kept record, now time.Time) verdict {
	switch {
	case kept.origin == n.origin,
		kept.exists && kept.origin == "" && kept.RefreshToken == n.answer.refreshToken:
		return known
	case n.taken(kept):
		return superseded
	case kept.exists && slices.Contains(n.older, kept.origin):
		return needed
	case n.before != nil && kept.same(*n.before):
		return needed
	case n.before != nil && !(kept.besides(*n.before) && kept.late):
		return superseded
	case kept.exists && n.precedes(kept.signedIn, now):
		return superseded
	}
	return needed
}

// taken tells whether the store has taken the sign-in, as kept shows. It may have
// said something else: a client of the store that sends again what got no answer
// meets a conflict with its own write.
func (n *news) taken(kept record) bool {
	return kept.origin == n.origin || kept.replaced == n.origin
}

// outrun tells whether several others have signed in between two tries: one may
// just have been quicker, but then another came after it.
func (n *news) outrun(kept record) bool {
	return n.before != nil && kept.origin != "" && !kept.same(*n.before) && !kept.besides(*n.before)
}

// same tells whether nobody has signed in, or disconnected, since before.
func (r record) same(before record) bool {
	return r.exists == before.exists && (!r.exists || r.sameOrigin(before.Grant))
}

// besides tells whether r is known to be of a sign-in that replaced before.
func (r record) besides(before record) bool {
	return r.exists && r.origin != "" && r.replaced == before.origin && before.exists == (before.origin != "")
}

const (
	// clockError is how far the clocks of two processes may be apart.
	clockError = 10 * time.Minute

	// futureError is how far a time may be ahead of now and be taken for one
	// that has been.
	futureError = 30 * time.Second
)

// precedes tells whether a sign-in at that time, by some other clock, is known
// to have come after n. Where the two are closer than clocks are reliable, a
// time that is still to come shows that these clocks are not. What is not known
// is decided for the token at hand, which nobody else has.
func (n *news) precedes(other, now time.Time) bool {
	later := other.Sub(n.at)
	return later > clockError || later > 0 && other.Sub(now) <= futureError
}
