package exchangetest

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// An authRequest is a checked request for the authorization page.
type authRequest struct {
	query  string // as it came, or the same in today's parameters
	client *client
	page   *pageRequest // nil: not for a popup or button of the page script

	redirectURI, state, nonce string
	scopes                    []string
	offline, includeGranted   bool
	challenge, method         string

	loginHint, hostedDomain           string
	silent, forceConsent, chooseAgain bool // prompt
	authTime, methods                 bool // claims
}

// parseAuth checks an authorization request. A refusal is shown to the user, and not
// reported to the app. The path is where it came to.
func (s *Server) parseAuth(path, query string) (*authRequest, *refusal) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, badRequest("invalid_request", "The query cannot be read.")
	}
	if no := refuseRepeated(q); no != nil {
		return nil, no
	}
	if isSelect(path) {
		q.Set("response_type", "code")
		q.Set("scope", "openid email profile")
	}
	a := &authRequest{
		query:        query,
		redirectURI:  q.Get("redirect_uri"),
		state:        q.Get("state"),
		nonce:        q.Get("nonce"),
		loginHint:    q.Get("login_hint"),
		hostedDomain: q.Get("hd"),
	}
	for _, check := range []func(url.Values) *refusal{
		func(q url.Values) *refusal { return s.parseClient(a, path, q) },
		a.parseResponse, a.parseScope, a.parseSwitches, a.parsePrompt,
		func(q url.Values) *refusal { return a.parseApprovalPrompt(path, q) },
		a.parseClaims, a.parsePKCE,
	} {
		if no := check(q); no != nil {
			return nil, no
		}
	}
	return a, nil
}

func (s *Server) parseClient(a *authRequest, path string, q url.Values) *refusal {
	if q.Get("client_id") == "" {
		return missingParameter("client_id")
	}
	a.client = s.ledger.client(q.Get("client_id"))
	if no := s.ledger.refusal(a.client, nil); no != nil {
		return no
	}
	if a.redirectURI == "" {
		return missingParameter("redirect_uri")
	}
	if no := a.parsePage(path, q); no != nil {
		return no
	}
	if !a.isPopup() && !a.client.mayRedirectTo(a.redirectURI) {
		return badRequest("redirect_uri_mismatch",
			"The redirect URI in the request does not match the ones authorized for the OAuth client.")
	}
	return nil
}

func (a *authRequest) parseResponse(q url.Values) *refusal {
	if q.Get("response_type") == "" {
		return missingParameter("response_type")
	}
	if q.Get("response_type") != "code" {
		return badRequest("unsupported_response_type", "This server issues codes only.")
	}
	return oneOf(q, "response_mode", "", "query")
}

func (a *authRequest) parseScope(q url.Values) *refusal {
	a.scopes = scope.Parse(q.Get("scope"))
	if len(a.scopes) == 0 {
		return missingParameter("scope")
	}
	for _, name := range a.scopes {
		if !isIdentity(name) && !strings.HasPrefix(name, "https://") {
			return badRequest("invalid_scope", "Some requested scopes were invalid: "+name)
		}
	}
	return nil
}

func (a *authRequest) parseSwitches(q url.Values) *refusal {
	a.offline = q.Get("access_type") == "offline"
	a.includeGranted = q.Get("include_granted_scopes") == "true"
	if no := oneOf(q, "access_type", "", "online", "offline"); no != nil {
		return no
	}
	return oneOf(q, "include_granted_scopes", "", "true", "false")
}

func oneOf(q url.Values, name string, allowed ...string) *refusal {
	if slices.Contains(allowed, q.Get(name)) {
		return nil
	}
	return badRequest("invalid_request", "Invalid parameter value for "+name+": "+q.Get(name))
}

// parsePrompt reads prompt: none alone, or any of the others.
func (a *authRequest) parsePrompt(q url.Values) *refusal {
	words := strings.Fields(q.Get("prompt"))
	for _, word := range words {
		switch word {
		case "none":
			a.silent = true
		case "consent":
			a.forceConsent = true
		case "select_account":
			a.chooseAgain = true
		default:
			return badRequest("invalid_request", "Invalid parameter value for prompt: "+word)
		}
	}
	if a.silent && len(words) > 1 {
		return badRequest("invalid_request", "Invalid parameter value for prompt: none excludes the others")
	}
	return nil
}

