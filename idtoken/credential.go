package idtoken

import (
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// maxCredentialForm bounds the whole form: a token of at most 16 KiB and a few
// short fields.
const maxCredentialForm = 32 << 10

// CredentialFromRequest returns the ID token that Google's sign-in button or One
// Tap posts to a page's login_uri, as yet unverified. It makes sure that the
// request comes from a page of this site: the g_csrf_token of the form must be
// that of the cookie (double submit,
// https://developers.google.com/identity/gsi/web/guides/verify-google-id-token).
//
// The error has a method HTTPStatus() int, somewhere in its chain: 405 for
// another method than POST, 415 for another body than a form, 413 for one of
// more than 32 KiB, 400 for one that cannot be read or has no credential, and
// 403 for a g_csrf_token that is missing, doubled or not equal.
//
// The form is read from the body alone, and left in r.PostForm.
//
// The POST comes from accounts.google.com, so an [http.CrossOriginProtection]
// around the whole mux refuses it with 403. Leave this one path out, which has
// its own protection:
//
//	protection := http.NewCrossOriginProtection()
//	protection.AddInsecureBypassPattern("POST /google/login")
//	http.ListenAndServe(addr, protection.Handler(mux))
func CredentialFromRequest(w http.ResponseWriter, r *http.Request) (rawIDToken string, err error) {
	if r.Method != http.MethodPost {
		return "", &requestError{http.StatusMethodNotAllowed, "not a POST"}
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return "", &requestError{http.StatusUnsupportedMediaType, "not a form"}
	}
	if err := parseBody(w, r); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return "", &requestError{http.StatusRequestEntityTooLarge, "the form is longer than 32 KiB"}
		}
		return "", &requestError{http.StatusBadRequest, "the form cannot be read"}
	}
	if !sameSite(r) {
		return "", &requestError{http.StatusForbidden, "g_csrf_token of form and cookie are not the same"}
	}
	credentials := r.PostForm["credential"]
	if len(credentials) != 1 || credentials[0] == "" {
		return "", &requestError{http.StatusBadRequest, "the form has no credential"}
	}
	return credentials[0], nil
}

// parseBody is not ParseForm, which also fails for what is wrong with the query
// of the page's own URL.
func parseBody(w http.ResponseWriter, r *http.Request) error {
	if r.PostForm != nil { // parsed before
		return nil
	}
	if r.Body == nil { // as http.NewRequest leaves it, in a test
		return io.ErrUnexpectedEOF
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCredentialForm))
	if err != nil {
		return err
	}
	r.PostForm, err = url.ParseQuery(string(body))
	return err
}

// sameSite compares the two g_csrf_token. Of two cookies one may have been set
// by another host of the domain, so there must be one.
func sameSite(r *http.Request) bool {
	cookies, fields := r.CookiesNamed("g_csrf_token"), r.PostForm["g_csrf_token"]
	if len(cookies) != 1 || len(fields) != 1 || fields[0] == "" {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(cookies[0].Value), []byte(fields[0])) == 1
}

// requestError is why a request is refused. Its text has nothing from the
// request in it.
type requestError struct {
	status int
	reason string
}

func (e *requestError) Error() string   { return "idtoken: credential: " + e.reason }
func (e *requestError) HTTPStatus() int { return e.status }
