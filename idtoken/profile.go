package idtoken

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/internal/jose"
)

// A Profile is the claims of an ID token, about the user and about the token. An
// empty string or a zero time is a claim that the token does not carry; Google
// promises none of the profile and email claims
// (https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload).
type Profile struct {
	// Subject (sub) identifies the Google Account: up to 255 printable ASCII
	// characters, case-sensitive, never reused. It is the only key under which
	// to store a user; an email address changes hands.
	Subject string

	// Email is for display and correspondence. It is no identity: see
	// EmailAuthoritative before you match it with an account.
	Email         string
	EmailVerified bool

	Name       string
	GivenName  string
	FamilyName string
	Picture    string // URL
	Locale     string // BCP 47; recent tokens have none

	// HostedDomain (hd) is the domain of the Google Workspace or Cloud
	// organization that owns the account; empty for personal accounts.
	HostedDomain string

	Issuer          string
	Audience        string // aud; of several, the first
	AuthorizedParty string // azp: the client that asked for the token, such as the iOS app
	Nonce           string

	IssuedAt time.Time
	Expiry   time.Time

	// AuthTime (auth_time) is when the user last signed in at Google in that
	// browser or device, and Methods (amr) is how. Zero and nil: Google does not
	// say, which means neither old nor weak. See [SignedInWithin] and [Methods].
	AuthTime time.Time
	Methods  []string

	claims *jose.Object // a pointer, so that printing a Profile prints each claim once
}

// EmailAuthoritative reports whether Google is authoritative for Email, so that
// it may be matched with an account of the same address: a Gmail address, or a
// verified one in an organization that Google hosts. Any other address may have
// changed hands since Google verified it; ask the user for another proof
// (https://developers.google.com/identity/gsi/web/guides/verify-google-id-token#using-the-email).
func (p *Profile) EmailAuthoritative() bool {
	at := strings.LastIndexByte(p.Email, '@')
	if at < 1 {
		return false
	}
	return strings.EqualFold(p.Email[at+1:], "gmail.com") ||
		p.EmailVerified && p.HostedDomain != ""
}

// Claims returns all claims of the token by their exact names, each in the JSON of
// the token. The caller owns the map. It is nil for a Profile that did not come
// from this package, such as one read back from JSON.
func (p *Profile) Claims() map[string]json.RawMessage {
	if p.claims == nil {
		return nil
	}
	claims := make(map[string]json.RawMessage, len(*p.claims))
	for _, m := range *p.claims {
		claims[m.Name] = json.RawMessage(m.Value)
	}
	return claims
}