// parseClaims reads which claims of the ID token are asked for (OpenID Connect Core
// section 5.5).
func (a *authRequest) parseClaims(q url.Values) *refusal {
	if !q.Has("claims") {
		return nil
	}
	var claims struct {
		IDToken map[string]*struct{} `json:"id_token"`
	}
	if json.Unmarshal([]byte(q.Get("claims")), &claims) != nil {
		return badRequest("invalid_request", "Invalid parameter value for claims.")
	}
	_, a.authTime = claims.IDToken["auth_time"]
	_, a.methods = claims.IDToken["amr"]
	return nil
}

// parseApprovalPrompt reads approval_prompt, which was there before prompt. Its one
// value that is left, force, still has an effect at the old address, as old client
// libraries expect, and none at the new one
// (https://github.com/googleapis/google-api-php-client/issues/1821,
// https://github.com/googleapis/oauth2client/issues/453). Beside prompt it is
// refused (https://github.com/thephpleague/oauth2-google/issues/42).
func (a *authRequest) parseApprovalPrompt(path string, q url.Values) *refusal {
	value := q.Get("approval_prompt")
	switch {
	case value == "":
		return nil
	case value != "force":
		return badRequest("invalid_request", "Invalid parameter value for approval_prompt: '"+value+"' is not valid")
	case q.Get("prompt") != "":
		return badRequest("invalid_request", "Conflict params: approval_prompt and prompt")
	case path == oldAuthPath:
		a.forceConsent = true
		q.Del("approval_prompt")
		q.Set("prompt", "consent")
		a.query = q.Encode() // the forms of the pages go to other paths
	}
	return nil
}

// rfc7636 is the form of a code_challenge and a code_verifier (RFC 7636 section 4).
var rfc7636 = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

func (a *authRequest) parsePKCE(q url.Values) *refusal {
	a.challenge, a.method = q.Get("code_challenge"), q.Get("code_challenge_method")
	if a.challenge == "" && a.method == "" {
		return nil
	}
	if !rfc7636.MatchString(a.challenge) {
		return badRequest("invalid_request", "Invalid parameter value for code_challenge.")
	}
	return oneOf(q, "code_challenge_method", "", "plain", "S256")
}

// signIn returns the sign-in of one user, who declines some of the scopes.
func (a *authRequest) signIn(u *user, declined []string) signIn {
	redirectURI := a.redirectURI
	if a.isPopup() {
		redirectURI = "postmessage"
	}
	return signIn{
		client: a.client, user: u,
		scopes: a.scopes, declined: declined,
		forceConsent: a.forceConsent, offline: a.offline, includeGranted: a.includeGranted,
		redirectURI: redirectURI, challenge: a.challenge, method: a.method, nonce: a.nonce,
		asksAuthTime: a.authTime, asksMethods: a.methods,
	}
}

// accounts returns the users who may be chosen.
func (a *authRequest) accounts(all []*user) []*user {
	return slices.DeleteFunc(slices.Clone(all), func(u *user) bool {
		domain := u.profile().HostedDomain
		return a.hostedDomain == "*" && domain == "" ||
			a.hostedDomain != "" && a.hostedDomain != "*" && a.hostedDomain != domain
	})
}

// account returns the user who signs in without a choice of accounts; nil if there
// is a choice.
func (a *authRequest) account(all []*user) *user {
	users := a.accounts(all)
	switch {
	case a.chooseAgain:
		return nil
	case len(users) == 1:
		return users[0]
	}
	return find(users, a.loginHint)
}

// choose returns the user of that name. Without a name it returns the user of the
// login_hint, else the first; nil if no user may be chosen.
func (a *authRequest) choose(all []*user, name string) *user {
	users := a.accounts(all)
	if name != "" {
		return find(users, name)
	}
	if u := find(users, a.loginHint); u != nil || len(users) == 0 {
		return u
	}
	return users[0]
}

// callback returns the redirect URI with the answer to the app in its query.
func (a *authRequest) callback(answer url.Values, issuer string) string {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	if issuer != "" {
		answer.Set("iss", issuer)
	}
	join := "?"
	if strings.Contains(a.redirectURI, "?") {
		join = "&"
	}
	return a.redirectURI + join + answer.Encode()
}
