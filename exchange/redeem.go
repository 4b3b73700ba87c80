package exchange

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/ctxerr"
	"github.com/seed3a054f9c/googlesignin/internal/detach"
)

// A RedirectURI is the redirect_uri under which a code was issued. Google redeems
// a code only under the same one (RFC 6749 section 4.1.3), so a backend that
// serves several kinds of apps says for each code where it came from.
//
// Any RedirectURI other than [App] and [Popup] is the exact redirect URI of the
// authorization request: scheme, case and trailing slash matter.
type RedirectURI string

const (
	// App is for the serverAuthCode of Google Sign-In on iOS and Android: no
	// browser was redirected, and redirect_uri is sent empty.
	App RedirectURI = ""

	// Popup is for the code client of Google Identity Services in its popup
	// mode (https://developers.google.com/identity/oauth2/web/guides/use-code-model).
	Popup RedirectURI = "postmessage"
)

// Exchange redeems a code that was issued under uri. It sends the code once: it
// neither tries again nor follows a redirect. There is one exception: a provider
// that asks for another nonce in the proof of Config.DPoP has redeemed nothing, and
// gets the code once more.
//
// When ctx ends, Exchange returns, but the request goes on: the code is spent, and
// the tokens are lost to the caller. A handler that must not lose them because an
// app has hung up passes context.WithoutCancel(r.Context()), as [Client.Handler]
// does. A request takes at most 30 seconds.
//
// Concurrent calls with the same code and uri share one request, and each gets
// its own copy of the result; with another uri the code is refused. For ten
// minutes after a code was redeemed, or may have been (the table in the package
// documentation says when), this Client refuses it as ErrInvalidGrant. It keeps
// the hashes of at most 8,192 such codes. If Google was not reached, refused the
// code, or asked to slow down, the same code may be tried again.
//
// The error is an [*Error].
func (c *Client) Exchange(ctx context.Context, code string, uri RedirectURI) (*Tokens, error) {
	resp, err := c.exchange(ctx, code, uri, "")
	if err != nil {
		return nil, err
	}
	return resp.tokens(), nil
}

// ExchangePKCE is [Client.Exchange] for a code that was asked for with a PKCE
// challenge (RFC 7636), whose codeVerifier the device sends along: a desktop or
// command-line program opens the browser, receives the code at a loopback
// address, and sends the code, the verifier and that address to the backend.
//
// A codeVerifier that RFC 7636 does not allow is refused as ErrBadRequest before
// anything is sent; a wrong one is ErrInvalidGrant.
func (c *Client) ExchangePKCE(ctx context.Context, code string, uri RedirectURI, codeVerifier string) (*Tokens, error) {
	if !isCodeVerifier(codeVerifier) {
		return nil, &Error{Op: opExchange, kind: ErrBadRequest, reason: "it is not a PKCE code verifier",
			hint: "A code verifier has 43 to 128 letters, digits and -._~ (RFC 7636 section 4.1). It is not the challenge, and is sent as it is."}
	}
	resp, err := c.exchange(ctx, code, uri, codeVerifier)
	if err != nil {
		return nil, err
	}
	return resp.tokens(), nil
}

// isCodeVerifier reports whether v has the form of RFC 7636 section 4.1.
func isCodeVerifier(v string) bool {
	return len(v) >= 43 && len(v) <= 128 && strings.IndexFunc(v, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r))
	}) < 0
}

// exchange redeems a code, or joins the redemption that is under way for it. All
// callers get the same response and must not change it.
func (c *Client) exchange(ctx context.Context, code string, uri RedirectURI, verifier string) (*response, error) {
	if err := checkCode(opExchange, code); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, notBegun(ctx, opExchange)
	}
	id := hashOf(code)
	r, begun, err := c.codes.claim(id, string(uri), verifier, c.cfg.Now())
	if err != nil {
		return nil, err
	}
	if begun {
		work := detach.From(ctx)
		defer work.Release()
		if ctx.Done() == nil { // no reason to leave early: no goroutine needed
			c.run(work, r, id, code)
		} else {
			code = strings.Clone(code) // a caller that leaves early may use the memory again
			detach.Go(func() { c.run(work, r, id, code) })
		}
	}
	return r.wait(ctx)
}

// run performs r, also if its callers give up.
func (c *Client) run(ctx context.Context, r *redemption, id codeID, code string) {
	spent := false
	defer func() {
		r.panicked = recover()
		c.codes.settle(id, spent, c.cfg.Now())
		close(r.done)
	}()
	r.response, r.err = c.redeem(ctx, code, r.uri, r.verifier, &spent)
}

// redeem sends a code. It sets spent if Google has redeemed the code, or may have,
// also if the transport panics.
func (c *Client) redeem(ctx context.Context, code, uri, verifier string, spent *bool) (*response, error) {
	f := make(form, 0, 6)
	f = append(f, param{"grant_type", "authorization_code"}, param{"code", code})
	f = append(f, param{"redirect_uri", uri}) // of App: present and empty
	if verifier != "" {
		f = append(f, param{"code_verifier", verifier})
	}
	resp, err := c.requestTokens(ctx, opExchange, f, c.dpop.first(), spent)
	if e, ok := errors.AsType[*Error](err); ok {
		*spent = e.ambiguous
		if e.ambiguous && e.hint == "" {
			e.hint = "Google may have redeemed the code, though no usable answer came back: have the app get a new one. This one is not sent again."
		}
	}
	return resp, err
}

