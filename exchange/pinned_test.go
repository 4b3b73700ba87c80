package exchange_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// What one release writes and a later one reads, and the names on which apps branch.

var update = flag.Bool("update", false, "write the golden file of Redirect anew")

// The golden file is the query of the authorization page, and the name and the value
// of the cookie, of a sign-in that began at start.
func TestRedirectCookieIsPinned(t *testing.T) {
	s := newSite(t)
	file := filepath.Join("testdata", "redirect.golden")
	if *update {
		res := s.newBrowser().do("GET", "/login?to=/maps?zoom=3")
		to, err := res.Location()
		if err != nil {
			t.Fatal(err)
		}
		cookie := res.Cookies()[0]
		if err := os.WriteFile(file, []byte(to.RawQuery+"\n"+cookie.Name+"\n"+cookie.Value+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	callback, err := s.google.Authorize(s.config.Endpoint.AuthURL+"?"+lines[0], exchangetest.Choice{User: jane})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("GET", callback.String(), nil)
	req.AddCookie(&http.Cookie{Name: lines[1], Value: lines[2]})
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, req)
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/maps?zoom=3" {
		t.Errorf("%d to %q, want 303 to the return path; errors: %v", rec.Code, rec.Header().Get("Location"), s.told)
	}
}

func TestAuthRequestIsPinned(t *testing.T) {
	const pinned = `{"url":"https://accounts.google.com/o/oauth2/v2/auth?state=s","redirect_uri":"https://example.com/cb",` +
		`"state":"s","nonce":"n","code_verifier":"v","scopes":["openid"]}`
	want := exchange.AuthRequest{
		URL: "https://accounts.google.com/o/oauth2/v2/auth?state=s", RedirectURI: "https://example.com/cb",
		State: "s", Nonce: "n", CodeVerifier: "v", Scopes: []string{"openid"},
	}
	var got exchange.AuthRequest
	if err := json.Unmarshal([]byte(pinned), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("unmarshaled: %v, %v", got, err)
	}
	if text, err := json.Marshal(want); err != nil || string(text) != pinned {
		t.Errorf("marshaled: %s, %v", text, err)
	}
}

// Apps branch on these codes, so none is renamed or removed.
func TestProblemCodesArePinned(t *testing.T) {
	want := []string{"bad_request", "code_spent", "consent_required", "denied", "not_signed_in", "not_started",
		"other_account", "retry_later", "server_error"}
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	var constants []string
	for _, match := range regexp.MustCompile(`(?m)^\tproblem\w+ += "(\w+)"$`).FindAllSubmatch(source, -1) {
		constants = append(constants, string(match[1]))
	}
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^//\t([a-z]+_[a-z_]+|denied) `).FindAllSubmatch(source, -1) {
		documented = append(documented, string(match[1]))
	}
	if !slices.Equal(constants, want) || !slices.Equal(documented, want) {
		t.Errorf("the codes are %q, and the documented ones %q; want %q", constants, documented, want)
	}
}
