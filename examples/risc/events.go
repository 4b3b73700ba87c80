package main

import (
	"context"
	"log"

	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
)

// handle does about each event what Google asks for in its table of event types.
// Everything here may be done twice. An error has Google deliver the event again.
func (b *backend) handle(ctx context.Context, event risc.Event) error {
	switch e := event.(type) {
	case risc.SessionsRevoked:
		b.sessions.endAll(e.Subject.ID)
	case risc.TokensRevoked:
		b.sessions.endAll(e.Subject.ID)
		return b.grants.Revoked(ctx, e.Subject.ID, "tokens-revoked")
	case risc.TokenRevoked: // Google tells the token's hash, and not whose it is
		return b.grants.RevokedToken(ctx, e.TokenHash, "token-revoked")
	case risc.AccountDisabled:
		b.sessions.lock(e.Subject.ID)
		if e.Reason == risc.Hijacking {
			b.sessions.endAll(e.Subject.ID)
		}
	case risc.AccountEnabled:
		b.sessions.unlock(e.Subject.ID)
	case risc.CredentialChangeRequired:
		log.Printf("watch the account %s", e.Subject.ID)
	case risc.Verification:
		log.Printf("Google can reach us: state %q", e.State)
	case risc.Unknown:
		log.Printf("an event of type %q", e.Type)
	}
	return nil
}
