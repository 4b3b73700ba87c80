package tokenstore

import "net/http"

// What callers branch on, with errors.Is. Each has an HTTPStatus method, which
// exchange.HTTPStatus honours; the package comment has the table.
var (
	// ErrNotFound: no grant is kept for the user.
	ErrNotFound error = &sentinel{"no grant is kept", http.StatusNotFound}
	// ErrConflict: the grant has changed since it was read. The Manager reads
	// again and decides again, so it comes from a [Store], from
	// [Manager.Disconnect] when the user signs in meanwhile, or from a Manager
	// whose store never settles.
	ErrConflict error = &sentinel{"the grant has changed since it was read", http.StatusConflict}
	// ErrNeedsConsent: the user has to go through Google's consent screen
	// again. A [*ConsentError] says why.
	ErrNeedsConsent error = &sentinel{"the user's consent is needed", http.StatusForbidden}
	// ErrSealed: the record is there and cannot be opened: another key, another
	// user's record, a changed or a plaintext one. It stays as it is, and so does
	// the error at each sign-in without a new refresh token: log it loudly.
	// Mostly a key is missing, and with it back all is well. If it is gone for
	// good, answer as for ErrNeedsConsent: a sign-in with consent replaces the
	// record, and the refresh token in it is lost, also if the key turns up.
	ErrSealed error = &sentinel{"the record cannot be unsealed", http.StatusInternalServerError}
	// ErrSubject: the subject cannot be one, or the ID token is another user's.
	ErrSubject error = &sentinel{"wrong subject", http.StatusUnauthorized}
)

type sentinel struct {
	text   string
	status int
}

func (s *sentinel) Error() string   { return s.text }
func (s *sentinel) HTTPStatus() int { return s.status }
