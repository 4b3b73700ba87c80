package exchangetest

import "net/http"

// serveRevoke is https://oauth2.googleapis.com/revoke: the token in the query
// or the body, by POST, or by GET as older SDKs do.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost, http.MethodGet) {
		return
	}
	token := r.URL.Query().Get("token")
	if token == "" {
		token = r.PostForm.Get("token")
	}
	switch {
	case token == "":
		refuse(w, missingParameter("token"))
	case !s.ledger.revoke(token):
		refuse(w, badRequest("invalid_token", "Token expired or revoked"))
	default:
		writeJSON(w, http.StatusOK, struct{}{})
	}
}
