package exchangetest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// serveTokenInfo is https://oauth2.googleapis.com/tokeninfo, which tells about
// an access token or an ID token. Every value is a string.
func (s *Server) serveTokenInfo(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	param := func(name string) string {
		if v := r.URL.Query().Get(name); v != "" {
			return v
		}
		return r.PostForm.Get(name)
	}
	var info map[string]string
	if raw := param("id_token"); raw != "" {
		info = s.idTokenInfo(r.Context(), raw)
	} else if token := param("access_token"); token != "" {
		info = s.accessTokenInfo(token)
	} else {
		info = s.accessTokenInfo(bearer(r))
	}
	if info == nil {
		refuse(w, badRequest("invalid_token", "Invalid Value"))
		return
	}
	writeJSON(w, http.StatusOK, info)
}

func (s *Server) accessTokenInfo(value string) map[string]string {
	t := s.ledger.inspect(value)
	if t == nil {
		return nil
	}
	access := "online"
	if t.offline {
		access = "offline"
	}
	info := map[string]string{
		"azp":         t.client.ID,
		"aud":         t.client.ID,
		"scope":       strings.Join(t.scopes, " "),
		"exp":         strconv.FormatInt(t.expiry.Unix(), 10),
		"expires_in":  strconv.FormatInt(secondsTo(t.expiry, s.Now()), 10),
		"access_type": access,
	}
	if t.azp != "" {
		info["azp"] = t.azp
	}
	claims := t.user.claims(t.scopes)
	if has(t.scopes, "openid") {
		info["sub"] = t.user.Subject
	}
	if email, ok := claims["email"].(string); ok {
		info["email"] = email
		info["email_verified"] = strconv.FormatBool(!t.user.EmailUnverified)
	}
	return info
}

// idTokenInfo accepts any audience, which is the caller's to check.
func (s *Server) idTokenInfo(ctx context.Context, raw string) map[string]string {
	claimed, err := idtoken.ParseUnverified(raw)
	if err != nil {
		return nil
	}
	profile, err := s.verify(ctx, raw, claimed.Audience, claimed.AuthorizedParty)
	if err != nil {
		return nil
	}
	info := make(map[string]string)
	header, _, _ := strings.Cut(raw, ".")
	for _, members := range []map[string]json.RawMessage{headerMembers(header), profile.Claims()} {
		for name, value := range members {
			info[name] = asString(value)
		}
	}
	return info
}

func (s *Server) verify(ctx context.Context, raw, aud, azp string) (*idtoken.Profile, error) {
	keys, err := idtoken.StaticKeys(s.issuer.JWKS())
	if err != nil {
		return nil, err
	}
	config := idtoken.Config{Audiences: []string{aud}, Keys: keys, Now: s.Now}
	if azp != "" {
		config.AuthorizedParties = []string{azp}
	}
	verifier, err := idtoken.New(config)
	if err != nil {
		return nil, err
	}
	return verifier.Verify(ctx, raw)
}

func headerMembers(segment string) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if b, err := base64.RawURLEncoding.DecodeString(segment); err == nil {
		json.Unmarshal(b, &members)
	}
	return members
}

// asString returns the text of a JSON string, and any other value as it stands.
func asString(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
