// Package idtoken verifies Google ID tokens: it tells a backend which Google
// Account an app, a page or a redirect has signed in, and refuses tokens that are
// forged, issued for another purpose, or too old.
//
//	verifier, err := idtoken.New(idtoken.Config{Audiences: []string{clientID}})
//	…
//	user, err := verifier.Verify(ctx, rawIDToken)
//	if err != nil {
//		// errors.Is(err, idtoken.ErrExpired) and so on; see below
//	}
//	account := accounts.BySubject(user.Subject)
//
// A [Verifier] uses the network only for Google's keys, which it fetches when the
// first token comes and keeps as long as Google allows ([RemoteKeySet]).
// Package idtokentest makes tokens for tests.
//
// # Rules
//
// The rules are Google's
// (https://developers.google.com/identity/gsi/web/guides/verify-google-id-token)
// and those of OpenID Connect Core section 3.1.3.7, RFC 7519 and RFC 8725. Where
// these leave a choice, it is the strictest that no token of Google's is known to fail.
// Form and signature are checked first, so an error about a claim is always about
// a token that Google has signed.
//
//	a token that is not empty                                          ErrNoToken          401
//	at most 16 KiB, three segments of canonical base64url,             ErrMalformed        401
//	  header and payload one JSON object each, no name twice, at
//	  most 48 members and array elements in all;
//	  header with alg RS256 and kid, typ JWT or none, without
//	  crit, b64, jwk, jku, x5u, x5c
//	signature by the key that Google publishes as kid                  ErrSignature        401
//	Google's keys can be had                                           ErrKeysUnavailable  503
//	exp is to come                                                     ErrExpired          401
//	iat and nbf have come                                              ErrNotYetValid      401
//	iss is https://accounts.google.com or accounts.google.com          ErrIssuer           401
//	aud, or each of them, is one of Config.Audiences                   ErrAudience         401
//	azp, if there, is one of Audiences, of AuthorizedParties, or       ErrAuthorizedParty  401
//	  another client of the audience's Cloud project
//	hd is one of HostedDomains, if there are any                       ErrHostedDomain     401
//	Nonce: nonce is the one given                                      ErrNonce            401
//	AccessToken: at_hash is that of the token given                    ErrAccessToken      401
//	SignedInWithin: auth_time is no longer ago                         ErrNotRecent        401
//	Methods: amr has one of those given                                ErrNotStrong        401
//	auth_time, amr are there if SignedInWithin, Methods ask for them   ErrNotSaid          403
//	sub is 1 to 255 visible ASCII characters; exp and iat are          ErrClaim            401
//	  numbers, at most 24 hours apart; nbf is a number or absent;
//	  no events; email, email_verified, name, given_name,
//	  family_name, picture, locale, hd, nonce, at_hash, auth_time
//	  and amr are of their type, null, or absent, whether they are
//	  asked for or not
//
// The last column is what to answer the client with. Every error has it, in a
// method HTTPStatus() int somewhere in its chain. A wrong claim comes as a
// [ClaimError], whose text is fit for a log: no error contains the token.
//
// Names in JSON are compared exactly: a member SUB is unknown and ignored.
// encoding/json takes it for sub, and of two members the last.
//
// # Security
//
// Store users under Profile.Subject, never under an email address; before
// matching an address with an account that exists, see
// [Profile.EmailAuthoritative].
//
// Google's keys sign more than sign-ins. A service account can get a token for any
// audience, yours too: that is why azp is checked. Security events have no exp and
// are refused here; package risc receives them.
//
// An ID token proves the user's identity to the client it was issued for. Where it
// opens a session, demand a nonce ([Nonce]); where it comes with an access token,
// bind the two ([AccessToken]).
//
// This package does not fetch tokens (see package exchange), does not verify
// tokens of other issuers, and does not ask Google whether a session has ended
// since (see package risc).
package idtoken

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
	"github.com/seed3a054f9c/googlesignin/internal/redact"
)

// A Verifier verifies ID tokens. It is safe for concurrent use; make one with
// [New] and keep it, since it holds the keys.
type Verifier struct {
	redacted // cache holds ID tokens

	rules  rules
	parser *jose.Parser
	keys   KeySource
	cache  *cache // nil: none
	now    func() time.Time
}

