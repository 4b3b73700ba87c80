package exchangetest

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
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
	var info map[string]string
	if raw := param(r, "id_token"); raw != "" {
		info = s.idTokenInfo(r.Context(), raw)
	} else {
		info = s.accessTokenInfo(cmp.Or(param(r, "access_token"), bearer(r)))
	}
	if info == nil {
		refuse(w, badRequest("invalid_token", "Invalid Value"))
		return
	}
	writeJSON(w, http.StatusOK, info)
}

// serveOldTokenInfo is https://www.googleapis.com/oauth2/v2/tokeninfo, and v1: the
// members have other names and types (Tokeninfo in
// https://www.googleapis.com/discovery/v1/apis/oauth2/v2/rest).
func (s *Server) serveOldTokenInfo(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodPost) {
		return
	}
	var info map[string]any
	if raw := param(r, "id_token"); raw != "" {
		info = s.oldIDTokenInfo(r.Context(), raw)
	} else {
		info = s.oldAccessTokenInfo(cmp.Or(param(r, "access_token"), bearer(r)))
	}
	if info == nil {
		refuse(w, badRequest("invalid_token", "Invalid Value"))
		return
	}
	writeJSON(w, http.StatusOK, info)
}

// param returns a parameter of the query or the body.
func param(r *http.Request, name string) string {
	return cmp.Or(r.URL.Query().Get(name), r.PostForm.Get(name))
}

// accessType returns whether a refresh token belongs to the access token, in
// Google's words.
func (t *accessToken) accessType() string {
	if t.offline {
		return "offline"
	}
	return "online"
}

func (s *Server) oldAccessTokenInfo(value string) map[string]any {
	t := s.ledger.inspect(value)
	if t == nil {
		return nil
	}
	info := map[string]any{
		"issued_to":   cmp.Or(t.azp, t.client.ID),
		"audience":    t.client.ID,
		"scope":       strings.Join(t.scopes, " "),
		"expires_in":  secondsTo(t.expiry, s.Now()),
		"access_type": t.accessType(),
	}
	if slices.ContainsFunc(t.scopes, isIdentity) {
		info["user_id"] = t.user.subject
	}
	claims := t.user.profile().claims(t.scopes)
	if email, ok := claims["email"]; ok {
		info["email"] = email
		info["verified_email"] = claims["email_verified"]
	}
	return info
}

func (s *Server) oldIDTokenInfo(ctx context.Context, raw string) map[string]any {
	profile := s.verifyAny(ctx, raw)
	if profile == nil {
		return nil
	}
	info := map[string]any{
		"issued_to":  profile.AuthorizedParty,
		"audience":   profile.Audience,
		"user_id":    profile.Subject,
		"expires_in": secondsTo(profile.Expiry, s.Now()),
	}
	if profile.Email != "" {
		info["email"] = profile.Email
		info["verified_email"] = profile.EmailVerified
	}
	return info
}

func (s *Server) accessTokenInfo(value string) map[string]string {
	t := s.ledger.inspect(value)
	if t == nil {
		return nil
	}
	info := map[string]string{
		"azp":         cmp.Or(t.azp, t.client.ID),
		"aud":         t.client.ID,
		"scope":       strings.Join(t.scopes, " "),
		"exp":         strconv.FormatInt(t.expiry.Unix(), 10),
		"expires_in":  strconv.FormatInt(secondsTo(t.expiry, s.Now()), 10),
		"access_type": t.accessType(),
	}
	claims := t.user.profile().claims(t.scopes)
	if has(t.scopes, "openid") {
		info["sub"] = t.user.subject
	}
	if email, ok := claims["email"].(string); ok {
		info["email"] = email
		info["email_verified"] = fmt.Sprint(claims["email_verified"])
	}
	return info
}

func (s *Server) idTokenInfo(ctx context.Context, raw string) map[string]string {
	profile := s.verifyAny(ctx, raw)
	if profile == nil {
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

// verifyAny returns the profile of an ID token that is good now, or nil. It accepts
// any audience, which is the caller's to check.
func (s *Server) verifyAny(ctx context.Context, raw string) *idtoken.Profile {
	claimed, err := idtoken.ParseUnverified(raw)
	if err != nil {
		return nil
	}
	keys, err := idtoken.StaticKeys(s.issuer.JWKS())
	if err != nil {
		return nil
	}
	config := idtoken.Config{Audiences: []string{claimed.Audience}, Keys: keys, Now: s.Now}
	if claimed.AuthorizedParty != "" {
		config.AuthorizedParties = []string{claimed.AuthorizedParty}
	}
	verifier, err := idtoken.New(config)
	if err != nil {
		return nil
	}
	profile, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil
	}
	return profile
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
