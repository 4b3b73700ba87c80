package risc

import (
	"encoding/json"
	"time"
)

// An Event is one of [SessionsRevoked], [TokensRevoked], [TokenRevoked],
// [AccountDisabled], [AccountEnabled], [AccountPurged],
// [CredentialChangeRequired], [Verification] and [Unknown], by value. What to do about each is told in
// https://developers.google.com/identity/protocols/risc#supported_event_types.
type Event interface{ meta() Meta }

// Meta is what all events have.
type Meta struct {
	// ID is the jti of the token that brought the event: the same in every
	// delivery, and in all events of one token, which are of different types.
	ID string

	// Audiences are the client IDs that the token is for.
	Audiences []string

	// IssuedAt is when Google made the token, by Google's clock and in whole
	// seconds. A session that seems a little younger may be older than the event:
	// compare with a minute to spare, so that none stays alive.
	//
	//	if session.Opened.Sub(event.IssuedAt) < time.Minute {
	//		session.End()
	//	}
	IssuedAt time.Time

	// Subject is the account that the event is about; zero in TokenRevoked and
	// Verification, which are about none.
	Subject Subject
}

func (m Meta) meta() Meta { return m }

// A Subject is a Google Account.
type Subject struct {
	// ID is the account's sub, as in idtoken.Profile.
	ID string

	// Email comes with some events; "" with the others.
	Email string

	// Issuer is whose ID it is.
	Issuer string
}

// SessionsRevoked: end the user's sessions.
type SessionsRevoked struct{ Meta }

// TokensRevoked: the tokens of the account were revoked. End the user's sessions
// if Google sign-in opened them, and stop using the stored tokens.
type TokensRevoked struct{ Meta }

// TokenRevoked: one refresh token was revoked. Stop using it.
type TokenRevoked struct {
	Meta

	// TokenHash tells which token: the standard base64 of the SHA-512 of the
	// SHA-512 of the token, or of its first 16 characters. MarkTokenRevoked of
	// a tokenstore.Manager takes either.
	TokenHash string
}

// AccountDisabled: do not let the user in by Google sign-in, and if the Reason is
// [Hijacking], end the user's sessions.
type AccountDisabled struct {
	Meta
	Reason Reason
}

// A Reason is why an account was disabled. It may be empty, or "bulk-account" for one
// that was made by a program.
type Reason string

// Hijacking: another person has taken the account over.
const Hijacking Reason = "hijacking"

// AccountEnabled: the account is good again.
type AccountEnabled struct{ Meta }

// AccountPurged: the account was deleted for good. Google's table of events does
// not have it; OpenID RISC 1.0 section 2.2 does, and receivers ask for it.
type AccountPurged struct{ Meta }

// CredentialChangeRequired: the account's password was perhaps found out; watch
// for suspicious activity.
type CredentialChangeRequired struct{ Meta }

// Verification is a test, asked for by the owner of the receiver.
type Verification struct {
	Meta
	State string // as it was given with the request for the event
}

// Unknown is an event of a type that this package does not know, and Google's
// documentation did not either when it was written. It is also one whose subject
// or payload makes no sense, if it came in one token with others that do.
type Unknown struct {
	Meta                    // without a Subject
	Type    string          // URI
	Payload json.RawMessage // a JSON object, or the value that is there instead
}

// The URIs of the event types.
const (
	uriSessionsRevoked          = "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked"
	uriTokensRevoked            = "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked"
	uriTokenRevoked             = "https://schemas.openid.net/secevent/oauth/event-type/token-revoked"
	uriAccountDisabled          = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
	uriAccountEnabled           = "https://schemas.openid.net/secevent/risc/event-type/account-enabled"
	uriAccountPurged            = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
	uriCredentialChangeRequired = "https://schemas.openid.net/secevent/risc/event-type/account-credential-change-required"
	uriVerification             = "https://schemas.openid.net/secevent/risc/event-type/verification"
)
