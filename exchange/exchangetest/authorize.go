package exchangetest

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Where the forms of the pages go.
const (
	accountPath = "/signin/account"
	consentPath = "/signin/consent"
)

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
		return s.issuerURL()
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
	s.proceed(w, r, a, a.account(s.ledger.users))
}

// serveAccount takes the account that the user has chosen.
func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request) {
	if a, u, ok := s.page(w, r); ok {
		s.proceed(w, r, a, u)
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
	u := find(a.accounts(s.ledger.users), r.PostForm.Get("user"))
	if u == nil {
		showError(w, badRequest("invalid_request", "There is no such account."))
		return nil, nil, false
	}
	return a, u, true
}

// A step is what comes next on the way to a code.
type step int

const (
	askAccount step = iota
	askConsent
	giveUp // interaction_required: the app has said to ask nothing
	goBack // with a code
)

// next returns what comes after the user is known to be u; nil means not yet.
func (s *Server) next(a *authRequest, u *user) (step, *refusal) {
	if no := s.ledger.refusal(a.client, u); no != nil {
		return 0, no
	}
	switch asks := u == nil || s.ledger.asksConsent(a.signIn(u, nil)); {
	case asks && a.silent:
		return giveUp, nil
	case u == nil:
		return askAccount, nil
	case asks:
		return askConsent, nil
	}
	return goBack, nil
}

// proceed takes the next step with a browser.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, a *authRequest, u *user) {
	next, no := s.next(a, u)
	switch {
	case no != nil:
		showError(w, no)
	case next == giveUp:
		http.Redirect(w, r, s.fail(a, "interaction_required"), http.StatusFound)
	case next == askAccount:
		showAccounts(w, a, a.accounts(s.ledger.users))
	case next == askConsent:
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
