package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
)

// RedirectConfig describes a sign-in by browser redirect. URI, Keys and
// Params.Scopes are required.
type RedirectConfig struct {
	// URI is the redirect URI, as registered: the address at which browsers
	// reach [Redirect.Handler], also where a proxy in front changes the host or
	// the path. It is https, or http on a loopback interface.
	URI string

	// Keys are for the cookies that keep a sign-in while the user is at Google.
	// Each is 32 random bytes. The first one seals, and all of them open. All
	// replicas need the same keys. To change a key, deploy {old, new}, then
	// {new, old}, and ten minutes later {new}.
	Keys [][]byte

	// Params are the parameters of the requests of [Redirect.Start].
	Params AuthParams

	// Home is the path of the page that signed-in users see first. It takes the
	// place of a return path that is empty, not local, or longer than 1,000
	// bytes. If empty, "/" is used.
	Home string

	// Failed writes the page that the user sees when a sign-in has failed. It
	// should offer a link to returnPath. err Is the sentinel of the failure, with
	// its HTTPStatus, and has no details; Config.OnError gets those. If the user
	// has signed in already, in another tab for example, Failed may redirect to
	// returnPath. If nil, a short page in English is used.
	Failed func(w http.ResponseWriter, r *http.Request, err error, returnPath string)
}

func (cfg RedirectConfig) redacted() redacted {
	return redacted(fmt.Sprintf("exchange.RedirectConfig{URI: %q, Keys: %d, Scopes: %q, Home: %q}",
		cfg.URI, len(cfg.Keys), cfg.Params.Scopes, cfg.Home))
}

// Format prints cfg without the keys, under every verb.
func (cfg RedirectConfig) Format(s fmt.State, verb rune) { cfg.redacted().Format(s, verb) }

// MarshalText returns the text that [RedirectConfig.Format] prints, for log/slog,
// encoding/json and other encoders. It cannot be read back.
func (cfg RedirectConfig) MarshalText() ([]byte, error) { return cfg.redacted().MarshalText() }

// GobEncode returns an error.
func (cfg RedirectConfig) GobEncode() ([]byte, error) { return cfg.redacted().GobEncode() }

// A Redirect signs users in by a browser redirect: Start sends the browser to
// Google, and Handler answers when it comes back. Make one with
// [Client.NewRedirect]. It is safe for concurrent use.
//
// Each sign-in has a cookie of its own, which Google's answer must match, so that
// one browser can have several under way. The cookie is encrypted and
// authenticated, ends after ten minutes, and holds a nonce, a PKCE verifier and
// the return path. Its name is a hash of the state. It is Secure, HttpOnly and
// SameSite=Lax, and has the prefix __Host-; with a loopback URI it is not Secure
// and has no prefix, because some browsers refuse both without https. The
// cookies of one browser take at most 3 KB: Start drops the oldest ones.
//
// For sessions on the server use [Client.NewAuthRequest] and
// [Client.ExchangeCallback] instead.
type Redirect struct {
	redacted
	client  *Client
	uri     string   // as registered: Google compares it character by character
	end     *url.URL // the same; where a failed sign-in ends
	params  AuthParams
	home    string
	failed  func(w http.ResponseWriter, r *http.Request, err error, returnPath string)
	pending *pendingCookies
}

