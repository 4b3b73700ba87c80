package clients

import (
	"context"
	"os/exec"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// The Python libraries are in the versions that Debian has for its own interpreter.

func python(ctx context.Context, interpreter, script string) *exec.Cmd {
	return exec.CommandContext(ctx, interpreter, "-B", "testdata/python/"+script)
}

// google-auth and google-auth-oauthlib, Google's own.
func TestPython(t *testing.T) {
	interpreter := guests.Python(t, "google_auth_oauthlib.flow", "python3-google-auth-oauthlib")
	srv := start(t, exchangetest.Options{})
	t.Setenv("http_proxy", "http://127.0.0.1:9") // of a developer's machine, which does not lead to the fake
	run(t, srv, python(t.Context(), interpreter, "google_auth.py"))
}

// withRedirectURI has one client, and jane with further claims.
func withRedirectURI(uri string, claims map[string]any) exchangetest.Options {
	return exchangetest.Options{
		Clients: []exchangetest.Client{{RedirectURIs: []string{uri}}},
		Users:   []exchangetest.User{{Email: jane, Claims: claims}},
	}
}

func TestDjangoAllauth(t *testing.T) {
	interpreter := guests.Python(t, "allauth", "python3-django-allauth")
	srv, env := startAsGoogle(t, withRedirectURI(origin+"/google/login/callback/", nil))
	signsIn(t, srv, python(t.Context(), interpreter, "django_allauth.py"), env, false,
		"POST /o/oauth2/token", "GET /oauth2/v1/userinfo")
}

// python-social-auth has two backends for Google. The one for OpenID Connect accepts
// the short spelling of Google's issuer alone.
func TestPythonSocialAuth(t *testing.T) {
	interpreter := guests.Python(t, "social_django, jose", "python3-social-django python3-jose")
	t.Run("google-oauth2", func(t *testing.T) {
		srv, env := startAsGoogle(t, withRedirectURI(origin+"/complete/google-oauth2/", nil))
		env = append(env, "BACKEND=social_core.backends.google.GoogleOAuth2")
		signsIn(t, srv, python(t.Context(), interpreter, "social_auth.py"), env, true,
			"POST /o/oauth2/token", "GET /oauth2/v3/userinfo")
	})
	t.Run("google-openidconnect", func(t *testing.T) {
		srv, env := startAsGoogle(t, withRedirectURI(origin+"/complete/google-openidconnect/",
			map[string]any{"iss": "accounts.google.com"}))
		env = append(env, "BACKEND=social_core.backends.google_openidconnect.GoogleOpenIdConnect")
		signsIn(t, srv, python(t.Context(), interpreter, "social_auth.py"), env, true,
			"GET /.well-known/openid-configuration", "POST /o/oauth2/token", "GET /oauth2/v3/certs", "GET /v1/userinfo")
	})
}

func TestAuthlib(t *testing.T) {
	interpreter := guests.Python(t, "authlib.integrations.requests_client, django", "python3-authlib python3-django python3-requests")
	srv, env := startAsGoogle(t, exchangetest.Options{})
	signsIn(t, srv, python(t.Context(), interpreter, "authlib_django.py"), env, true,
		"GET /.well-known/openid-configuration", "POST /token", "GET /oauth2/v3/certs", "GET /v1/userinfo")
}
