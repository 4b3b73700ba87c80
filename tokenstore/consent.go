package tokenstore

import (
	"fmt"
	"net/http"
)

// The reasons of a [ConsentError] and of [Grant].Reason that the Manager itself
// gives. Another one is the error_subtype that came with Google's invalid_grant,
// or what [Manager.Revoked] was told.
const (
	// ReasonNone: no refresh token is kept for the user.
	ReasonNone = "none_kept"
	// ReasonInvalidGrant: Google refuses the refresh token: revoked, expired,
	// or pushed out by newer ones.
	ReasonInvalidGrant = "invalid_grant"
	// ReasonInvalidRAPT and ReasonRAPTRequired: the session control of the
	// user's organisation asks for a new login.
	ReasonInvalidRAPT  = "invalid_rapt"
	ReasonRAPTRequired = "rapt_required"
	// ReasonRevoked: [Manager.Revoked] was told so, without another reason.
	ReasonRevoked = "revoked"
)

// A ConsentError says that a user has to sign in with consent again, and why. It
// Is [ErrNeedsConsent]; where no refresh token is kept, it Is [ErrNotFound] too.
type ConsentError struct {
	Subject, Reason string

	absent bool
}

func noneKept(subject string) error { return &ConsentError{subject, ReasonNone, true} }

func needsConsent(subject, reason string) error { return &ConsentError{subject, reason, false} }

func (e *ConsentError) Error() string {
	return fmt.Sprintf("tokenstore: %s needs to give consent: %s", e.Subject, e.Reason)
}

// Is matches [ErrNeedsConsent], and [ErrNotFound] where none is kept.
func (e *ConsentError) Is(target error) bool {
	return target == ErrNeedsConsent || target == ErrNotFound && e.absent
}

// HTTPStatus returns 403.
func (e *ConsentError) HTTPStatus() int { return http.StatusForbidden }
