package idtoken_test

import (
	"testing"

	"github.com/seed3a054f9c/googlesignin/idtoken"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redacttest"
)

func TestVerifierShowsNoCachedToken(t *testing.T) {
	v := newVerifier(t, func(c *idtoken.Config) { c.Audiences, c.CacheSize = []string{web}, 10 })
	token := issuer().Sign(payload())
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	form := `idtoken.Verifier{Audiences: ["` + web + `"]}`
	redacttest.Check(t, v, form, token)
	redacttest.Check(t, *v, form, token)
}
