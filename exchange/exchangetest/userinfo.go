package exchangetest

import (
	"net/http"
	"slices"
	"strings"
)

// serveUserInfo is https://openidconnect.googleapis.com/v1/userinfo.
func (s *Server) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	t := s.ledger.inspect(bearer(r))
	switch {
	case t == nil:
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		refuse(w, unauthorized("invalid_request", "Invalid Credentials"))
	case !slices.ContainsFunc(t.scopes, isIdentity):
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="insufficient_scope"`)
		refuse(w, &refusal{status: http.StatusForbidden, code: "insufficient_scope", description: "Insufficient Permission"})
	default:
		writeJSON(w, http.StatusOK, t.user.claims(t.scopes))
	}
}

// bearer returns the access token of a request (RFC 6750 section 2.1); the
// scheme's name is case-insensitive.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
