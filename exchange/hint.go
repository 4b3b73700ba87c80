package exchange

import "errors"

// Hint says in a sentence or two what to do about the error. It is for the
// people who run the backend, not for its users.
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	if h := hintFor(e.Code, e.Subtype); h != "" {
		return h
	}
	switch kind := e.means(); {
	case errors.Is(kind, ErrInvalidGrant) && e.Op == opRefresh:
		return "The refresh token is revoked or expired, or more than 100 newer ones were issued for this user and client: have the app get a code with consent."
	case errors.Is(kind, ErrInvalidGrant):
		return "Codes work once and for a short time: have the app get a new one. If new ones fail too, check that the RedirectURI and the PKCE verifier are those of the code."
	case kind == ErrTemporary:
		return "Try again later; Google, or the way there, is not well."
	case kind == ErrDenied:
		return "The user or their administrator did not agree: let them go on without Google, and try again when they ask for it."
	case kind == ErrState:
		return "The sign-in was started in another browser session, or has been finished already: start a new one."
	case kind == ErrBadRequest:
		return "See the documentation of ReadCode for what a request must look like."
	}
	return "Check the client ID, the secret and the Endpoint of the Config against Google's console."
}

func hintFor(code, subtype string) string {
	if subtype == "invalid_rapt" || subtype == "rapt_required" {
		return "The session length that the user's administrator allows is over: have the user sign in again."
	}
	switch code {
	case "redirect_uri_mismatch":
		return "Use App for codes from iOS and Android, Popup for those of a Google Identity Services popup, and otherwise exactly the redirect URI of the authorization request."
	case "invalid_client":
		return "The client ID or its secret is wrong: compare the Config with Google's console, and look for a secret that was replaced."
	case "unauthorized_client":
		return "The code or token belongs to another OAuth client: the app must be given this backend's web client as its server client ID."
	case "deleted_client", "disabled_client":
		return "The OAuth client was deleted or disabled: restore it in Google's console."
	case "invalid_scope":
		return "A scope is not, or no longer, allowed for this client: check it in Google's console."
	case "admin_policy_enforced":
		return "The user's Workspace administrator does not allow this app or one of its scopes: only the administrator can change that."
	case "org_internal":
		return "The app is for users of its own organisation: they must sign in with an account of it."
	case "interaction_required", "login_required", "consent_required", "account_selection_required":
		return "Google has to ask the user, and was told not to (prompt=none): send the user there again, without that."
	case "disallowed_useragent":
		return "Google does not sign users in inside an embedded web view: the app must open the authorization page in the system browser, or use Google's SDK."
	}
	return ""
}
