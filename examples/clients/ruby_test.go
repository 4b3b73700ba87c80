package clients

import (
	"os/exec"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// googleauth, Google's own for Ruby, in the version that Debian has. It asks for
// consent with approval_prompt=force, so that the second sign-in has a refresh token
// too.
func TestRuby(t *testing.T) {
	ruby := guests.Ruby(t)
	srv, env := startAsGoogle(t, exchangetest.Options{})
	env = append(env, "PATH=") // or it runs the gcloud of this machine, for each of its credentials
	signsIn(t, srv, exec.CommandContext(t.Context(), ruby, "testdata/ruby/googleauth.rb"), env, true,
		"POST /token", "GET /oauth2/v1/certs")
}
