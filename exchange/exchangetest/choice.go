package exchangetest

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// A Choice is what a user does on the pages of the authorization endpoint.
type Choice struct {
	// User is the account chosen, by subject or email address. Default: the
	// login_hint, or the first account of those that hd admits.
	User string

	// Declined are scopes unticked on the consent screen. That takes back
	// nothing that the user has granted before; see [CodeRequest].
	Declined []string

	// Deny is to press Cancel on the consent screen.
	Deny bool
}

// Authorize goes through the authorization pages as a user with a browser
// would, starting at the address that the app under test sends its users to. It
// returns the address that the browser is sent back to, with the code and state
// or with error=access_denied or interaction_required in its query; or an error
// where Google would show one and never return to the app, or where the pages do
// not let the user make the Choice: no chooser is shown to a user who is known by
// login_hint, nor Cancel to one who has granted all of it before. None of this
// passes through HTTP: it is not in the log, and no fault can befall it.
func (s *Server) Authorize(authURL string, c Choice) (callback *url.URL, err error) {
	at, err := url.Parse(authURL)
	if err != nil {
		return nil, errors.New("exchangetest: authURL is not a URL")
	}
	if to := s.routes[at.Path]; to.endpoint != AuthEndpoint {
		return nil, fmt.Errorf("exchangetest: %s is not the authorization endpoint", at.Path)
	}
	to, err := s.walk(at.RawQuery, c)
	if err != nil {
		return nil, fmt.Errorf("exchangetest: %w", err)
	}
	return url.Parse(to)
}

func (s *Server) walk(query string, c Choice) (string, error) {
	a, no := s.parseAuth(query)
	if no != nil {
		return "", no
	}
	u := a.account(s.ledger.users)
	next, no := s.next(a, u)
	if no == nil && next == askAccount {
		if u = a.choose(s.ledger.users, c.User); u == nil {
			return "", fmt.Errorf("no account to choose: user %q, hd %q", c.User, a.hostedDomain)
		}
		next, no = s.next(a, u)
	}
	switch {
	case no != nil:
		return "", no
	case next == giveUp:
		return s.fail(a, "interaction_required"), nil
	case c.User != "" && !u.isNamed(c.User):
		return "", fmt.Errorf("no page on which to choose %s: it is %s who signs in", c.User, u.Email)
	case c.Deny && next != askConsent:
		return "", fmt.Errorf("no page with Cancel: %s has granted all of it before", u.Email)
	case c.Deny:
		return s.fail(a, "access_denied"), nil
	}
	return s.finish(a, u, scope.Set(c.Declined...))
}