// NewRedirect returns a Redirect for cfg, of which it keeps a copy. An error
// names the field that is wrong; if URI is not one of Config.RedirectURIs, it is
// ErrRedirectMismatch.
func (c *Client) NewRedirect(cfg RedirectConfig) (*Redirect, error) {
	if _, err := c.NewAuthRequest(cfg.URI, cfg.Params); err != nil {
		return nil, err
	}
	uri, err := endpoint.Parse(cfg.URI)
	if err != nil {
		return nil, errors.New("exchange: RedirectConfig.URI must be https, or http on a loopback interface")
	}
	home := cmp.Or(cfg.Home, "/")
	if !isLocalPath(home) {
		return nil, errors.New("exchange: RedirectConfig.Home is not the path of a page of this site")
	}
	pending, err := newPendingCookies(cfg.Keys, c.cfg.ClientID, uri)
	if err != nil {
		return nil, fmt.Errorf("exchange: RedirectConfig.Keys: %w", err)
	}
	rd := &Redirect{
		redacted: redacted(fmt.Sprintf("exchange.Redirect{URI: %q}", cfg.URI)),
		client:   c,
		uri:      cfg.URI,
		end:      uri,
		params:   cfg.Params,
		home:     home,
		failed:   cfg.Failed,
		pending:  pending,
	}
	rd.params.Scopes = slices.Clone(cfg.Params.Scopes)
	rd.params.Extra = make(url.Values, len(cfg.Params.Extra))
	for name, values := range cfg.Params.Extra {
		rd.params.Extra[name] = slices.Clone(values)
	}
	if rd.failed == nil {
		rd.failed = failedPage
	}
	return rd, nil
}

// Start sends the browser to Google, as RedirectConfig.Params say. After the
// sign-in, Handler gives returnPath to its function.
//
// returnPath is the path, query and fragment of a page of this site. It may come
// from a stranger: RedirectConfig.Home takes the place of one that leads to
// another site.
//
// If the browser only prefetches the page, or the request is a HEAD, the answer is
// 204 and nothing is started. Call Start before anything is written to w.
func (rd *Redirect) Start(w http.ResponseWriter, r *http.Request, returnPath string) {
	rd.StartWith(w, r, returnPath, rd.params)
}

// StartWith is [Redirect.Start] with other parameters: to force the consent
// screen, to ask for more scopes, or to say who the user is.
//
// The function of [Redirect.Handler] may call it to send a user back to Google
// for consent. If the user has just come from a sign-in with ForceConsent, then
// asking for it again fails like [Redirect.Fail], with ErrClient, instead of
// sending the user round in circles. An error in p fails the same way.
func (rd *Redirect) StartWith(w http.ResponseWriter, r *http.Request, returnPath string, p AuthParams) {
	if isPreview(r) {
		answerPreview(w)
		return
	}
	done, _ := r.Context().Value(doneKey{}).(done)
	if done.consent && p.ForceConsent {
		rd.fail(w, r, &Error{Op: opAuthorize, kind: ErrClient, reason: "the user has just consented, and is to consent again",
			hint: "If no refresh token came of it, look for AuthParams.OnlineOnly; if one came, look for what the function of Handler did with it."}, returnPath)
		return
	}
	req, err := rd.client.NewAuthRequest(rd.uri, p)
	if err != nil {
		rd.fail(w, r, err, returnPath)
		return
	}
	rd.pending.put(w, r, req.State, &pending{
		expires:     rd.client.cfg.Now().Add(pendingLifetime),
		nonce:       req.Nonce,
		verifier:    req.CodeVerifier,
		returnPath:  rd.localPath(returnPath),
		consent:     p.ForceConsent,
		otherScopes: !slices.Equal(p.Scopes, rd.params.Scopes),
	})
	seeOther(w, req.URL)
}

