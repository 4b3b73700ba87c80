package main

import (
	"context"
	"log"

	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
)

// handle does about each event what Google asks for in its table of event types.
// Everything here may be done twice, and late: what has happened since the event
// is not undone. An error has Google deliver the event again.
func (b *backend) handle(ctx context.Context, event risc.Event) error {
	switch e := event.(type) {
	case risc.SessionsRevoked:
		b.sessions.endAll(e.Subject.ID, e.IssuedAt)
	case risc.TokensRevoked:
		b.sessions.endAll(e.Subject.ID, e.IssuedAt)
		return b.grants.MarkRevoked(ctx, e.Subject.ID, "tokens-revoked", e.IssuedAt)
	case risc.TokenRevoked: // Google tells the token's hash, and not whose it is
		return b.grants.MarkTokenRevoked(ctx, e.TokenHash, "token-revoked")
	case risc.AccountDisabled:
		b.sessions.lock(e.Subject.ID, true, e.IssuedAt)
		if e.Reason == risc.Hijacking {
			b.sessions.endAll(e.Subject.ID, e.IssuedAt)
		}
	case risc.AccountPurged:
		b.sessions.lock(e.Subject.ID, true, e.IssuedAt)
		b.sessions.endAll(e.Subject.ID, e.IssuedAt)
	case risc.AccountEnabled:
		b.sessions.lock(e.Subject.ID, false, e.IssuedAt)
	case risc.CredentialChangeRequired:
		log.Printf("watch the account %s", e.Subject.ID)
	case risc.Verification:
		log.Print("Google can reach us")
		if b.stream != nil {
			b.stream.Arrived(e)
		}
	case risc.Unknown:
		log.Printf("an event of type %q", e.Type)
	}
	return nil
}
