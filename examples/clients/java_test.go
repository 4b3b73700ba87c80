package clients

import (
	"os/exec"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// google-api-client and google-oauth-client, Google's own for Java, in the
// versions that Debian has.
func TestJava(t *testing.T) {
	jars := guests.Java(t)
	srv := start(t, exchangetest.Options{})
	run(t, srv, exec.CommandContext(t.Context(), "java", "-cp", jars, "testdata/java/Guest.java"))
}
