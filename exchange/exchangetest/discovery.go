package exchangetest

import "net/http"

// serveDiscovery is https://accounts.google.com/.well-known/openid-configuration
// with the server's own addresses.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	doc := map[string]any{
		"issuer":                                s.issuerURL(),
		"authorization_endpoint":                s.URL + authPath,
		"token_endpoint":                        s.URL + tokenPath,
		"revocation_endpoint":                   s.URL + revokePath,
		"userinfo_endpoint":                     s.URL + userInfoPath,
		"jwks_uri":                              s.CertsURL(),
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "email", "profile"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"claims_supported": []string{
			"aud", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss", "name", "picture", "sub",
		},
		"code_challenge_methods_supported": []string{"plain", "S256"},
		"grant_types_supported":            []string{"authorization_code", "refresh_token"},
	}
	if !s.options.OmitIssuerSupport {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	writeJSON(w, http.StatusOK, doc)
}
