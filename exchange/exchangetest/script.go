package exchangetest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The paths of Google's page script, of the pages of its button, and of its
// google.accounts.id.revoke.
const (
	scriptPath       = "/gsi/client"
	selectPath       = "/gsi/select"
	scriptRevokePath = "/gsi/revoke"
)

//go:embed pages/client.js
var pageScript string

// ScriptURL is where Google's page script is served, in place of
// https://accounts.google.com/gsi/client. A page can only use it if its origin is one
// of [Client.JavaScriptOrigins].
func (s *Server) ScriptURL() string { return s.URL + scriptPath }

// serveScript is https://accounts.google.com/gsi/client.
func (s *Server) serveScript(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	at, err := json.Marshal(s.URL)
	if err != nil {
		panic(err) // a string marshals
	}
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.Write([]byte(strings.Replace(pageScript, `"FAKE_URL"`, string(at), 1)))
}

// A pageRequest is the part of an authRequest that comes from the page script.
type pageRequest struct {
	origin    string // of the page
	popup     bool   // the answer goes to that page, and not to the redirect URI
	button    bool   // the answer is an ID token, and not a code
	prompt    bool   // One Tap in place of the button
	csrfToken string // for the login_uri
}

func (a *authRequest) isPopup() bool  { return a.page != nil && a.page.popup }
func (a *authRequest) isButton() bool { return a.page != nil && a.page.button }

// isSelect reports whether a path is of a page that leads to an ID token.
func isSelect(path string) bool {
	return path == selectPath || strings.HasPrefix(path, selectPath+"/")
}

// pagePath returns where the form of a page goes.
func (a *authRequest) pagePath(path string) string {
	if a.isButton() {
		return selectPath + strings.TrimPrefix(path, "/signin")
	}
	return path
}

// framedBy is for the frame-ancestors of a page: One Tap is in a frame.
func (a *authRequest) framedBy() string {
	if a.isButton() && a.page.prompt {
		return a.page.origin
	}
	return "'none'"
}

// parsePage reads the request of a popup or a button, if this is one. The redirect
// URI of a popup is storagerelay://http/localhost:3000?id=auth1, as Google's script
// sends it (seen in public reports of react-oauth and others). Google shows an error
// for an origin that is not registered
// (https://developers.google.com/identity/oauth2/web/guides/error).
func (a *authRequest) parsePage(path string, q url.Values) *refusal {
	relay, popup := strings.CutPrefix(a.redirectURI, "storagerelay://")
	if !popup && !isSelect(path) {
		return nil
	}
	a.page = &pageRequest{
		origin: q.Get("origin"), popup: popup, button: isSelect(path),
		prompt: q.Get("prompted") == "true", csrfToken: q.Get("g_csrf_token"),
	}
	if popup {
		relay, _, _ = strings.Cut(relay, "?")
		a.page.origin = strings.Replace(relay, "/", "://", 1)
	}
	if !slices.Contains(a.client.JavaScriptOrigins, a.page.origin) {
		return badRequest("origin_mismatch",
			"Register the JavaScript origin of the page for the OAuth client: "+a.page.origin)
	}
	return nil
}

// relayScript posts the form of a page to the login_uri, or the answer to the page
// that opened the popup or has the frame.
const relayScript = `
const answer = document.getElementById("answer");
if (document.forms.length) document.forms[0].submit();
else (opener || parent).postMessage(JSON.parse(answer.dataset.answer), answer.dataset.origin);
`

// relayScripts is the Content-Security-Policy source of relayScript.
var relayScripts = func() string {
	sum := sha256.Sum256([]byte(relayScript))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// relay is the data of the page with relayScript.
type relay struct {
	Title          string
	Script         template.JS
	LoginURI       string     // where Fields go, or "":
	Answer, Origin string     // for postMessage
	Fields         [][]string // names and values
}

// sendBack ends the pages of a sign-in. The address to is the callback with its answer.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, a *authRequest, to string) {
	switch {
	case a.isPopup():
		u, err := url.Parse(to)
		if err != nil {
			showError(w, badRequest("invalid_request", "The redirect URI cannot be read."))
			return
		}
		s.answerPopup(w, a, u.Query())
	case a.isButton(): // Google documents no answer to the login_uri but a credential
		showError(w, &refusal{status: http.StatusForbidden, code: "access_denied", description: "The sign-in was cancelled."})
	default:
		http.Redirect(w, r, to, http.StatusFound)
	}
}

