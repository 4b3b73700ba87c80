package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/internal/exactjson"
)

// maxBody bounds the body of a request that brings a code.
const maxBody = 4 << 10

// ReadCode reads the code that an app or a page sends:
//
//   - by POST (else 405);
//   - with a non-empty X-Requested-With header, which another site's page cannot
//     send unless this server answers CORS preflights permissively (else 403);
//   - from an origin that Config.CrossOrigin allows, if a browser says where it
//     comes from (else 403);
//   - as application/x-www-form-urlencoded with a field code, as
//     application/json with a member code, or alone as the body of
//     application/octet-stream or text/plain (else 415);
//   - not compressed (else 415), in a body of at most 4 KiB (else 413), before the
//     server's read timeout ends (else 408).
//
// The code must be there once and look like one (else 400). Other fields are
// ignored. The body is read only when everything before it is right. If a form
// has been parsed already, the code is taken from r.PostForm.
//
// The error is an [*Error] that Is ErrBadRequest; [Client.Fail] answers with it.
// These checks keep the pages of other sites out. They say nothing about who
// sends the code: sign in the user whom the ID token names, and no other.
func (c *Client) ReadCode(w http.ResponseWriter, r *http.Request) (code string, err error) {
	mediaType, err := c.checkRequest(r)
	if err != nil {
		return "", err
	}
	switch mediaType {
	case "application/x-www-form-urlencoded":
		code, err = codeFromForm(w, r)
	case "application/json":
		code, err = codeFromJSON(w, r)
	default:
		code, err = readBody(w, r)
	}
	if err != nil {
		return "", err
	}
	if err := checkCode(opReadCode, code); err != nil {
		return "", err
	}
	return code, nil
}

// checkRequest checks everything before the body, and returns the media type.
func (c *Client) checkRequest(r *http.Request) (mediaType string, err error) {
	if r.Method != http.MethodPost {
		return "", refuse(http.StatusMethodNotAllowed, "the method is not POST")
	}
	if r.Header.Get("X-Requested-With") == "" {
		return "", refuse(http.StatusForbidden, "the header X-Requested-With is missing")
	}
	if err := c.cfg.CrossOrigin.Check(r); err != nil {
		return "", refuse(http.StatusForbidden, "a page of another origin has sent it")
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", errCompressed()
	}
	mediaType, _, err = mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch mediaType {
	case "application/x-www-form-urlencoded", "application/json", "application/octet-stream", "text/plain":
		if err == nil {
			return mediaType, nil
		}
	}
	return "", refuse(http.StatusUnsupportedMediaType, "no code comes in its Content-Type")
}

// refuse returns the error of a request that is answered with status.
func refuse(status int, reason string) error {
	return &Error{Op: opReadCode, kind: ErrBadRequest, status: status, reason: reason}
}

func errCompressed() error {
	return &Error{Op: opReadCode, kind: ErrBadRequest, status: http.StatusUnsupportedMediaType, reason: "the body is compressed",
		hint: "The app, or a proxy, compresses the body (gzip, for example): it has to send it as it is."}
}

func codeFromForm(w http.ResponseWriter, r *http.Request) (string, error) {
	form := r.PostForm
	if form == nil {
		body, err := readBody(w, r)
		if err != nil {
			return "", err
		}
		if form, err = url.ParseQuery(body); err != nil {
			return "", refuse(http.StatusBadRequest, "the body is not a form")
		}
	}
	if len(form["code"]) > 1 {
		return "", refuse(http.StatusBadRequest, "there is more than one code")
	}
	return form.Get("code"), nil
}

func codeFromJSON(w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := readBody(w, r)
	if err != nil {
		return "", err
	}
	code := new(string)
	if err := exactjson.Members([]byte(body), map[string]any{"code": &code}); err != nil || code == nil { // null
		return "", refuse(http.StatusBadRequest, "the body is not a JSON object with one string named code")
	}
	return *code, nil
}

func readBody(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.Body == nil { // a server's request has one; http.NewRequest, in a test, may not
		return "", nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", refuse(http.StatusRequestEntityTooLarge, "the body is larger than 4 KiB")
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return "", &Error{Op: opReadCode, kind: ErrBadRequest, status: http.StatusRequestTimeout, reason: "the body came too slowly",
			hint: "The network of the app is slow: it can send the same code again. The limit is http.Server.ReadTimeout."}
	}
	if err != nil {
		return "", refuse(http.StatusBadRequest, "the body broke off")
	}
	if bytes.HasPrefix(body, []byte("\x1f\x8b")) { // gzip (RFC 1952), without saying so
		return "", errCompressed()
	}
	return string(body), nil
}

// handleTimeout is the time that signedIn has.
const handleTimeout = time.Minute

// Handler returns a handler that reads a code as [Client.ReadCode] does,
// exchanges it, and calls signedIn, which verifies t.IDToken, keeps the refresh
// token, and answers.
//
// From the moment the code is read, the sender's hanging up cancels nothing,
// because the code is spent: the context of signedIn's request has the values
// of the original and ends after a minute.
//
// On failure it answers as [Client.Fail] does. The app then gets a new code before
// it tries again: with the problem code "code_spent" at once, with "retry_later"
// after a while.
//
// Behind a proxy that changes Host, a page's request without Sec-Fetch-Site looks
// like one of another origin and gets 403: let the proxy keep Host, or name the
// page's origin in Config.CrossOrigin. docs/proxies.md has the lines for usual
// proxies. Do not put a CrossOriginProtection of your own around the mux: it
// refuses the POST of Google's button, which comes from another origin.
// http.TimeoutHandler answers the app earlier and does not end the exchange.
// signedIn must write a header or a body, because some adapters, for AWS Lambda
// among them, make 504 of an answer without and lose its cookies.
func (c *Client) Handler(uri RedirectURI, signedIn func(w http.ResponseWriter, r *http.Request, t *Tokens)) http.Handler {
	if signedIn == nil {
		panic("exchange: Handler: signedIn is nil") // now, rather than after a code is spent
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := c.ReadCode(w, r)
		if err != nil {
			c.Fail(w, r, err)
			return
		}
		ctx := context.WithoutCancel(r.Context())
		t, err := c.Exchange(ctx, code, uri)
		if err != nil {
			c.Fail(w, r, err)
			return
		}
		ctx, cancel := context.WithTimeout(ctx, handleTimeout)
		defer cancel()
		signedIn(w, r.WithContext(ctx), t)
	})
}