// maxCode bounds a code. Google documents at most 256 bytes.
const maxCode = 512

// checkCode returns an error if code cannot be a code.
func checkCode(op, code string) error {
	e := &Error{Op: op, kind: errNotACode}
	switch {
	case code == "":
		e.reason = "it is empty"
		e.hint = "The app has sent no code: Google's SDKs give one only after an interactive sign-in, and only if they know this backend's server client ID."
	case len(code) > maxCode:
		e.reason = "it is longer than 512 bytes"
		e.hint = "The app has sent something else: an ID token, perhaps."
	case strings.ContainsFunc(code, notVSCHAR):
		e.reason = "it contains control characters, or characters other than ASCII"
		e.hint = aloneHint
	case strings.Trim(code, `"'`) != code:
		e.reason = "it has quotes around it"
		e.hint = aloneHint
	case percentEncoded(code):
		e.reason = "it is percent-encoded"
		e.hint = "The app encodes the code twice, so that the slash in it arrives as %2F: it has to encode it once, and not at all in JSON or a raw body."
	default:
		return nil
	}
	return e
}

const aloneHint = "The app has to send the code alone, without a line end or quotes around it. A JSON converter that writes a text body adds quotes."

// notVSCHAR reports whether RFC 6749 appendix A.11 does not allow r in a code.
func notVSCHAR(r rune) bool { return r < ' ' || r > '~' }

// percentEncoded reports whether there is a %XX in code. Google's codes have no
// per cent sign.
func percentEncoded(code string) bool {
	for {
		_, after, found := strings.Cut(code, "%")
		if !found {
			return false
		}
		if len(after) >= 2 && isHex(after[0]) && isHex(after[1]) {
			return true
		}
		code = after
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

const (
	keepSpent = 10 * time.Minute // the longest lifetime of a code in RFC 6749 section 4.1.2
	maxSpent  = 8192             // beyond that the oldest is forgotten
)

// codes remembers, as hashes, the codes under way and those that are spent or may
// be. RFC 6749 section 4.1.2 lets a provider revoke every token that came of a
// code when the code comes again.
type codes struct {
	mu       sync.Mutex
	underWay map[codeID]*redemption
	spent    map[codeID]int // the place in order
	order    []spentCode    // at most maxSpent; then the oldest is overwritten
	oldest   int            // its place, once order is full
}

type spentCode struct {
	id codeID
	at time.Time
}

// A redemption is one request with a code. All callers with the same code,
// redirect_uri and verifier wait for it.
type redemption struct {
	uri, verifier string
	done          chan struct{} // closed when the result below is there

	response *response
	err      error
	panicked any // what the transport panicked with
}

// A codeID is the hash of a code.
type codeID [16]byte

func hashOf(code string) codeID {
	sum := sha256.Sum256(append(make([]byte, 0, maxCode), code...)) // on the stack
	return codeID(sum[:len(codeID{})])
}

// claim returns the redemption that is under way for a code, or a new one, which
// the caller must run. It refuses a code that is spent, or under way with another
// redirect_uri or verifier.
func (c *codes) claim(id codeID, uri, verifier string, now time.Time) (r *redemption, begun bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.underWay[id]; r != nil {
		if r.uri != uri || r.verifier != verifier {
			return nil, false, &Error{Op: opExchange, kind: ErrInvalidGrant,
				reason: "the code is being redeemed under another redirect_uri or verifier"}
		}
		return r, false, nil
	}
	if place, ok := c.spent[id]; ok && recent(c.order[place].at, now) {
		return nil, false, &Error{Op: opExchange, kind: ErrInvalidGrant,
			reason: "this client has redeemed the code, or may have"}
	}
	if c.underWay == nil {
		c.underWay, c.spent = make(map[codeID]*redemption), make(map[codeID]int)
	}
	r = &redemption{uri: strings.Clone(uri), verifier: strings.Clone(verifier), done: make(chan struct{})}
	c.underWay[id] = r
	return r, true, nil
}

// settle ends a redemption that claim began.
func (c *codes) settle(id codeID, spent bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.underWay, id)
	if !spent {
		return
	}
	place := len(c.order)
	if place < maxSpent {
		c.order = append(c.order, spentCode{id, now})
	} else {
		place = c.oldest
		c.oldest = (place + 1) % maxSpent
		if old := c.order[place].id; c.spent[old] == place { // else it was spent once more, later
			delete(c.spent, old)
		}
		c.order[place] = spentCode{id, now}
	}
	c.spent[id] = place
}

// recent compares monotonic readings where now has one: setting the wall clock
// makes no code older.
func recent(at, now time.Time) bool { return now.Sub(at) < keepSpent }

// wait returns the result of r, or an error if ctx ends first. A panic of the
// transport is raised again in each caller, where net/http can recover it.
func (r *redemption) wait(ctx context.Context) (*response, error) {
	select {
	case <-r.done:
	case <-ctx.Done():
		select { // a result that is already there is worth more than the cancellation
		case <-r.done:
		default:
			return nil, ended(opExchange, ctxerr.Of(ctx))
		}
	}
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case r.response == nil && r.err == nil:
		return nil, &Error{Op: opExchange, kind: ErrTemporary, reason: "runtime.Goexit was called, perhaps by t.Fatal in a test's transport"}
	}
	return r.response, r.err
}
