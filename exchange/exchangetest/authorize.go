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

// A Choice is what a user does on the pages of the authorization endpoint.
type Choice struct {
	User     string   // subject or email address; default: the login_hint, or the first user
	Declined []string // scopes unticked on the consent screen
	Deny     bool     // press Cancel
}

// Authorize goes through the authorization pages as a user with a browser
// would, starting at the address that the app under test sends its users to. It
// returns the address that the browser is sent back to, with the code and state
// or with error=access_denied in its query; or an error where Google would show
// one and never return to the app. None of this passes through HTTP: it is not in
// the log, and no fault can befall it.
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
	if c.User != "" {
		u = s.ledger.user(c.User)
	} else if u == nil && !a.silent {
		u = s.ledger.users[0]
	}
	switch {
	case u == nil && !a.silent:
		return "", errors.New("no user " + c.User)
	case a.silent && (u == nil || s.ledger.asksConsent(a.signIn(u, nil))):
		return s.fail(a, "interaction_required"), nil
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
	if u.HostedDomain != "" {
		answer.Set("hd", u.HostedDomain)
	}
	return a.callback(answer, s.callbackIssuer()), nil
}

func (s *Server) fail(a *authRequest, code string) string {
	return a.callback(url.Values{"error": {code}}, s.callbackIssuer())
}

func (s *Server) callbackIssuer() string {
	if s.options.CallbackIssuer {
		return s.issuer.URL
	}
	return ""
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
	a, no := s.parseAuth(query)
	if no != nil {
		showError(w, no)
		return
	}
	u := a.account(s.ledger.users)
	switch {
	case u != nil:
		s.welcome(w, r, a, u)
	case a.silent:
		http.Redirect(w, r, s.fail(a, "interaction_required"), http.StatusFound)
	default:
		showAccounts(w, a, a.accounts(s.ledger.users))
	}
}

// serveAccount takes the account that the user has chosen.
func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request) {
	if a, u, ok := s.page(w, r); ok {
		s.welcome(w, r, a, u)
	}
}

// serveConsent takes what the user has ticked, and the button pressed.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	a, u, ok := s.page(w, r)
	if !ok {
		return
	}
	if r.PostForm.Get("action") != "allow" {
		http.Redirect(w, r, s.fail(a, "access_denied"), http.StatusFound)
		return
	}
	ticked := r.PostForm["scope"]
	declined := slices.DeleteFunc(slices.Clone(a.scopes), func(name string) bool {
		return isIdentity(name) || slices.Contains(ticked, name)
	})
	s.leave(w, r, a, u, declined)
}

// page reads the fields that every form of the pages has; it has answered if it
// says false.
func (s *Server) page(w http.ResponseWriter, r *http.Request) (*authRequest, *user, bool) {
	if !allow(w, r, http.MethodPost) {
		return nil, nil, false
	}
	a, no := s.parseAuth(r.PostForm.Get("request"))
	if no != nil {
		showError(w, no)
		return nil, nil, false
	}
	u := s.ledger.user(r.PostForm.Get("user"))
	if u == nil {
		showError(w, badRequest("invalid_request", "There is no such account."))
		return nil, nil, false
	}
	return a, u, true
}

// welcome asks a known user for consent, if need be.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request, a *authRequest, u *user) {
	asks := s.ledger.asksConsent(a.signIn(u, nil))
	switch no := s.ledger.refusal(a.client, u); {
	case no != nil:
		showError(w, no)
	case asks && a.silent:
		http.Redirect(w, r, s.fail(a, "interaction_required"), http.StatusFound)
	case asks:
		showConsent(w, a, u)
	default:
		s.leave(w, r, a, u, nil)
	}
}

func (s *Server) leave(w http.ResponseWriter, r *http.Request, a *authRequest, u *user, declined []string) {
	to, err := s.finish(a, u, declined)
	if no, ok := errors.AsType[*refusal](err); ok {
		showError(w, no)
		return
	}
	if err != nil {
		showError(w, badRequest("invalid_request", err.Error()))
		return
	}
	http.Redirect(w, r, to, http.StatusFound)
}
