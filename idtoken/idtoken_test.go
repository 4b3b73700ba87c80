package idtoken_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

var sentinels = map[string]error{
	"ErrMalformed":       idtoken.ErrMalformed,
	"ErrSignature":       idtoken.ErrSignature,
	"ErrKeysUnavailable": idtoken.ErrKeysUnavailable,
	"ErrExpired":         idtoken.ErrExpired,
	"ErrNotYetValid":     idtoken.ErrNotYetValid,
	"ErrIssuer":          idtoken.ErrIssuer,
	"ErrAudience":        idtoken.ErrAudience,
	"ErrAuthorizedParty": idtoken.ErrAuthorizedParty,
	"ErrHostedDomain":    idtoken.ErrHostedDomain,
	"ErrNonce":           idtoken.ErrNonce,
	"ErrAccessToken":     idtoken.ErrAccessToken,
	"ErrClaim":           idtoken.ErrClaim,
	"ErrNoToken":         idtoken.ErrNoToken,
	"ErrNotRecent":       idtoken.ErrNotRecent,
	"ErrNotStrong":       idtoken.ErrNotStrong,
	"ErrNotSaid":         idtoken.ErrNotSaid,
}

// Each error is in the table of the package documentation, with its status.
func TestSentinelsAreComplete(t *testing.T) {
	declared := find(t, "errors.go", `(?m)^\t(Err\w+) error = `)
	documented := find(t, "idtoken.go", `(?m)^//.* (Err\w+) +(\d{3})$`)
	if len(declared) != len(sentinels) || len(documented) != len(sentinels) {
		t.Errorf("%d errors, %d in the documentation, %d here", len(declared), len(documented), len(sentinels))
	}
	for _, name := range declared {
		if sentinels[name[1]] == nil {
			t.Errorf("%s is not here", name[1])
		}
	}
	for _, row := range documented {
		if err := sentinels[row[1]]; err == nil || fmt.Sprint(statusOf(err)) != row[2] {
			t.Errorf("%s of the documentation has not status %s", row[1], row[2])
		}
	}
}

func find(t *testing.T, file, pattern string) [][]string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1)
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
