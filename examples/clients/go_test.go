//go:build unix

package clients

import (
	"os/exec"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// Clients in Go with many dependencies are programs of testdata/go, a module of its own.

func TestGoth(t *testing.T) {
	program := guests.GoProgram(t, "goth", "./goth")
	srv, env := startAsGoogle(t, exchangetest.Options{})
	signsIn(t, srv, exec.CommandContext(t.Context(), program), env, true, "POST /token", "GET /oauth2/v2/userinfo")
}

// dex's connector for Google.
func TestDex(t *testing.T) {
	program := guests.GoProgram(t, "dex", "./dex")
	srv, env := startAsGoogle(t, exchangetest.Options{})
	signsIn(t, srv, exec.CommandContext(t.Context(), program), env, true,
		"GET /.well-known/openid-configuration", "POST /token", "GET /oauth2/v3/certs")
}
