package exchange

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
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
//   - in a body of at most 4 KiB (else 413).
//
// The code must be there once and look like one (else 400). Other fields are
// ignored. The body is read only when all before it is right. A form that
// something in front has parsed already is taken from r.PostForm.
//
// The error is an [*Error] that Is ErrBadRequest; answer with its [HTTPStatus].
// These checks keep other sites' pages out. They say nothing about who sends
// the code: sign in whoever the ID token names, and nobody else.
func (c *Client) ReadCode(w http.ResponseWriter, r *http.Request) (code string, err error) {
	kind, failed := c.checkRequest(r)
	if failed != nil {
		return "", failed
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		code, failed = codeFromForm(w, r)
	case "application/json":
		code, failed = codeFromJSON(w, r)
	default:
		code, failed = readBody(w, r)
	}
	if failed != nil {
		return "", failed
	}
	if failed := checkCode(opReadCode, code); failed != nil {
		return "", failed
	}
	return code, nil
}

// checkRequest checks all that comes before the body, and returns its type.
func (c *Client) checkRequest(r *http.Request) (mediaType string, failed *Error) {
	if r.Method != http.MethodPost {
		return "", refuse(http.StatusMethodNotAllowed, "the method is not POST")
	}
	if r.Header.Get("X-Requested-With") == "" {
		return "", refuse(http.StatusForbidden, "the header X-Requested-With is missing")
	}
	if err := c.cfg.CrossOrigin.Check(r); err != nil {
		return "", refuse(http.StatusForbidden, "a page of another origin has sent it")
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch mediaType {
	case "application/x-www-form-urlencoded", "application/json", "application/octet-stream", "text/plain":
		if err == nil {
			return mediaType, nil
		}
	}
	return "", refuse(http.StatusUnsupportedMediaType, "its Content-Type is none that a code comes in")
}

func refuse(status int, reason string) *Error {
	return &Error{Op: opReadCode, kind: ErrBadRequest, answer: status, reason: reason}
}

func codeFromForm(w http.ResponseWriter, r *http.Request) (string, *Error) {
	form := r.PostForm
	if form == nil {
		body, failed := readBody(w, r)
		if failed != nil {
			return "", failed
		}
		var err error
		if form, err = url.ParseQuery(body); err != nil {
			return "", refuse(http.StatusBadRequest, "the body is not a form")
		}
	}
	if len(form["code"]) > 1 {
		return "", refuse(http.StatusBadRequest, "there is more than one code")
	}
	return form.Get("code"), nil
}

func codeFromJSON(w http.ResponseWriter, r *http.Request) (string, *Error) {
	body, failed := readBody(w, r)
	if failed != nil {
		return "", failed
	}
	code, err := memberOf([]byte(body), "code")
	if err != nil {
		return "", refuse(http.StatusBadRequest, "the body is not a JSON object with one string named code")
	}
	return code, nil
}

func readBody(w http.ResponseWriter, r *http.Request) (string, *Error) {
	if r.Body == nil { // a server's request has one; http.NewRequest, in a test, may not
		return "", nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", refuse(http.StatusRequestEntityTooLarge, "the body is larger than 4 KiB")
	}
	if err != nil {
		return "", refuse(http.StatusBadRequest, "the body broke off")
	}
	return string(body), nil
}