// Handler returns the handler for RedirectConfig.URI. When a browser comes back
// from Google, it redeems the code as [Client.ExchangeCallback] does and calls
// signedIn. That function verifies t.IDToken, keeps the refresh token, starts
// a session of its own, and redirects to returnPath (303), an address without
// code and state. returnPath is local. The nonce of t.IDToken has been compared
// already.
//
// A callback ends the sign-in whose state it brings, also if it fails, and touches
// no other. One with the state of no sign-in of this browser changes
// nothing: it came after more than ten minutes, from another browser or device,
// for the second time, from a stranger, or cookies are blocked. A second request
// for the same callback while the first is under way, as a browser or a proxy may
// send it, shares the result of the first; later it fails like a spent code. Nor
// does a HEAD request change anything, or a prefetch; the answer to both is 204.
//
// As with [Client.Handler], a browser that closes the connection cancels
// nothing, and the context of signedIn's request ends after a minute.
//
// On failure Config.OnError is told why, and the browser is redirected to URI
// with a parameter "failed" instead of code and state, where
// RedirectConfig.Failed answers. Answers have Cache-Control: no-store and
// Referrer-Policy: no-referrer; signedIn may set others.
func (rd *Redirect) Handler(signedIn func(w http.ResponseWriter, r *http.Request, t *Tokens, returnPath string)) http.Handler {
	if signedIn == nil {
		panic("exchange: Redirect.Handler: signedIn is nil") // now, rather than after a code is spent
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isPreview(r) {
			answerPreview(w)
			return
		}
		keepPrivate(w)
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		query := r.URL.Query()
		if kind := failureOf(query); kind != nil {
			rd.failed(w, r, &Error{Op: opCallback, kind: kind}, rd.localPath(query.Get(returnParam)))
			return
		}
		rd.finish(w, r, query, signedIn)
	})
}

// finish ends the sign-in that a callback belongs to.
func (rd *Redirect) finish(w http.ResponseWriter, r *http.Request, callback url.Values, signedIn func(http.ResponseWriter, *http.Request, *Tokens, string)) {
	p, err := rd.pending.take(w, r, callback["state"], rd.client.cfg.Now())
	if err != nil {
		rd.Fail(w, r, err)
		return
	}
	// From here on, closing the tab would cost the user's consent.
	ctx := context.WithValue(context.WithoutCancel(r.Context()), doneKey{}, done{p.returnPath, p.consent})
	r = r.WithContext(ctx)
	req := &AuthRequest{RedirectURI: rd.uri, State: callback.Get("state"), Nonce: p.nonce, CodeVerifier: p.verifier}
	if !p.otherScopes {
		req.Scopes = rd.params.Scopes
	}
	t, err := rd.client.ExchangeCallback(ctx, callback, req)
	if err != nil {
		rd.Fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handleTimeout)
	defer cancel()
	signedIn(w, r.WithContext(ctx), t, p.returnPath)
}

// done is the value of doneKey in the context of signedIn's request.
type done struct {
	returnPath string
	consent    bool // AuthParams.ForceConsent
}

type doneKey struct{}

// The parameters of the address at which a failed sign-in ends.
const (
	failedParam = "failed"
	returnParam = "return"
)

// Fail ends a sign-in that has failed in the function of [Redirect.Handler], in
// the same way as one that has failed before: Config.OnError is told, and the
// browser is redirected to where RedirectConfig.Failed answers. Call it with the
// request of that function, before anything is written to w. err may be of
// another package: its [ProblemCode] decides which sentinel Failed gets.
func (rd *Redirect) Fail(w http.ResponseWriter, r *http.Request, err error) {
	done, _ := r.Context().Value(doneKey{}).(done)
	rd.fail(w, r, err, done.returnPath)
}

func (rd *Redirect) fail(w http.ResponseWriter, r *http.Request, err error, returnPath string) {
	if tell := rd.client.cfg.OnError; tell != nil {
		tell(r, err)
	}
	end := *rd.end
	query := end.Query()
	query.Set(failedParam, failureName(err))
	query.Set(returnParam, rd.localPath(returnPath))
	end.RawQuery = query.Encode()
	seeOther(w, end.String())
}

// failures are the sentinels that RedirectConfig.Failed gets, by their problem
// codes, which are the values of failedParam.
var failures = [...]error{ErrDenied, ErrAccount, ErrTemporary, ErrState, ErrInvalidGrant, ErrBadRequest, ErrClient}

// failureName returns the problem code of err, or of the nearest in failures.
func failureName(err error) string {
	code := ProblemCode(err)
	switch {
	case code == problemConsent:
		return problemDenied
	case code == problemNotSignedIn:
		return problemNotStarted
	case slices.ContainsFunc(failures[:], func(kind error) bool { return ProblemCode(kind) == code }):
		return code
	}
	return problemServer
}

