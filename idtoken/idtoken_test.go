package idtoken_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

var sentinels = []error{
	idtoken.ErrMalformed, idtoken.ErrSignature, idtoken.ErrKeysUnavailable, idtoken.ErrExpired, idtoken.ErrNotYetValid,
	idtoken.ErrIssuer, idtoken.ErrAudience, idtoken.ErrAuthorizedParty, idtoken.ErrHostedDomain, idtoken.ErrNonce,
	idtoken.ErrAccessToken, idtoken.ErrClaim, idtoken.ErrNoToken, idtoken.ErrNotRecent, idtoken.ErrNotStrong, idtoken.ErrNotSaid,
}

// expectOnly fails unless err is want, and no sentinel that want is not.
func expectOnly(t *testing.T, err, want error) {
	t.Helper()
	if want == nil {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("accepted, want %v", want)
	}
	for _, s := range sentinels {
		if got := errors.Is(err, s); got != errors.Is(want, s) {
			t.Errorf("error is %q: errors.Is %q = %v, want %v only", err, s, got, want)
		}
	}
	status, ok := errors.AsType[statusError](err)
	if wantStatus := statusOf(want); !ok || status.HTTPStatus() != wantStatus {
		t.Errorf("error %q has no HTTPStatus %d", err, wantStatus)
	}
}

func statusOf(sentinel error) int {
	switch sentinel {
	case idtoken.ErrKeysUnavailable:
		return http.StatusServiceUnavailable
	case idtoken.ErrNotSaid:
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

func TestCorpus(t *testing.T) {
	for _, tc := range corpus() {
		t.Run(tc.name, func(t *testing.T) {
			p, err := newVerifier(t, tc.config).Verify(t.Context(), tc.token)
			expectOnly(t, err, tc.want)
			if err != nil {
				if p != nil {
					t.Error("a profile beside the error")
				}
				checkText(t, err, tc.token)
			}
			claim := ""
			if e, ok := errors.AsType[*idtoken.ClaimError](err); ok {
				claim = e.Claim
			}
			if err != nil && claim != tc.claim {
				t.Errorf("ClaimError for %q, want %q: %v", claim, tc.claim, err)
			}
		})
	}
}

// checkText fails if the text of an error is unfit for a log line, or tells any
// part of a token.
func checkText(t *testing.T, err error, token string) {
	t.Helper()
	text := err.Error()
	if strings.Count(text, "idtoken:") != 1 || !strings.HasPrefix(text, "idtoken: ") || len(text) > 400 || strings.ContainsAny(text, "\r\n\x00") {
		t.Errorf("unfit for a log: %q", text)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 16 && strings.Contains(text, part[:16]) {
			t.Errorf("error tells the token: %q", text)
		}
	}
}

type statusError interface {
	error
	HTTPStatus() int
}