type redacted = redact.Form

const mediaType = "jwt" // RFC 7519 section 5.1

// New returns a Verifier. It does no I/O: Google's keys are fetched when the
// first token comes; see [Verifier.Prefetch] to have them sooner.
func New(cfg Config) (*Verifier, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{
		redacted: redacted(fmt.Sprintf("idtoken.Verifier{Audiences: %q}", cfg.Audiences)),
		rules:    newRules(cfg),
		parser:   jose.NewParser(mediaType),
		keys:     cfg.Keys,
		now:      cfg.Now,
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.keys == nil {
		remote, err := RemoteKeys(RemoteConfig{HTTPClient: cfg.HTTPClient, Now: cfg.Now})
		if err != nil {
			return nil, err
		}
		v.keys = remote
	}
	if cfg.CacheSize > 0 {
		v.cache = newCache(cfg.CacheSize)
	}
	return v, nil
}

// Prefetch makes sure that there are keys to verify with, for a readiness probe or
// before the first user comes. It calls the method Prefetch of Config.Keys, such
// as [RemoteKeySet.Prefetch], and does nothing if there is none.
func (v *Verifier) Prefetch(ctx context.Context) error {
	keys, ok := v.keys.(interface{ Prefetch(context.Context) error })
	if !ok {
		return nil
	}
	return keys.Prefetch(ctx)
}

// Verify checks that rawIDToken was signed by Google for this backend, is valid
// now, and passes the checks, and returns its claims. The rules and the errors
// are those of the table in the package documentation. ctx bounds the wait for
// keys, which few calls have to fetch.
//
// The caller owns the Profile.
func (v *Verifier) Verify(ctx context.Context, rawIDToken string, checks ...Check) (*Profile, error) {
	c, cached, err := v.signed(ctx, rawIDToken)
	if err != nil {
		return nil, err
	}
	now := v.now()
	if err := v.rules.check(c, now); err != nil {
		return nil, err
	}
	if cached {
		c.touch()
	} else {
		v.cache.put(rawIDToken, c)
	}
	for _, check := range checks {
		if check.run == nil {
			return nil, &ClaimError{Claim: "any", Want: "a Check made by a function of this package", rule: ErrClaim}
		}
		if err := check.run(c, now, v.rules.leeway); err != nil {
			return nil, err
		}
	}
	if v.cache == nil {
		return &c.Profile, nil
	}
	p := c.Profile
	p.Methods = slices.Clone(p.Methods)
	return &p, nil
}

// signed returns the claims of a token whose form and signature are good.
func (v *Verifier) signed(ctx context.Context, raw string) (c *claims, cached bool, err error) {
	if c, ok := v.cache.get(raw); ok {
		key, err := findKey(ctx, v.keys, c.keyID)
		if err != nil {
			return nil, false, err
		}
		if sameKey(key, c.key) {
			return c, true, nil
		}
	}
	if raw == "" {
		return nil, false, ErrNoToken
	}
	t, err := v.parser.Parse(raw)
	if err != nil {
		return nil, false, &refusal{ErrMalformed, err}
	}
	key, err := findKey(ctx, v.keys, t.KeyID)
	if err != nil {
		return nil, false, err
	}
	if !t.Verify(key) {
		return nil, false, ErrSignature
	}
	if c, err = readClaims(t.Claims); err != nil {
		return nil, false, err
	}
	c.keyID, c.key = t.KeyID, key
	return c, false, nil
}

// ParseUnverified returns the claims of a token whose author is unknown: it checks
// the token's form and the types of its claims, but neither signature nor issuer,
// audience or time. It is for a token received straight from Google's token
// endpoint over TLS only. Anyone can write a token about any user and send it
// through an app or a browser.
func ParseUnverified(rawIDToken string) (*Profile, error) {
	if rawIDToken == "" {
		return nil, ErrNoToken
	}
	t, err := jose.NewParser(mediaType).Parse(rawIDToken)
	if err != nil {
		return nil, &refusal{ErrMalformed, err}
	}
	c, err := readClaims(t.Claims)
	if err != nil {
		return nil, err
	}
	return &c.Profile, nil
}
