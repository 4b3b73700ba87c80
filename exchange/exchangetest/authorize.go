package exchangetest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// Where the forms of the pages go.
const (
	accountPath = "/signin/account"
	consentPath = "/signin/consent"
)

// A Choice is the user's part on the pages of the authorization endpoint.
type Choice struct {
	// User is the account chosen, by subject or email address. Default: the
	// login_hint, or the first account of those that hd admits.
	User string

	// Declined are scopes unticked on the consent screen. That takes back
	// nothing that the user has granted before; see [CodeRequest].
	Declined []string

	// Deny presses Cancel on the consent screen.
	Deny bool
}

// Authorize goes through the authorization pages as a user with a browser does,
// from the address to which the app under test sends its users. It returns the
// address to which the browser is sent back: with code and state, or with the error
// access_denied, interaction_required or policy_enforced.
//
// It fails where Google shows an error and does not return to the app, and where
// the pages do not offer the Choice: a user who is known by login_hint sees no
// chooser, and one who has granted everything before sees no Cancel. Authorize uses
// no HTTP: it is not in the log, and no fault affects it. The address of a popup of
// Google's page script comes back as Google's own storagerelay URL.
func (s *Server) Authorize(authURL string, c Choice) (callback *url.URL, err error) {
	at, err := url.Parse(authURL)
	if err != nil {
		return nil, errors.New("exchangetest: authURL is not a URL")
	}
	if to := s.routes[at.Path]; to.endpoint != AuthEndpoint || isSelect(at.Path) {
		return nil, fmt.Errorf("exchangetest: %s is not the authorization endpoint", at.Path)
	}
	to, err := s.walk(at.Path, at.RawQuery, c)
	if err != nil {
		return nil, fmt.Errorf("exchangetest: %w", err)
	}
	return url.Parse(to)
}

// walk returns the address to which the pages send the browser back.
func (s *Server) walk(path, query string, c Choice) (string, error) {
	a, no := s.parseAuth(path, query)
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
	case next == refuseInteraction:
		return s.fail(a, "interaction_required"), nil
	case next == refusePolicy:
		return s.fail(a, "policy_enforced"), nil
	case c.User != "" && !u.isNamed(c.User):
		return "", fmt.Errorf("no page on which to choose %s: it is %s who signs in", c.User, u.profile().Email)
	case c.Deny && next != askConsent:
		return "", fmt.Errorf("no page with Cancel: %s has granted all of it before", u.profile().Email)
	case c.Deny:
		return s.fail(a, "access_denied"), nil
	}
	return s.finish(a, u, scope.Set(c.Declined...))
}

// finish sends the user back to the app, with a code or without.
func (s *Server) finish(a *authRequest, u *user, declined []string) (string, error) {
	code, err := s.ledger.decide(a.signIn(u, declined))
	if errors.Is(err, errAccessDenied) {
		return s.fail(a, "access_denied"), nil
	}
	if err != nil {
		return "", err
	}
	answer := url.Values{
		"code":     {code.value},
		"scope":    {strings.Join(code.scopes, " ")},
		"authuser": {"0"},
		"prompt":   {"none"},
	}
	if code.asked {
		answer.Set("prompt", "consent")
	}
	if domain := u.profile().HostedDomain; domain != "" {
		answer.Set("hd", domain)
	}
	return a.callback(answer, s.callbackIssuer()), nil
}

func (s *Server) fail(a *authRequest, code string) string {
	return a.callback(url.Values{"error": {code}}, s.callbackIssuer())
}

func (s *Server) callbackIssuer() string {
	if s.options.OmitCallbackIssuer {
		return ""
	}
	return s.issuerURL()
}

// serveAuth is https://accounts.google.com/o/oauth2/v2/auth: it shows the pages
// that are needed, and sends back at once if none is.
func (s *Server) serveAuth(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	query := r.URL.RawQuery
	if r.Method == http.MethodPost { // OpenID Connect Core section 3.1.2.1
		query = r.PostForm.Encode()
	}
	a, no := s.parseAuth(r.URL.Path, query)
	if no != nil {
		showError(w, no)
		return
	}
	s.proceed(w, r, a, a.account(s.ledger.users))
}

// serveAccount takes the account that the user has chosen.
func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request) {
	if a, u, ok := s.page(w, r); ok {
		s.proceed(w, r, a, u)
	}
}

// serveConsent takes the scopes that the user has ticked, and the button pressed.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	a, u, ok := s.page(w, r)
	if !ok {
		return
	}
	if r.PostForm.Get("action") != "allow" {
		s.sendBack(w, r, a, s.fail(a, "access_denied"))
		return
	}
	ticked := r.PostForm["scope"]
	declined := slices.DeleteFunc(slices.Clone(a.scopes), func(name string) bool {
		return isIdentity(name) || slices.Contains(ticked, name)
	})
	s.finishInBrowser(w, r, a, u, declined)
}

// page reads the fields that every form of the pages has. If it reports false, it
// has answered.
func (s *Server) page(w http.ResponseWriter, r *http.Request) (*authRequest, *user, bool) {
	if !allow(w, r, http.MethodPost) {
		return nil, nil, false
	}
	a, no := s.parseAuth(r.URL.Path, r.PostForm.Get("request"))
	if no != nil {
		showError(w, no)
		return nil, nil, false
	}
	u := find(a.accounts(s.ledger.users), r.PostForm.Get("user"))
	if u == nil {
		showError(w, badRequest("invalid_request", "There is no such account."))
		return nil, nil, false
	}
	return a, u, true
}

// A step is a page on the way to a code, or the end of the way.
type step int

const (
	askAccount step = iota
	askConsent
	refuseInteraction // interaction_required: the app has said to ask nothing
	refusePolicy      // policy_enforced: the account is under Advanced Protection
	issueCode
)

// next returns the step after the user is known to be u. A nil u is not known yet.
func (s *Server) next(a *authRequest, u *user) (step, *refusal) {
	switch no := s.ledger.refusal(a.client, u); {
	case no == errProtected:
		return refusePolicy, nil
	case no != nil:
		return 0, no
	}
	switch asks := u == nil || s.ledger.asksConsent(a.signIn(u, nil)); {
	case asks && a.silent:
		return refuseInteraction, nil
	case u == nil:
		return askAccount, nil
	case asks:
		return askConsent, nil
	}
	return issueCode, nil
}

// proceed takes the next step with a browser.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, a *authRequest, u *user) {
	next, no := s.next(a, u)
	switch {
	case no != nil:
		showError(w, no)
	case next == refuseInteraction:
		s.sendBack(w, r, a, s.fail(a, "interaction_required"))
	case next == refusePolicy:
		s.sendBack(w, r, a, s.fail(a, "policy_enforced"))
	case next == askAccount:
		showAccounts(w, a, a.accounts(s.ledger.users))
	case next == askConsent:
		showConsent(w, a, u)
	default:
		s.finishInBrowser(w, r, a, u, nil)
	}
}

// finishInBrowser ends the pages with a code or an ID token.
func (s *Server) finishInBrowser(w http.ResponseWriter, r *http.Request, a *authRequest, u *user, declined []string) {
	if a.isButton() {
		s.finishButton(w, r, a, u)
		return
	}
	to, err := s.finish(a, u, declined)
	if no, ok := errors.AsType[*refusal](err); ok {
		showError(w, no)
		return
	}
	if err != nil {
		showError(w, badRequest("invalid_request", err.Error()))
		return
	}
	s.sendBack(w, r, a, to)
}
