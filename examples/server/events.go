package main

import (
	"context"
	"errors"

	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
)

// handleEvent acts on a report about an account, as Google asks (Cross-Account
// Protection). All of it may be done twice, and late: a session or a
// grant that is younger than the event stays. After an error Google sends the event
// again. examples/risc registers the address at Google.
func (a *app) handleEvent(ctx context.Context, event risc.Event) error {
	switch e := event.(type) {
	case risc.SessionsRevoked:
		return a.db.endSessions(ctx, e.Subject.ID, e.IssuedAt)
	case risc.TokensRevoked:
		return errors.Join(a.db.endSessions(ctx, e.Subject.ID, e.IssuedAt), a.grants.MarkRevoked(ctx, e.Subject.ID, "tokens-revoked", e.IssuedAt))
	case risc.TokenRevoked: // the hash of the token says whose it is
		return a.grants.MarkTokenRevoked(ctx, e.TokenHash, "token-revoked")
	case risc.AccountDisabled:
		err := a.db.lock(ctx, e.Subject.ID, true, e.IssuedAt)
		if e.Reason == risc.Hijacking {
			err = errors.Join(err, a.db.endSessions(ctx, e.Subject.ID, e.IssuedAt))
		}
		return err
	case risc.AccountPurged:
		return errors.Join(a.db.lock(ctx, e.Subject.ID, true, e.IssuedAt), a.db.endSessions(ctx, e.Subject.ID, e.IssuedAt))
	case risc.AccountEnabled:
		return a.db.lock(ctx, e.Subject.ID, false, e.IssuedAt)
	case risc.CredentialChangeRequired:
		a.log.WarnContext(ctx, "watch this account", "subject", e.Subject.ID)
	case risc.Verification:
		a.log.InfoContext(ctx, "Google's events arrive")
	}
	return nil
}
