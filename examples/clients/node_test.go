package clients

import (
	"os/exec"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func TestNode(t *testing.T) {
	dir := guests.NPM(t)
	node := func(t *testing.T, script string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "node", script)
		cmd.Dir = dir
		return cmd
	}
	t.Run("google-auth-library", func(t *testing.T) { // Google's own
		srv := start(t, exchangetest.Options{})
		run(t, srv, node(t, "google-auth-library.mjs"))
	})
	t.Run("openid-client", func(t *testing.T) { // all by discovery, and with iss on the redirect
		srv := start(t, exchangetest.Options{OwnIssuer: true})
		run(t, srv, node(t, "openid-client.mjs"))
	})
	t.Run("Auth.js", func(t *testing.T) {
		srv, env := startAsGoogle(t, withRedirectURI(origin+"/api/auth/callback/google", nil))
		signsIn(t, srv, node(t, "authjs.mjs"), env, false,
			"GET /.well-known/openid-configuration", "POST /token")
	})
	t.Run("better-auth", func(t *testing.T) {
		srv, env := startAsGoogle(t, withRedirectURI(origin+"/api/auth/callback/google", nil))
		signsIn(t, srv, node(t, "better-auth.mjs"), env, true, "POST /token")
	})
	t.Run("arctic", func(t *testing.T) {
		srv, env := startAsGoogle(t, exchangetest.Options{})
		signsIn(t, srv, node(t, "arctic.mjs"), env, true, "POST /token", "POST /revoke")
	})
}
