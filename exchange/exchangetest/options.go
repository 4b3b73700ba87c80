package exchangetest

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
)

// Options say who may sign in with what, and how the server behaves where
// Google's behaviour varies or is not known. The zero value is useful: one web
// client, two users, the system's clock, and the stricter choice everywhere.
type Options struct {
	// Users can sign in. Default: jane.doe@gmail.com, and john.roe@example.com
	// whose organization example.com is hosted by Google.
	Users []User

	// Clients are the OAuth clients that may ask. Default: one web client
	// without redirect URIs, as a backend for apps has.
	Clients []Client

	// Now is the clock of the server and its tokens; nil means time.Now.
	// [Server.Advance] moves it on.
	Now func() time.Time

	// Issuer signs the ID tokens. If nil, [idtokentest.NewSharedIssuer] is used: such
	// servers have the same key, and the ID token of one is good at another.
	Issuer *idtokentest.Issuer

	// OwnIssuer makes the server's URL the issuer, in place of
	// https://accounts.google.com: for libraries that look for the discovery
	// document at the issuer and cannot be given [Server.Client]. It excludes
	// Issuer, which has a URL of its own.
	OwnIssuer bool

	// AccessTokenLifetime is how long access tokens and ID tokens are good;
	// default 1 hour.
	AccessTokenLifetime time.Duration

	// Testing is a Cloud project whose publishing status is Testing: a refresh
	// token ends after 7 days, unless it is for openid, email and profile only.
	Testing bool

	// AuthClaims is an app that is In production and Verified, with "Session age
	// claims" and "Authentication strength claims" switched on in the console: its
	// ID tokens have auth_time and amr where the sign-in asks for them
	// (https://developers.google.com/identity/siwg/security-bundle). The ID token of
	// a refresh has neither: whether Google's has is not known. By default no ID
	// token has them.
	AuthClaims bool

	// RotateRefreshTokens makes each refresh return a new refresh token and end
	// the old one. Google does not do this today; RFC 6749 section 6 allows it.
	RotateRefreshTokens bool

	// RequireDPoP refuses a token request without a DPoP proof (RFC 9449). By default
	// a request may have one, and a refresh token that was issued with a proof needs
	// one with the same key ever after. A proof must have a nonce, which the server
	// gives, and at the exchange of a code the hash of the code as its jti. RSA keys,
	// which Google takes but discourages, are refused
	// (https://developers.google.com/identity/protocols/oauth2/resources/dpop-adoption).
	RequireDPoP bool

	// RandomProofIDs takes a proof at the exchange of a code whose jti is not the
	// hash of the code. Whether Google does is not known.
	RandomProofIDs bool

	// OmitCallbackIssuer leaves iss (RFC 9207) out of the redirects back to the app.
	// Google has sent it since early 2026.
	OmitCallbackIssuer bool

	// OmitIssuerSupport leaves authorization_response_iss_parameter_supported out of
	// the discovery document. Google has announced it since September 2026, months
	// after it began to send iss.
	OmitIssuerSupport bool

	// KeepFailedCodes lets a code be tried again after a wrong client,
	// redirect_uri or code_verifier. By default the first wrong try ends it.
	KeepFailedCodes bool

	// KeepReusedTokens lets the tokens issued for a code live on when the code
	// is presented again. By default they end, as RFC 6749 section 4.1.2 says
	// they should.
	KeepReusedTokens bool
}

// Validate returns an error if NewServer would panic: the Options contradict
// themselves, or a client has a redirect URI or a JavaScript origin that Google's console does not
// register.
func (o Options) Validate() error {
	if o.Issuer != nil && o.OwnIssuer {
		return errors.New("exchangetest: Options has both Issuer and OwnIssuer")
	}
	o = o.withDefaults()
	var users []*user
	for _, u := range o.Users {
		if u.Email == "" {
			return errors.New("exchangetest: a User without Email")
		}
		u.Subject = cmp.Or(u.Subject, subjectOf(u.Email))
		if find(users, u.Subject) != nil || find(users, u.Email) != nil {
			return fmt.Errorf("exchangetest: two users %s", u.Email)
		}
		users = append(users, newUser(u))
	}
	ids := make(map[string]bool)
	for n, c := range o.Clients {
		c = c.withDefaults(n)
		if ids[c.ID] {
			return fmt.Errorf("exchangetest: two clients %s", c.ID)
		}
		ids[c.ID] = true
		for _, uri := range c.RedirectURIs {
			if err := c.mayRegister(uri); err != nil {
				return fmt.Errorf("exchangetest: client %s: redirect URI %q %w", c.ID, uri, err)
			}
		}
		for _, origin := range c.JavaScriptOrigins {
			if err := c.mayRegisterOrigin(origin); err != nil {
				return fmt.Errorf("exchangetest: client %s: JavaScript origin %q %w", c.ID, origin, err)
			}
		}
	}
	return nil
}

func (o Options) withDefaults() Options {
	if len(o.Users) == 0 {
		o.Users = defaultUsers()
	}
	if len(o.Clients) == 0 {
		o.Clients = []Client{{}}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AccessTokenLifetime == 0 {
		o.AccessTokenLifetime = time.Hour
	}
	return o
}
