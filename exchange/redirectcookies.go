package exchange

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	pendingLifetime = 10 * time.Minute

	// Servers refuse requests with much more than this in cookies: by default
	// nginx, Apache and Varnish take 8 KB of header, which others share.
	maxPending      = 10
	maxPendingBytes = 3 << 10
)

// A pending sign-in is one whose user is at Google.
type pending struct {
	expires         time.Time
	nonce, verifier string
	returnPath      string
	consent         bool // AuthParams.ForceConsent
	otherScopes     bool // than those of RedirectConfig.Params
}

// marshal returns the lines of p: none of the strings contains a line end.
func (p *pending) marshal() []byte {
	flags := ""
	if p.consent {
		flags += "c"
	}
	if p.otherScopes {
		flags += "s"
	}
	return []byte(strings.Join([]string{strconv.FormatInt(p.expires.Unix(), 10), flags, p.nonce, p.verifier, p.returnPath}, "\n"))
}

func unmarshalPending(b []byte) *pending {
	lines := strings.Split(string(b), "\n")
	if len(lines) != 5 {
		return nil
	}
	expires, err := strconv.ParseInt(lines[0], 10, 64)
	if err != nil {
		return nil
	}
	return &pending{
		expires: time.Unix(expires, 0),
		consent: strings.Contains(lines[1], "c"), otherScopes: strings.Contains(lines[1], "s"),
		nonce: lines[2], verifier: lines[3], returnPath: lines[4],
	}
}

// pendingCookies keeps pending sign-ins in the browser, one a cookie. The name of
// a cookie is made from the state, and its value is sealed for that name: a
// value that opens belongs to the state.
type pendingCookies struct {
	prefix string
	secure bool

	// Functions, because fmt looks into the fields of a struct.
	seal func(plaintext, associated []byte) []byte
	open func(sealed, associated []byte) ([]byte, bool)
}

func newPendingCookies(keys [][]byte, clientID string, uri *url.URL) (*pendingCookies, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is none")
	}
	var aeads []cipher.AEAD
	for i, key := range keys {
		if len(key) != 32 {
			return nil, fmt.Errorf("key %d has %d bytes, not 32", i, len(key))
		}
		// A key of its own, so that the same secret can serve other purposes too,
		// and another client or URI does not take these cookies.
		info := "googlesignin/exchange.Redirect\x00" + clientID + "\x00" + uri.String()
		derived, err := hkdf.Key(sha256.New, key, nil, info, 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		aeads = append(aeads, aead)
	}
	c := &pendingCookies{prefix: "google_"}
	if uri.Scheme == "https" {
		c.secure = true
		c.prefix = "__Host-google_" // no other host can set it (RFC 6265bis section 4.1.3.2)
	}
	c.seal = func(plaintext, associated []byte) []byte { return aeads[0].Seal(nil, nil, plaintext, associated) }
	c.open = func(sealed, associated []byte) ([]byte, bool) {
		for _, aead := range aeads {
			if plaintext, err := aead.Open(nil, nil, sealed, associated); err == nil {
				return plaintext, true
			}
		}
		return nil, false
	}
	return c, nil
}

func (c *pendingCookies) name(state string) string {
	hash := sha256.Sum256([]byte(state))
	return c.prefix + base64.RawURLEncoding.EncodeToString(hash[:16])
}

// put sets the cookie of a sign-in that begins, and drops the oldest ones that
// leave no room for it.
func (c *pendingCookies) put(w http.ResponseWriter, r *http.Request, state string, p *pending) {
	name := c.name(state)
	value := base64.RawURLEncoding.EncodeToString(c.seal(p.marshal(), []byte(name)))
	found := c.all(r)
	number, size := len(found)+1, cookieSize(name, value)
	for _, f := range found {
		size += f.size
	}
	for _, f := range found {
		if number <= maxPending && size <= maxPendingBytes {
			break
		}
		c.set(w, f.name, "", -1)
		number--
		size -= f.size
	}
	c.set(w, name, value, int(pendingLifetime/time.Second))
}

// take returns the sign-in of a callback's state and ends it.
func (c *pendingCookies) take(w http.ResponseWriter, r *http.Request, states []string, now time.Time) (*pending, error) {
	if len(states) != 1 || states[0] == "" {
		return nil, notPending("its state is missing, or there are two", "")
	}
	name := c.name(states[0])
	cookies := r.CookiesNamed(name)
	if len(cookies) == 0 {
		return nil, notPending("no sign-in of this browser has its state",
			"The user took longer than ten minutes, came back for the second time or in another browser, or the browser blocks cookies. "+
				"If it happens to everyone, sign-ins start at another host than that of RedirectConfig.URI, or something in front removes cookies.")
	}
	for _, cookie := range cookies {
		p := c.opened(cookie)
		if p == nil {
			continue
		}
		c.set(w, name, "", -1)
		if !now.Before(p.expires) {
			return nil, notPending("its sign-in was begun more than ten minutes ago", "")
		}
		return p, nil
	}
	return nil, notPending("the cookie of its sign-in does not open",
		"It was sealed with a key that is not in RedirectConfig.Keys: give all replicas the same keys, and keep a replaced key for ten minutes.")
}

func notPending(reason, hint string) error {
	return &Error{Op: opCallback, kind: ErrState, reason: reason, hint: hint}
}

// cookieSize returns how many bytes of a Cookie header a cookie takes: name=value
// and a separator.
func cookieSize(name, value string) int { return len(name) + 1 + len(value) + 2 }

type foundCookie struct {
	name    string
	size    int
	expires time.Time // zero: it does not open
}

// all returns the browser's cookies of pending sign-ins, the oldest first. One
// that does not open is of no use to this Redirect, and counts as the oldest.
func (c *pendingCookies) all(r *http.Request) []foundCookie {
	var found []foundCookie
	for _, cookie := range r.Cookies() {
		if !strings.HasPrefix(cookie.Name, c.prefix) {
			continue
		}
		f := foundCookie{name: cookie.Name, size: cookieSize(cookie.Name, cookie.Value)}
		if p := c.opened(cookie); p != nil {
			f.expires = p.expires
		}
		found = append(found, f)
	}
	slices.SortStableFunc(found, func(a, b foundCookie) int { return cmp.Compare(a.expires.Unix(), b.expires.Unix()) })
	return found
}

func (c *pendingCookies) opened(cookie *http.Cookie) *pending {
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return nil
	}
	plaintext, ok := c.open(sealed, []byte(cookie.Name))
	if !ok {
		return nil
	}
	return unmarshalPending(plaintext)
}

// set sets a cookie, or removes it if maxAge is negative. SameSite is Lax,
// because the browser comes back from another site.
func (c *pendingCookies) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
