package idtoken

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxLifetime is what Google's own libraries allow; its tokens live an hour.
const maxLifetime = 24 * time.Hour

// rules is what one backend accepts.
type rules struct {
	audiences []string
	parties   []string // beside audiences
	domains   []string
	leeway    time.Duration
}

func newRules(cfg Config) rules {
	r := rules{
		audiences: slices.Clone(cfg.Audiences),
		parties:   slices.Clone(cfg.AuthorizedParties),
		domains:   slices.Clone(cfg.HostedDomains),
		leeway:    cfg.Leeway,
	}
	if r.leeway == 0 {
		r.leeway = defaultLeeway
	}
	return r
}

func (r *rules) check(c *claims, now time.Time) error {
	if err := r.checkIssuer(c); err != nil {
		return err
	}
	if err := r.checkAudience(c); err != nil {
		return err
	}
	if err := r.checkAuthorizedParty(c); err != nil {
		return err
	}
	if err := r.checkTimes(c, now); err != nil {
		return err
	}
	return r.checkHostedDomain(c)
}

// checkIssuer accepts Google's two spellings. With a slash at the end it is the
// issuer of security events.
func (r *rules) checkIssuer(c *claims) error {
	if c.Issuer != "https://accounts.google.com" && c.Issuer != "accounts.google.com" {
		return claimError("iss", c.Issuer, "https://accounts.google.com or accounts.google.com", ErrIssuer)
	}
	return nil
}

func (r *rules) checkAudience(c *claims) error {
	if len(c.audiences) == 0 {
		return claimError("aud", "", oneOf(r.audiences), ErrAudience)
	}
	for _, aud := range c.audiences {
		if !slices.Contains(r.audiences, aud) {
			return claimError("aud", aud, oneOf(r.audiences), ErrAudience)
		}
	}
	return nil
}

// checkAuthorizedParty refuses tokens that another party has requested for this
// audience: a service account may choose any (see the package documentation).
func (r *rules) checkAuthorizedParty(c *claims) error {
	azp := c.AuthorizedParty
	if azp == "" || slices.Contains(r.audiences, azp) || slices.Contains(r.parties, azp) {
		return nil
	}
	for _, aud := range c.audiences {
		if sameProject(aud, azp) {
			return nil
		}
	}
	return claimError("azp", azp, "a client of the audience's project, or "+oneOf(slices.Concat(r.audiences, r.parties)), ErrAuthorizedParty)
}

// sameProject reports whether two client IDs belong to one Cloud project. They
// look like 1234567890-abc.apps.googleusercontent.com, or without -abc for an
// older client, where 1234567890 is the number of the project. The domain is
// compared too, because the email address of a service account can begin with
// the same number.
func sameProject(a, b string) bool {
	numberA, domainA, ok := project(a)
	numberB, domainB, _ := project(b)
	return ok && numberA == numberB && domainA == domainB
}

func project(clientID string) (number, domain string, ok bool) {
	name, domain, _ := strings.Cut(clientID, ".")
	number, _, _ = strings.Cut(name, "-")
	return number, domain, domain != "" && number != "" && strings.Trim(number, "0123456789") == ""
}

func (r *rules) checkTimes(c *claims, now time.Time) error {
	if limit := now.Add(-r.leeway); !c.Expiry.After(limit) {
		return claimError("exp", stamp(c.Expiry), "after "+stamp(limit), ErrExpired)
	}
	if lifetime := c.Expiry.Sub(c.IssuedAt); lifetime <= 0 || lifetime > maxLifetime {
		return claimError("exp", stamp(c.Expiry), "after iat, "+stamp(c.IssuedAt)+", by at most 24 hours", ErrClaim)
	}
	limit := now.Add(r.leeway)
	if c.IssuedAt.After(limit) {
		return claimError("iat", stamp(c.IssuedAt), "at latest "+stamp(limit), ErrNotYetValid)
	}
	if c.notBefore.After(limit) {
		return claimError("nbf", stamp(c.notBefore), "at latest "+stamp(limit), ErrNotYetValid)
	}
	return nil
}

func (r *rules) checkHostedDomain(c *claims) error {
	if len(r.domains) == 0 {
		return nil
	}
	for _, domain := range r.domains {
		if c.HostedDomain != "" && (domain == "*" || strings.EqualFold(domain, c.HostedDomain)) {
			return nil
		}
	}
	want := oneOf(r.domains)
	if slices.Contains(r.domains, "*") {
		want = "of any Google Workspace domain"
	}
	return claimError("hd", c.HostedDomain, want, ErrHostedDomain)
}

func claimError(name, got, want string, rule error) error {
	if got != "" {
		quoted, _ := json.Marshal(shorten(got)) // a string always can be
		got = printable(string(quoted))
	}
	return &ClaimError{Claim: name, Got: got, Want: want, rule: rule}
}

func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("one of %q", names)
}

// stamp has the fraction of a second, if there is one: it may be what is wrong.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
