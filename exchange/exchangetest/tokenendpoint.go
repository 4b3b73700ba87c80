package exchangetest

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/idtokentest"
	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

// serveToken is https://oauth2.googleapis.com/token.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	tokens, no := s.grant(r)
	if r.Header.Get("DPoP") != "" {
		w.Header().Set("DPoP-Nonce", s.proofs.nonce(r.PostForm.Get("grant_type")))
	}
	if no != nil {
		refuse(w, no)
		return
	}
	writeJSON(w, http.StatusOK, s.tokenResponse(tokens))
}

func (s *Server) grant(r *http.Request) (issued, *refusal) {
	form := r.PostForm
	if !isForm(r) {
		return issued{}, badRequest("invalid_request", "Invalid content type.")
	}
	if no := refuseRepeated(form); no != nil {
		return issued{}, no
	}
	c, no := s.clientOf(r)
	if no != nil {
		return issued{}, no
	}
	thumbprint, no := s.provedKey(r)
	if no != nil {
		return issued{}, no
	}
	switch kind := form.Get("grant_type"); kind {
	case "authorization_code":
		if form.Get("code") == "" {
			return issued{}, missingParameter("code")
		}
		return s.ledger.redeem(c, form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier"), thumbprint)
	case "refresh_token":
		if form.Get("refresh_token") == "" {
			return issued{}, missingParameter("refresh_token")
		}
		return s.ledger.renew(c, form.Get("refresh_token"), scope.Parse(form.Get("scope")), thumbprint)
	case "":
		return issued{}, missingParameter("grant_type")
	default:
		return issued{}, badRequest("unsupported_grant_type", "Invalid grant_type: "+kind)
	}
}

// refuseRepeated refuses a parameter that comes twice (RFC 6749 section 3.2).
func refuseRepeated(form url.Values) *refusal {
	for name, values := range form {
		if len(values) > 1 {
			return badRequest("invalid_request", "OAuth 2 parameters can only have a single value: "+name)
		}
	}
	return nil
}

// clientOf authenticates the client by its secret, in the body or by Basic
// (RFC 6749 section 2.3.1), not both.
func (s *Server) clientOf(r *http.Request) (*client, *refusal) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if name, password, ok := r.BasicAuth(); ok {
		basicID, err1 := url.QueryUnescape(name)
		basicSecret, err2 := url.QueryUnescape(password)
		if err1 != nil || err2 != nil || secret != "" || id != "" && id != basicID {
			return nil, badRequest("invalid_request", "The client must authenticate in one way.")
		}
		id, secret = basicID, basicSecret
	}
	if id == "" {
		return nil, badRequest("invalid_request", "Could not determine client ID from request.")
	}
	return s.ledger.authenticate(id, secret)
}

// tokenResponse is the body of a success (RFC 6749 section 5.1), with
// the members that Google adds.
func (s *Server) tokenResponse(t issued) any {
	now := s.Now()
	body := struct {
		AccessToken      string `json:"access_token"`
		ExpiresIn        int64  `json:"expires_in"`
		RefreshToken     string `json:"refresh_token,omitempty"`
		Scope            string `json:"scope"`
		TokenType        string `json:"token_type"`
		IDToken          string `json:"id_token,omitempty"`
		RefreshExpiresIn int64  `json:"refresh_token_expires_in,omitempty"`
	}{
		AccessToken: t.access.value,
		ExpiresIn:   secondsTo(t.access.expiry, now),
		Scope:       strings.Join(t.access.scopes, " "),
		TokenType:   "Bearer",
	}
	if t.refresh != nil {
		body.RefreshToken = t.refresh.value
	}
	if !t.limit.IsZero() {
		body.RefreshExpiresIn = secondsTo(t.limit, now)
	}
	for _, name := range t.access.scopes {
		if isIdentity(name) {
			body.IDToken = s.idToken(t)
			break
		}
	}
	return body
}

// secondsTo is one second short of the whole, as Google counts.
func secondsTo(t, now time.Time) int64 {
	return max(0, int64(t.Sub(now)/time.Second)-1)
}

// idToken signs who the user is. With a refresh there is no nonce and no
// profile, which Google does not promise then.
func (s *Server) idToken(t issued) string {
	scopes := t.access.scopes
	if !t.fresh {
		scopes = scope.Missing([]string{"profile"}, scopes)
	}
	user := t.access.user.profile() // once: SetUser may change it
	claims := s.idClaims(t.access.code, user, scopes)
	claims["at_hash"] = idtokentest.AccessTokenHash(t.access.value)
	if t.fresh && t.access.nonce != "" {
		claims["nonce"] = t.access.nonce
	}
	if s.options.AuthClaims && t.fresh && t.access.asksAuthTime {
		claims["auth_time"] = t.access.authTime.Unix()
	}
	if s.options.AuthClaims && t.fresh && t.access.asksMethods {
		claims["amr"] = user.amr()
	}
	return s.signIDToken(user, claims)
}

// idClaims returns the claims that every ID token has.
func (s *Server) idClaims(c *code, user *User, scopes []string) map[string]any {
	now := s.Now()
	claims := user.claims(scopes)
	claims["iss"] = s.issuerURL()
	claims["aud"] = c.client.ID
	claims["azp"] = cmp.Or(c.azp, c.client.ID)
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(s.options.AccessTokenLifetime).Unix()
	return claims
}

// signIDToken signs claims after the user's own have replaced them.
func (s *Server) signIDToken(user *User, claims map[string]any) string {
	for name, value := range user.Claims {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return s.issuer.Sign(claims)
}

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