// failureOf returns the sentinel that the address of a failed sign-in names, or nil
// if the query is that of a callback.
func failureOf(query url.Values) error {
	for _, kind := range failures {
		if query.Get(failedParam) == ProblemCode(kind) {
			return kind
		}
	}
	return nil
}

// failedPage is the default of RedirectConfig.Failed.
func failedPage(w http.ResponseWriter, _ *http.Request, err error, returnPath string) {
	var text string
	switch {
	case errors.Is(err, ErrDenied):
		text = "You are not signed in. You or an administrator did not agree, or this account cannot be used here."
	case errors.Is(err, ErrAccount):
		text = "You are not signed in. You have chosen another Google Account than the one that is signed in here."
	case errors.Is(err, ErrTemporary):
		text = "Signing in does not work at the moment. Please try again later."
	case errors.Is(err, ErrClient):
		text = "Signing in does not work. The fault is on our side."
	default:
		text = "Signing in was not completed. This happens when it takes longer than ten minutes, or when cookies are blocked. Please try again."
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.WriteHeader(HTTPStatus(err))
	io.WriteString(w, `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Not signed in</title><p>`+
		text+`<p><a href="`+html.EscapeString(returnPath)+`">Back</a>`+"\n")
}

// seeOther redirects without a body, which would have the address in it.
func seeOther(w http.ResponseWriter, address string) {
	keepPrivate(w)
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther) // a GET, also after the POST of a form
}

// keepPrivate keeps an answer, and the address that it is at, from others.
func keepPrivate(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

// isPreview reports whether the user has not asked for the page yet: the request is
// a HEAD, or a browser prefetches. Sec-Purpose is of
// https://fetch.spec.whatwg.org/#sec-purpose-header, the other names are of older
// browsers.
func isPreview(r *http.Request) bool {
	if r.Method == http.MethodHead {
		return true
	}
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		purpose, _, _ := strings.Cut(r.Header.Get(name), ";") // as in prefetch;prerender
		switch strings.ToLower(strings.TrimSpace(purpose)) {
		case "prefetch", "preview":
			return true
		}
	}
	return false
}

func answerPreview(w http.ResponseWriter) {
	keepPrivate(w)
	w.WriteHeader(http.StatusNoContent)
}

// maxReturnPath bounds a return path, so that the cookies of two sign-ins fit into
// maxPendingBytes.
const maxReturnPath = 1000

func (rd *Redirect) localPath(returnPath string) string {
	if len(returnPath) > maxReturnPath || !isLocalPath(returnPath) {
		return rd.home
	}
	return returnPath
}

// isLocalPath reports whether a browser that is sent to address stays on this
// site: address is a path, perhaps with a query and a fragment, which no browser,
// proxy or router takes for the address of another host, and which none of them
// cleans into one.
func isLocalPath(address string) bool {
	if !utf8.ValidString(address) || strings.ContainsFunc(address, notInPath) {
		return false
	}
	raw := address
	if end := strings.IndexAny(address, "?#"); end >= 0 {
		raw = address[:end]
	}
	// As a router may see it, and redirect to it.
	decoded, err := url.PathUnescape(raw)
	return err == nil && isClean(raw) &&
		!strings.ContainsFunc(decoded, notInPath) && !strings.HasPrefix(decoded, "//") && !hasDots(decoded)
}

// notInPath reports characters that browsers remove from an address (control
// characters) or take for a slash.
func notInPath(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }

func isClean(p string) bool {
	return strings.HasPrefix(p, "/") && strings.TrimSuffix(p, "/") == strings.TrimSuffix(path.Clean(p), "/")
}

// hasDots reports whether a segment of p is "." or "..".
func hasDots(p string) bool {
	return slices.ContainsFunc(strings.Split(p, "/"), func(segment string) bool { return segment == "." || segment == ".." })
}
