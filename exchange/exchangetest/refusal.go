package exchangetest

import (
	"fmt"
	"net/http"
)

// A refusal is an error response: the HTTP status and the members of its body.
type refusal struct {
	status      int
	code        string
	description string
	subtype     string
}

func (r *refusal) Error() string { return fmt.Sprintf("error %d: %s", r.status, r.code) }

func badRequest(code, description string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, description: description}
}

func unauthorized(code, description string) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: code, description: description}
}

func missingParameter(name string) *refusal {
	return badRequest("invalid_request", "Missing required parameter: "+name)
}

var (
	errMalformedCode = badRequest("invalid_grant", "Malformed auth code.")
	errDeadCode      = badRequest("invalid_grant", "Bad Request")
	errEndedToken    = badRequest("invalid_grant", "Token has been expired or revoked.")
	errForeign       = unauthorized("unauthorized_client", "Unauthorized")
	errNoAccount     = badRequest("invalid_grant", "The account has been deleted")
	errBlocked       = badRequest("admin_policy_enforced", "Bad Request")
	errProtected     = badRequest("policy_enforced", "Bad Request")
	errReauth        = &refusal{
		status: http.StatusBadRequest, code: "invalid_grant",
		description: "reauth related error (invalid_rapt)", subtype: "invalid_rapt",
	}
)

// refusal returns why the account cannot be used, or nil.
func (u *user) refusal() *refusal {
	switch {
	case u == nil:
		return nil // not known yet
	case u.deleted:
		return errNoAccount
	case u.blocked:
		return errBlocked
	case u.protected:
		return errProtected
	}
	return nil
}

// refusal returns why the client cannot be used, or nil.
func (c *client) refusal() *refusal {
	switch {
	case c == nil:
		return unauthorized("invalid_client", "The OAuth client was not found.")
	case c.deleted:
		return unauthorized("deleted_client", "The OAuth client was deleted.")
	}
	return nil
}

// refusal returns why the user cannot sign in to the client, or nil.
func (l *ledger) refusal(c *client, u *user) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	if no := c.refusal(); no != nil {
		return no
	}
	return u.refusal()
}
