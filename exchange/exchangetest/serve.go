package exchangetest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// An Endpoint is a kind of request. Several paths may lead to it. A request to any
// other path has the empty Endpoint and gets 404.
type Endpoint string

// The endpoints, for [Server.Script] and [Server.Requests].
const (
	AuthEndpoint      Endpoint = "authorization" // the pages a person sees
	TokenEndpoint     Endpoint = "token"
	RevokeEndpoint    Endpoint = "revoke"
	TokenInfoEndpoint Endpoint = "tokeninfo"
	UserInfoEndpoint  Endpoint = "userinfo"
	DiscoveryEndpoint Endpoint = "discovery"
	CertsEndpoint     Endpoint = "certs"
	ScriptEndpoint    Endpoint = "script" // Google's page script, and what it revokes
)

// The paths that Google's discovery document names, and older ones that client
// libraries still use. Google has them on several hosts.
const (
	authPath      = "/o/oauth2/v2/auth"
	oldAuthPath   = "/o/oauth2/auth"
	tokenPath     = "/token"
	revokePath    = "/revoke"
	tokenInfoPath = "/tokeninfo"
	userInfoPath  = "/v1/userinfo"
	certsPath     = "/oauth2/v3/certs"
	oldCertsPath  = "/oauth2/v1/certs"
	discoveryPath = "/.well-known/openid-configuration"
)

type route struct {
	endpoint Endpoint
	serve    http.HandlerFunc
}

func (s *Server) newRoutes() map[string]route {
	return map[string]route{
		authPath:                {AuthEndpoint, s.serveAuth},
		oldAuthPath:             {AuthEndpoint, s.serveAuth},
		accountPath:             {AuthEndpoint, s.serveAccount},
		consentPath:             {AuthEndpoint, s.serveConsent},
		scriptPath:              {ScriptEndpoint, s.serveScript},
		scriptRevokePath:        {ScriptEndpoint, s.serveScriptRevoke},
		selectPath:              {AuthEndpoint, s.serveAuth},
		selectPath + "/account": {AuthEndpoint, s.serveAccount},
		selectPath + "/consent": {AuthEndpoint, s.serveConsent},
		tokenPath:               {TokenEndpoint, s.serveToken},
		"/oauth2/v3/token":      {TokenEndpoint, s.serveToken},
		"/oauth2/v4/token":      {TokenEndpoint, s.serveToken},
		"/o/oauth2/token":       {TokenEndpoint, s.serveToken},
		revokePath:              {RevokeEndpoint, s.serveRevoke},
		"/o/oauth2/revoke":      {RevokeEndpoint, s.serveRevoke},
		tokenInfoPath:           {TokenInfoEndpoint, s.serveTokenInfo},
		"/oauth2/v3/tokeninfo":  {TokenInfoEndpoint, s.serveTokenInfo},
		"/oauth2/v2/tokeninfo":  {TokenInfoEndpoint, s.serveOldTokenInfo},
		"/oauth2/v1/tokeninfo":  {TokenInfoEndpoint, s.serveOldTokenInfo},
		userInfoPath:            {UserInfoEndpoint, s.serveUserInfo},
		"/oauth2/v3/userinfo":   {UserInfoEndpoint, s.serveUserInfo},
		"/oauth2/v2/userinfo":   {UserInfoEndpoint, s.serveOldUserInfo},
		"/oauth2/v1/userinfo":   {UserInfoEndpoint, s.serveOldUserInfo},
		discoveryPath:           {DiscoveryEndpoint, s.serveDiscovery},
		certsPath:               {CertsEndpoint, s.issuer.ServeHTTP},
		oldCertsPath:            {CertsEndpoint, s.issuer.ServeHTTP},
	}
}

// maxBody bounds the body of a request; the endpoints need a few KiB.
const maxBody = 1 << 20

// ServeHTTP answers as Google would, or with the next fault.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, ok := s.routes[r.URL.Path]
	if !ok {
		to.serve = http.NotFound
	}
	entry, err := s.record(w, r, to.endpoint)
	if err != nil {
		s.log.answered(entry, http.StatusBadRequest)
		http.Error(w, "cannot read the request", http.StatusBadRequest)
		return
	}
	fault := s.faults.next(to.endpoint)
	var response *recorder
	if fault.Performed {
		response = run(to.serve, r)
	}
	if !fault.pause(r.Context(), s.closed) {
		panic(http.ErrAbortHandler)
	}
	if fault.replaces() {
		s.log.answered(entry, fault.write(w, r))
		if fault.Cut {
			cut(w)
		}
		return
	}
	if response == nil {
		response = run(to.serve, r)
	}
	s.log.answered(entry, response.status)
	maps.Copy(w.Header(), response.header)
	w.WriteHeader(response.status)
	w.Write(response.body.Bytes())
}

// run returns the response of serve, so that a fault can delay or replace it.
func run(serve http.HandlerFunc, r *http.Request) *recorder {
	response := newRecorder()
	serve(response, r)
	return response
}

// A recorder is a ResponseWriter that keeps the response.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{status: http.StatusOK, header: http.Header{}} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// cut sends the response so far, and breaks the connection.
func cut(w http.ResponseWriter) {
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// record reads the request into the log, and parses its form.
func (s *Server) record(w http.ResponseWriter, r *http.Request, e Endpoint) (*Request, error) {
	if r.Body == nil { // as http.NewRequest leaves it, in a test
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	entry := &Request{
		Time: s.Now(), Endpoint: e,
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(),
		Header: r.Header.Clone(), Body: string(body),
	}
	if err == nil && isForm(r) {
		entry.Form, err = url.ParseQuery(entry.Body)
	}
	r.PostForm = cloneValues(entry.Form) // a Fault's Handler may change it
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.log.add(entry)
	return entry, err
}

func isForm(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded")
}

const jsonType = "application/json; charset=utf-8"

// writeJSON writes a response in the form of Google's OAuth endpoints, which no
// cache keeps.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // a value in User.Claims that JSON does not have
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	w.Write(b)
}

// refuse answers with the members that RFC 6749 section 5.2 has, and Google's
// error_subtype.
func refuse(w http.ResponseWriter, r *refusal) {
	writeJSON(w, r.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
		Subtype     string `json:"error_subtype,omitempty"`
	}{r.code, r.description, r.subtype})
}

// allow reports whether the method is allowed. If not, it has answered.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	return false
}

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

// A rewriter sends requests for Google's sign-in hosts to the server.
type rewriter struct {
	server *Server
	base   http.RoundTripper
}

var googleHosts = map[string]bool{
	"accounts.google.com":          true,
	"oauth2.googleapis.com":        true,
	"openidconnect.googleapis.com": true,
	"www.googleapis.com":           true,
}

func (t *rewriter) RoundTrip(r *http.Request) (*http.Response, error) {
	if googleHosts[r.URL.Hostname()] {
		to, err := url.Parse(t.server.URL)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections is called by [http.Client.CloseIdleConnections].
func (t *rewriter) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
