// Package tokenstore keeps the refresh tokens of users who signed in with Google,
// and turns them into access tokens from then on, also when the user is away.
//
// A [Manager] stands between the sign-in and the API calls:
//
//	grants, err := tokenstore.New(tokenstore.Config{
//		ClientID:  clientID,
//		Store:     &tokenstore.Sealed{Store: rows, Sealer: keyring},
//		Refresher: client, // an exchange.Client
//		Revoker:   client,
//	})
//	…
//	_, err = grants.SignIn(ctx, user.Subject, &tokens.Token) // ErrNeedsConsent: ask for a code with consent
//	…
//	resp, err := grants.HTTPClient(user.Subject).Get("https://www.googleapis.com/drive/v3/about?fields=user")
//	…
//	err = grants.Close(ctx) // when the server has stopped
//
// A [Store] is where grants live: package sqlstore has one for databases, package
// redisstore one for Redis, dirstore one for a directory of files; [Memory] is for
// tests. Package tokenstoretest checks one of your own. [Sealed] encrypts the
// tokens and authenticates the records for any of them, with a [Keyring] in memory
// or an [Envelope] around a KMS.
//
// # What is kept where
//
//	      SignIn        Token          MarkRevoked   Disconnect
//	        |             |                 |             |
//	+-------v-------------v-----------------v-------------v--------+
//	| memory, one entry a user                                     |
//	|   the cached access token      read without a lock           |
//	|   generation                   raised by SignIn, MarkRevoked |
//	|                                and Disconnect                |
//	|   the shared refresh           joined by callers of the same |
//	|                                generation                    |
//	|   pending writes               one rotation or refusal, one  |
//	|                                sign-in: saved in that order, |
//	|                                before the Refresher is asked |
//	|   the pause after failures                                   |
//	+-------+-------------------------------------------------+----+
//	        | Load, Save if the version is still the one read | Refresh
//	+-------v----------------------------------------+   +----v---+
//	| the Store, one record a user                   |   | Google |
//	|   refresh token, scopes, state, time of the    |   +--------+
//	|   sign-in, and access token if they are shared |
//	+------------------------------------------------+
//
// A refresh writes only if Google sent a new refresh token, refused the old one or
// reported other scopes, if access tokens are shared, and once a week.
//
// Where two things meet, this one wins:
//
//   - of two sign-ins the later one, by Google's clock (the iat of its ID token);
//     a sign-in that narrows an Active grant only if the kept refresh token no
//     longer works;
//   - a sign-in over the rotation or refusal of an earlier refresh token;
//   - a rotation over a refusal of the token that it replaced;
//   - a revocation over a refresh, and over sign-ins before it;
//   - a Disconnect over a refresh: what that brings is revoked too.
//
// # What can lose a refresh token
//
// Google hands out a refresh token when the user sees the consent screen, and
// not again. So a sign-in without one never replaces the kept one; every write
// compares the version it has read and decides anew if that is gone; and a write
// that a store does not take stays in memory until it does ([Manager.Close]). A new
// refresh token is saved before the access token that came with it is handed out.
//
// What remains: Google replaces a refresh token, and the process dies before it is
// saved or the response with the new one is lost on the way; and the process is
// killed while there are pending writes.
//
// Only the error code invalid_grant ends a grant, and only as long as the record
// still has the very token that was refused. Then the grant needs consent, the
// refresh token is not sent again, and the error is a [*ConsentError].
//
// # Errors
//
// The errors to branch on, and their status with exchange.HTTPStatus:
//
//	ErrNeedsConsent  403  ask the user to sign in with consent; a ConsentError says why
//	ErrNotFound      404  nothing is kept; from Manager.Token and SignIn it is ErrNeedsConsent too, and 403
//	ErrConflict      409  the user signed in while being disconnected; or the store never settles
//	ErrSubject       401  the ID token is another user's, or the subject cannot be one
//	ErrSealed        500  the record cannot be unsealed; it stays as it is
//	ErrKey           500  the refresh token is bound to a key, and the Refresher does not use keys
//
// Anything else is a failure for now, wrapped: the Refresher's or the store's. It
// is 503 unless the Refresher says otherwise. A [*PausedError] says until when the
// Refresher is not asked again.
//
// # Security
//
// Whoever has a refresh token acts as the user until it is revoked, so use
// [Sealed] with any store that is copied, backed up or shared. Types that hold
// tokens or keys show none of it through fmt, log/slog and encoding/json.
// [Manager.HTTPClient] sends tokens to the hosts of [Config] only.
//
// # What it does not do
//
// It does not exchange codes, verify ID tokens or retry: packages exchange and
// idtoken do. Nothing runs by the clock, but what a call has begun goes on when the
// caller leaves: a refresh, and the saving of a sign-in or of pending writes.
package tokenstore
