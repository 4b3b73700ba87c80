package exchangetest

import (
	"net/http"
	"slices"
	"strings"
)

// serveUserInfo is https://openidconnect.googleapis.com/v1/userinfo, and
// https://www.googleapis.com/oauth2/v3/userinfo.
func (s *Server) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	t := s.ledger.inspect(accessTokenOf(r))
	switch {
	case t == nil:
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		refuse(w, unauthorized("invalid_request", "Invalid Credentials"))
	case !slices.ContainsFunc(t.scopes, isIdentity):
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="insufficient_scope"`)
		refuse(w, &refusal{status: http.StatusForbidden, code: "insufficient_scope", description: "Insufficient Permission"})
	default:
		writeJSON(w, http.StatusOK, t.user.profile().claims(t.scopes))
	}
}

// serveOldUserInfo is https://www.googleapis.com/oauth2/v2/userinfo, and v1: the
// members have other names, and errors the form of Google's APIs
// (https://www.googleapis.com/discovery/v1/apis/oauth2/v2/rest,
// https://github.com/googleapis/google-api-php-client/issues/2420).
func (s *Server) serveOldUserInfo(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet) {
		return
	}
	t := s.ledger.inspect(accessTokenOf(r))
	switch {
	case t == nil:
		refuseAPI(w, http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
	case !slices.ContainsFunc(t.scopes, isIdentity):
		refuseAPI(w, http.StatusForbidden, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")
	default:
		claims := t.user.profile().claims(t.scopes)
		for name, old := range map[string]string{"sub": "id", "email_verified": "verified_email"} {
			if value, ok := claims[name]; ok {
				claims[old] = value
				delete(claims, name)
			}
		}
		writeJSON(w, http.StatusOK, claims)
	}
}

// refuseAPI answers with an error in the form of Google's APIs.
func refuseAPI(w http.ResponseWriter, status int, name, message string) {
	type body struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}
	writeJSON(w, status, map[string]body{"error": {status, message, name}})
}

// accessTokenOf returns the access token of a request, from its header or its
// query (RFC 6750 sections 2.1 and 2.3). Google takes both: client libraries send
// either.
func accessTokenOf(r *http.Request) string {
	if token := bearer(r); token != "" {
		return token
	}
	return r.URL.Query().Get("access_token")
}

// bearer returns the access token of the Authorization header; the scheme's name
// is case-insensitive.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
