package clients

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// zitadel/oidc's relying party.
func TestZitadel(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	ctx := t.Context()
	party, err := rp.NewRelyingPartyOIDC(ctx, google, srv.ClientID(), srv.ClientSecret(), callback,
		[]string{"openid", "email", "profile"}, rp.WithHTTPClient(srv.Client()))
	if err != nil {
		t.Fatal(err)
	}
	verifier := strings.Repeat("v", 64)
	authURL := rp.AuthURL("state-1", party, rp.WithCodeChallenge(oidc.NewSHACodeChallenge(verifier)))
	answer := signIn(t, srv, authURL+"&access_type=offline")
	tokens, err := rp.CodeExchange[*oidc.IDTokenClaims](ctx, answer.Get("code"), party, rp.WithCodeVerifier(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if tokens.IDTokenClaims.Email != jane || tokens.IDTokenClaims.AuthorizedParty != srv.ClientID() {
		t.Errorf("ID token of %s, azp %s", tokens.IDTokenClaims.Email, tokens.IDTokenClaims.AuthorizedParty)
	}
	subject := tokens.IDTokenClaims.Subject
	info, err := rp.Userinfo[*oidc.UserInfo](ctx, tokens.AccessToken, "Bearer", subject, party)
	if err != nil {
		t.Fatal(err)
	}
	if info.Email != jane || !bool(info.EmailVerified) {
		t.Errorf("user info of %s", info.Email)
	}
	renewed, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if renewed.IDTokenClaims.Subject != subject {
		t.Errorf("subject %s after the refresh, want %s", renewed.IDTokenClaims.Subject, subject)
	}

	if err := rp.RevokeToken(ctx, party, tokens.RefreshToken, "refresh_token"); err != nil {
		t.Fatal(err)
	}
	_, err = rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
	if refused, ok := errors.AsType[*oidc.Error](err); !ok || refused.ErrorType != "invalid_grant" {
		t.Errorf("refresh after revocation: %v", err)
	}
}