// answerPopup gives the answer, with the popup's id, to the page that opened it.
func (s *Server) answerPopup(w http.ResponseWriter, a *authRequest, answer url.Values) {
	members := make(map[string]string)
	for name := range answer {
		members[name] = answer.Get(name)
	}
	b, err := json.Marshal(members)
	if err != nil {
		panic(err) // strings marshal
	}
	show(w, http.StatusOK, a.framedBy(), "relay.html", relay{
		Title: "Back to the page", Script: relayScript, Answer: string(b), Origin: a.page.origin,
	})
}

// finishButton ends the pages of the button with an ID token.
func (s *Server) finishButton(w http.ResponseWriter, r *http.Request, a *authRequest, u *user) {
	code, err := s.ledger.decide(a.signIn(u, nil))
	if err != nil {
		showError(w, badRequest("invalid_request", err.Error()))
		return
	}
	answer := url.Values{"credential": {s.credential(code)}, "select_by": {selectBy(a.page.prompt, code.asked)}}
	if a.state != "" {
		answer.Set("state", a.state)
	}
	if a.isPopup() {
		if u, err := url.Parse(a.redirectURI); err == nil {
			answer.Set("id", u.Query().Get("id"))
		}
		s.answerPopup(w, a, answer)
		return
	}
	answer.Set("g_csrf_token", a.page.csrfToken)
	page := relay{Title: "Back to the page", Script: relayScript, LoginURI: a.redirectURI}
	for name := range answer {
		page.Fields = append(page.Fields, []string{name, answer.Get(name)})
	}
	show(w, http.StatusOK, a.framedBy(), "relay.html", page)
}

// selectBy is how the user came to a credential
// (https://developers.google.com/identity/gsi/web/reference/js-reference#select_by).
func selectBy(prompt, asked bool) string {
	switch {
	case prompt && asked:
		return "user_1tap"
	case prompt:
		return "user"
	case asked:
		return "btn_confirm"
	}
	return "btn"
}

// credential signs the ID token of the button. It comes with no access token, and so
// without at_hash; its nbf is some minutes before its iat
// (https://developers.google.com/identity/gsi/web/reference/js-reference#credential).
func (s *Server) credential(c *code) string {
	user := c.user.profile()
	claims := s.idClaims(c, user, c.scopes)
	claims["nbf"] = s.Now().Unix() - 300
	claims["jti"] = rand.Text()
	if c.nonce != "" {
		claims["nonce"] = c.nonce
	}
	return s.signIDToken(user, claims)
}

// serveScriptRevoke is for google.accounts.id.revoke, which names a user, and for
// google.accounts.oauth2.revoke, which has an access token.
func (s *Server) serveScriptRevoke(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	var answer struct {
		Successful  bool   `json:"successful"`
		Error       string `json:"error,omitempty"`
		Description string `json:"error_description,omitempty"`
	}
	origin := r.Header.Get("Origin")
	c := s.ledger.client(r.PostForm.Get("client_id"))
	u := s.ledger.user(r.PostForm.Get("hint"))
	switch {
	case r.PostForm.Has("token"):
		if answer.Successful = s.ledger.revoke(r.PostForm.Get("token")); !answer.Successful {
			answer.Error, answer.Description = "invalid_token", "Token expired or revoked"
		}
	case c == nil || !slices.Contains(c.JavaScriptOrigins, origin):
		answer.Error = "The given origin is not allowed for the given client ID."
	case u == nil || !s.ledger.endGrant(c, u):
		answer.Error = "The user has granted nothing."
	default:
		answer.Successful = true
	}
	w.Header().Set("Access-Control-Allow-Origin", cmp.Or(origin, "*"))
	w.Header().Set("Vary", "Origin")
	writeJSON(w, http.StatusOK, answer)
}

// endGrant ends the user's consent for the client's project. It reports whether there
// was one.
func (l *ledger) endGrant(c *client, u *user) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := consentKey{c.project(), u.subject}
	_, granted := l.consents[key]
	l.end(key)
	return granted
}
