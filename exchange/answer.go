package exchange

import "net/http"

// failure returns what is wrong with a as the answer to a token request, or
// nil. quotable are the secrets of the request.
func (a *answer) failure(op string, quotable func() secrets) *Error {
	e := a.refusal(op, quotable)
	if e == nil && !a.hasTokens() {
		// Whatever Google meant to say, it may have redeemed the code.
		e = &Error{Op: op, Status: a.status, kind: ErrTemporary, ambiguous: true,
			reason: "the answer is not a token response of RFC 6749 section 5.1"}
	}
	return e
}

// refusal returns what a says other than yes, or nil.
func (a *answer) refusal(op string, quotable func() secrets) *Error {
	if a.status == http.StatusOK && a.fields["error"] == nil {
		return nil
	}
	code, quoted := a.text("error"), quotable()
	e := &Error{
		Op:          op,
		Code:        quoted.token(code),
		Subtype:     quoted.token(a.text("error_subtype")),
		Description: quoted.clean(a.text("error_description")),
		Status:      a.status,
		RetryAfter:  a.after,
		kind:        a.meaning(code),
	}
	if e.kind != meaningOf(code) {
		// The status says otherwise: who reads the code elsewhere must not
		// conclude that a refresh token is dead.
		e.Code, e.Subtype = "", ""
	}
	e.retry = e.kind == ErrTemporary && a.status >= 400
	e.ambiguous = a.status < 400 || e.kind == ErrTemporary && !a.turnedAway(code)
	switch {
	case a.status/100 == 3:
		e.reason = "the endpoint redirects, which is not followed"
		e.hint = "Set the Endpoint of the Config to Google's own addresses, or look for a proxy that answers for Google."
	case a.fields == nil:
		e.reason = "the answer is not a JSON object"
	}
	return e
}

// meaning returns the sentinel for an answer that is not a success. The status
// goes before the code: what says "not now" never means "never".
func (a *answer) meaning(code string) error {
	switch {
	case a.status/100 == 2, a.status >= 500, a.status == http.StatusRequestTimeout, a.turnedAway(code):
		return ErrTemporary
	case a.status < 400:
		return ErrClient
	}
	return meaningOf(code)
}

// turnedAway reports whether a says that there were too many requests, so that
// this one was not even tried. Any other "not now" may come from a server that
// broke down after it had redeemed the code, or from one in front of it.
func (a *answer) turnedAway(code string) bool {
	return a.status == http.StatusTooManyRequests ||
		a.status == http.StatusForbidden && a.fields == nil || // "User Rate Limit Exceeded", as HTML
		a.status >= 400 && code == "rate_limit_exceeded"
}

// meaningOf returns the sentinel for an OAuth error code, of the token endpoint
// or in a callback.
func meaningOf(code string) error {
	switch code {
	case "invalid_grant":
		return ErrInvalidGrant
	case "redirect_uri_mismatch":
		return ErrRedirectMismatch
	case "internal_failure", "server_error", "temporarily_unavailable", "rate_limit_exceeded":
		return ErrTemporary
	case "access_denied", "admin_policy_enforced", "org_internal", "disallowed_useragent",
		"interaction_required", "login_required", "consent_required", "account_selection_required":
		return ErrDenied
	}
	return ErrClient
}

// isOAuthWord reports whether word is one of those that OAuth, or Google, has
// for what went wrong.
func isOAuthWord(word string) bool {
	switch word {
	case "invalid_request", "unsupported_grant_type", "unsupported_response_type", "invalid_token", "unsupported_token_type":
		return true
	}
	return meaningOf(word) != ErrClient || hintFor(word, word) != ""
}

// text returns the string member of that exact name; "" if there is none.
func (a *answer) text(name string) string {
	s, _ := a.fields[name].(string)
	return s
}
