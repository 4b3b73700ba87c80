package clients

import (
	"os/exec"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// google-auth and google-auth-oauthlib, Google's own for Python, in the versions
// that Debian has for its own interpreter.
func TestPython(t *testing.T) {
	python := guests.Python(t, "google_auth_oauthlib.flow", "python3-google-auth-oauthlib")
	srv := start(t, exchangetest.Options{})
	run(t, srv, exec.CommandContext(t.Context(), python, "testdata/python/google_auth.py"))
}
