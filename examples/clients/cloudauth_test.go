package clients

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/idtoken"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// cloud.google.com/go/auth: the three-legged flow, and Google's own check of
// the ID token.
func TestCloudAuthThreeLegged(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	verifier := strings.Repeat("v", 64)
	options := &auth.Options3LO{
		ClientID: srv.ClientID(), ClientSecret: srv.ClientSecret(),
		AuthURL: srv.Endpoint().AuthURL, TokenURL: srv.Endpoint().TokenURL, RedirectURL: callback,
		AuthStyle: auth.StyleInParams, Scopes: []string{"openid", "email"}, Client: srv.Client(),
		AuthHandlerOpts: &auth.AuthorizationHandlerOptions{
			State:    "state-1",
			PKCEOpts: &auth.PKCEOptions{Challenge: verifier, ChallengeMethod: "plain", Verifier: verifier},
			Handler: func(authURL string) (code, state string, err error) {
				answer := signIn(t, srv, authURL)
				return answer.Get("code"), answer.Get("state"), nil
			},
		},
	}
	provider, err := auth.New3LOTokenProvider(options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := provider.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Metadata["id_token"].(string)
	validator, err := idtoken.NewValidator(&idtoken.ValidatorOptions{Client: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := validator.Validate(t.Context(), raw, srv.ClientID())
	if err != nil {
		t.Fatal(err)
	}
	if payload.Claims["email"] != jane || payload.Issuer != google {
		t.Errorf("payload %+v", payload)
	}
	if _, err := validator.Validate(t.Context(), raw, "another client"); err == nil {
		t.Error("an ID token for another audience was accepted")
	}
}

// The same library with a user's kept refresh token.
func TestCloudAuthAuthorizedUser(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	form := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}}))
	resp, err := srv.Client().PostForm(srv.Endpoint().TokenURL, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var tokens struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "authorized_user", "client_id": srv.ClientID(), "client_secret": srv.ClientSecret(),
		"refresh_token": tokens.RefreshToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	creds, err := credentials.NewCredentialsFromJSON(credentials.AuthorizedUser, file, &credentials.DetectOptions{
		Scopes: []string{appdata}, Client: srv.Client(), DisableAsyncRefresh: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := creds.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	removeAccess(t, srv, token.Value)
	creds, err = credentials.NewCredentialsFromJSON(credentials.AuthorizedUser, file, &credentials.DetectOptions{
		Scopes: []string{appdata}, Client: srv.Client(), DisableAsyncRefresh: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = creds.Token(t.Context())
	refused, ok := errors.AsType[*auth.Error](err)
	if !ok || refused.Response.StatusCode != http.StatusBadRequest || !strings.Contains(string(refused.Body), "invalid_grant") {
		t.Errorf("after access was removed: %v", err)
	}
}
