package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

// Rows of docs/google.md that several steps are about.
const (
	rowIssuer   = "A callback carries `iss`"
	rowCodeOnce = "A code works once"
	rowExact    = "A registered redirect URI is compared"
	rowApproval = "`approval_prompt=force` works at"
	rowNames    = "The answer names scopes by their long names"
	rowConsent  = "One comes only with `access_type=offline`"
	rowUntick   = "Users untick scopes"
	rowNarrower = "A narrower consent brings a narrower token"
	rowErrors   = "An error has `error`"
	rowSecret   = "The client's secret is taken"
	rowMembers  = "The answer to a code has"
	rowSizes    = "Codes have at most 256 bytes"
	rowOnly     = "A code for `drive.appdata` alone"
	rowRevoke   = "Revoking any token ends all"
	rowSpent    = "A wrong try ends a code"
	rowPKCE     = "A wrong `code_verifier`"
	rowRefresh  = "A refresh brings no new refresh token"
	rowIDClaims = "The ID token of a code has"
	rowIDAgain  = "The ID token of a refresh has"
	rowVerified = "`email_verified` is a boolean"
	rowOldInfo  = "Under `/oauth2/v1` and `/oauth2/v2`"
	rowInfo     = "tokeninfo writes every value as a string"
	rowUserInfo = "userinfo has the claims"
	rowInQuery  = "userinfo takes the access token in its query"
	rowBound    = "A web client may bind its refresh tokens"
	rowNonce    = "`use_dpop_nonce` redeems nothing"
	rowProof    = "The proof's `jti` at the exchange must be that hash"
	rowUnbound  = "A refresh token from before works without a proof"
)

// ofTheAccount are claims that depend on the account, and not on Google.
var ofTheAccount = []string{"name", "given_name", "family_name", "picture", "hd", "locale", "profile"}

func (r *run) discovery(ctx context.Context) error {
	doc, err := r.get(ctx, discovery, "")
	if err != nil {
		return err
	}
	fields := doc.fields()
	r.see("issuer", either(doc.text("issuer"), "https://accounts.google.com", "accounts.google.com"), rowIssuer)
	announced, _ := fields["authorization_response_iss_parameter_supported"].(bool)
	r.see("iss of callbacks is announced", yes(announced), rowIssuer)
	var ways []string
	all, _ := fields["token_endpoint_auth_methods_supported"].([]any)
	for _, way := range all {
		name, _ := way.(string)
		ways = append(ways, word(name))
	}
	slices.Sort(ways)
	r.see("ways to send the secret", strings.Join(ways, ", "), rowSecret)

	keys, err := r.get(ctx, certsURL, "")
	if err != nil {
		return err
	}
	const row = "Keys change without notice"
	var set struct{ Keys []map[string]any }
	if json.Unmarshal(keys.body, &set) != nil || len(set.Keys) == 0 {
		return errors.New("there are no keys")
	}
	r.see("members of a key", names(set.Keys[0]), row)
	r.see("Cache-Control of the keys has max-age", yes(strings.Contains(keys.header.Get("Cache-Control"), "max-age=")), row)
	return nil
}

func (r *run) errorPages(ctx context.Context) error {
	for _, p := range []struct {
		name, row string
		edit      func(url.Values)
	}{
		{"another redirect URI", rowExact, func(q url.Values) { q.Set("redirect_uri", "https://example.com/livecheck") }},
		{"the redirect URI and a slash", rowExact, func(q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"/") }},
		{"approval_prompt=auto", rowApproval, func(q url.Values) { q.Set("approval_prompt", "auto") }},
		{"approval_prompt beside prompt", rowApproval, func(q url.Values) {
			q.Set("approval_prompt", "force")
			q.Set("prompt", "consent")
		}},
	} {
		req, err := r.oauth.NewAuthRequest(r.google.redirectURI, exchange.AuthParams{Scopes: []string{"openid"}})
		if err != nil {
			return err
		}
		address, err := (&visit{edit: p.edit}).address(req.URL)
		if err != nil {
			return err
		}
		page, err := r.get(ctx, address, "") // without a browser's cookies: such errors come first
		if err != nil {
			return err
		}
		r.see("error shown for "+p.name, page.pageError(), p.row)
	}
	return nil
}

var signInScopes = []string{"openid", "email", "profile"}

func (r *run) denial(ctx context.Context) error {
	back, _, err := r.comesBack(ctx, "the browser comes back", rowUntick, visit{
		do:     "choose the account for this check, and then Cancel on the page that asks for access.",
		choice: exchangetest.Choice{Deny: true}, fails: true,
		params: exchange.AuthParams{Scopes: append(signInScopes, appData), ForceConsent: true, SelectAccount: true},
	})
	if err != nil {
		return err
	}
	r.see("members of the callback", names(back), rowIssuer)
	r.see("iss", issuer(back.Get("iss")), rowIssuer)
	return nil
}

func issuer(s string) string {
	return either(s, "https://accounts.google.com", "accounts.google.com")
}

func (r *run) signIn(ctx context.Context) error {
	back, req, err := r.visit(ctx, visit{
		do:     "choose the same account, untick the files that you use with this app (drive.file), leave its own configuration data (drive.appdata) ticked, and continue.",
		choice: exchangetest.Choice{Declined: []string{someFile}},
		params: exchange.AuthParams{
			Scopes: append(signInScopes, appData, someFile), ForceConsent: true, SelectAccount: true, OnlyTheseScopes: true,
		},
		check: func(back url.Values) string {
			granted := strings.Fields(back.Get("scope"))
			if slices.Contains(granted, someFile) || !slices.Contains(granted, appData) {
				return "Please untick drive.file only."
			}
			return ""
		},
	})
	if err != nil {
		return err
	}
	r.see("members of the callback", names(back, "hd"), rowIssuer)
	r.see("iss", issuer(back.Get("iss")), rowIssuer)
	r.see("scopes in the callback", scopes(back.Get("scope")), rowUntick)
	r.see("code", length(back.Get("code"), "4/", 256), rowSizes)

	refused, err := r.redeem(ctx, back, req, "client_secret", "GOCSPX-not-the-secret")
	if err != nil {
		return err
	}
	r.see("a wrong secret", refused.outcome(), "A wrong secret is 401")
	r.see("members of an error", refused.members(), rowErrors)

	tokens, raw, err := r.exchange(ctx, r.oauth, back, req)
	if err != nil {
		return err
	}
	profile, err := r.verifier.Verify(ctx, tokens.IDToken, idtoken.Nonce(req.Nonce), idtoken.AccessToken(tokens.AccessToken))
	if err != nil {
		return err
	}
	r.subject, r.access, r.raw = profile.Subject, tokens.AccessToken, raw
	r.see("members of the answer", raw.members(), rowMembers)
	r.see("token_type", either(raw.text("token_type"), "Bearer"), rowMembers)
	r.see("expires_in", lifetime(raw.fields()["expires_in"]), rowMembers)
	r.see("refresh_token_expires_in", lifetime(raw.fields()["refresh_token_expires_in"]), "They end after 7 days in a project in Testing")
	r.see("scopes in the answer", scopes(raw.text("scope")), rowUntick)
	r.see("order of the scopes", order(raw.text("scope")), rowNames)
	r.see("access token", length(tokens.AccessToken, "ya29.", 2048), rowSizes)
	r.see("refresh token", length(tokens.RefreshToken, "1//", 512), rowSizes)
	return nil
}

// part decodes one segment of an ID token, 0 being its header.
func part(token string, i int) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		return nil
	}
	return (&answer{body: b}).fields()
}

func (r *run) idToken(context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	token := r.raw.text("id_token")
	header, claims := part(token, 0), part(token, 1)
	str := func(name string) string { s, _ := claims[name].(string); return s }
	number := func(name string) float64 { f, _ := claims[name].(float64); return f }
	r.see("members of the header", names(header), rowIDClaims)
	r.see("claims", names(claims, ofTheAccount...), rowIDClaims)
	r.see("iss", issuer(str("iss")), "`iss` has two spellings")
	r.see("aud and azp are the client", yes(str("aud") == r.google.client.ClientID && str("azp") == str("aud")), rowIDClaims)
	r.see("exp less iat", lifetime(number("exp")-number("iat")), rowIDClaims)
	r.see("email_verified", kind(claims["email_verified"]), rowVerified)
	return nil
}

func (r *run) refresh(ctx context.Context) error {
	token, err := r.first()
	if err != nil || r.raw == nil {
		return errNoSignIn
	}
	r.tap.take()
	renewed, err := r.oauth.Refresh(ctx, token)
	if err != nil {
		return err
	}
	raw, err := r.tokens(last(r.tap.take()), nil)
	if err != nil {
		return err
	}
	r.access = renewed.AccessToken
	r.see("members of the answer", raw.members("refresh_token_expires_in"), rowRefresh)
	r.see("scopes in the answer", scopes(raw.text("scope")), rowNames)
	r.see("expires_in", lifetime(raw.fields()["expires_in"]), rowMembers)
	again := raw.text("id_token")
	claims := part(again, 1)
	r.see("claims of the ID token", names(claims, ofTheAccount...), rowIDAgain)
	r.see("profile in the ID token", profileLeft(part(r.raw.text("id_token"), 1), claims), rowIDAgain)
	_, err = r.verifier.Verify(ctx, again, idtoken.AccessToken(renewed.AccessToken))
	r.see("at_hash is the new access token's", yes(err == nil), rowIDAgain)

	narrow, err := r.renew(ctx, tokenURL, token, "scope", "openid")
	if err != nil {
		return err
	}
	r.see("for fewer scopes", narrow.outcome(), rowRefresh)
	r.see("scopes in the answer for fewer", scopes(narrow.text("scope")), rowRefresh)
	for _, address := range []string{oauth2API + "v3/token", oauth2API + "v4/token", "https://accounts.google.com/o/oauth2/token"} {
		a, err := r.renew(ctx, address, token, "", "")
		if err != nil {
			return err
		}
		u, _ := url.Parse(address)
		r.see("at "+u.Path, a.outcome(), "The token endpoint is also at")
	}
	return r.refreshRefused(ctx, token)
}

func (r *run) refreshRefused(ctx context.Context, token string) error {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	basic := &http.Request{Header: header}
	basic.SetBasicAuth(url.QueryEscape(r.google.client.ClientID), url.QueryEscape(r.google.client.ClientSecret))
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	a, err := r.tokens(r.send(ctx, http.MethodPost, tokenURL, header, form.Encode()))
	if err != nil {
		return err
	}
	r.see("the secret by HTTP Basic", a.outcome(), rowSecret)
	for _, c := range []struct{ name, parameter, value, row string }{
		{"a wrong secret", "client_secret", "GOCSPX-not-the-secret", "A wrong secret is 401"},
		{"a refresh token that is none", "refresh_token", "1//0livecheck-not-a-token", rowErrors},
		{"scopes that were not granted", "scope", someFile, rowErrors},
	} {
		if a, err = r.renew(ctx, tokenURL, token, c.parameter, c.value); err != nil {
			return err
		}
		r.see(c.name, a.outcome(), c.row)
	}
	return nil
}

// profileLeft returns how much of a first ID token's profile a second one has.
func profileLeft(first, second map[string]any) string {
	had, has := 0, 0
	for _, name := range []string{"name", "given_name", "family_name", "picture"} {
		if first[name] != nil {
			had++
			if second[name] != nil {
				has++
			}
		}
	}
	switch {
	case has == had:
		return "all"
	case has == 0:
		return "none"
	}
	return "some"
}

func (r *run) userInfo(ctx context.Context) error {
	if r.access == "" {
		return errNoSignIn
	}
	for _, c := range []struct{ name, address, row string }{
		{"today's", userInfo, rowUserInfo},
		{"/oauth2/v3", oauth2API + "v3/userinfo", rowUserInfo},
		{"/oauth2/v2", oauth2API + "v2/userinfo", rowOldInfo},
		{"/oauth2/v1", oauth2API + "v1/userinfo", rowOldInfo},
	} {
		a, err := r.get(ctx, c.address, r.access)
		if err != nil {
			return err
		}
		r.see("members of "+c.name, a.members(ofTheAccount...), c.row)
		if c.address == userInfo {
			r.see("email_verified", kind(a.fields()["email_verified"]), rowVerified)
		}
	}
	a, err := r.get(ctx, userInfo+"?access_token="+url.QueryEscape(r.access), "")
	if err != nil {
		return err
	}
	r.see("the token in the query", a.outcome(), rowInQuery)
	if a, err = r.get(ctx, userInfo, "ya29.livecheck-not-a-token"); err != nil {
		return err
	}
	r.see("a token that is none", a.outcome(), rowUserInfo)
	r.see("WWW-Authenticate for it", present(a.header.Get("WWW-Authenticate") != ""), rowUserInfo)
	return nil
}

func (r *run) tokenInfo(ctx context.Context) error {
	if r.access == "" {
		return errNoSignIn
	}
	for _, c := range []struct{ name, query, row string }{
		{"an access token", tokenInfo + "?access_token=" + url.QueryEscape(r.access), rowInfo},
		{"an ID token", tokenInfo + "?id_token=" + url.QueryEscape(r.raw.text("id_token")), rowInfo},
		{"an access token, at /oauth2/v2", oauth2API + "v2/tokeninfo?access_token=" + url.QueryEscape(r.access), rowOldInfo},
		{"an access token, at /oauth2/v1", oauth2API + "v1/tokeninfo?access_token=" + url.QueryEscape(r.access), rowOldInfo},
	} {
		a, err := r.get(ctx, c.query, "")
		if err != nil {
			return err
		}
		r.see("members for "+c.name, a.members(ofTheAccount...), c.row)
		if c.row == rowInfo {
			strings := true
			for _, v := range a.fields() {
				strings = strings && kind(v) == "a string"
			}
			r.see("all are strings for "+c.name, yes(strings), c.row)
		}
	}
	a, err := r.get(ctx, tokenInfo+"?access_token=ya29.livecheck-not-a-token", "")
	if err != nil {
		return err
	}
	r.see("a token that is none", a.outcome(), rowInfo)
	return nil
}

// silent is a visit for scopes that are granted already, by the person who is known.
func (r *run) silent(scopes ...string) visit {
	return visit{params: exchange.AuthParams{Scopes: scopes, OnlyTheseScopes: true, LoginHint: r.subject}}
}

// consent is a visit with the consent screen.
func (r *run) consent(do string, scopes ...string) visit {
	v := r.silent(scopes...)
	v.do, v.params.ForceConsent = do, true
	return v
}

const allow = "allow all that the page asks for."

func (r *run) secondSignIn(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	back, _, raw, err := r.signedIn(ctx, r.silent(append(signInScopes, appData)...))
	if err != nil {
		return err
	}
	r.see("prompt in the callback", either(back.Get("prompt"), "none", "consent"), rowConsent)
	r.see("members of the answer", raw.members(), rowConsent)
	return nil
}

func (r *run) authClaims(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	v := r.silent(signInScopes...)
	v.params.AuthTime, v.params.Methods = true, true
	_, tokens, _, err := r.signedIn(ctx, v)
	if err != nil {
		return err
	}
	const row = "`auth_time` and `amr` come on request only"
	claims := part(tokens.IDToken, 1)
	r.see("auth_time", kind(claims["auth_time"]), row)
	r.see("amr", kind(claims["amr"]), row)
	return nil
}

func (r *run) driveOnly(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	_, _, raw, err := r.signedIn(ctx, r.silent(appData))
	if err != nil {
		return err
	}
	r.see("members of the answer", raw.members(), rowOnly)
	r.see("scopes in the answer", scopes(raw.text("scope")), rowOnly)
	return nil
}

func (r *run) codeTwice(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	back, req, err := r.visit(ctx, r.silent(signInScopes...))
	if err != nil {
		return err
	}
	first, err := r.redeem(ctx, back, req, "", "")
	if err != nil {
		return err
	}
	second, err := r.redeem(ctx, back, req, "", "")
	if err != nil {
		return err
	}
	r.see("for the first time", first.outcome(), rowCodeOnce)
	r.see("for the second time", second.outcome(), rowCodeOnce)
	info, err := r.get(ctx, userInfo, first.text("access_token"))
	if err != nil {
		return err
	}
	r.see("the first access token after it", info.outcome(), "A code that is used twice ends the tokens")
	return nil
}

// spoiled redeems a code with one thing wrong, and then as it should be.
func (r *run) spoiled(ctx context.Context, name, row, parameter, value string) error {
	back, req, err := r.visit(ctx, r.silent(signInScopes...))
	if err != nil {
		return err
	}
	a, err := r.redeem(ctx, back, req, parameter, value)
	if err != nil {
		return err
	}
	r.see(name, a.outcome(), row)
	if a, err = r.redeem(ctx, back, req, "", ""); err != nil {
		return err
	}
	r.see("the code after "+name, a.outcome(), rowSpent)
	return nil
}

func (r *run) wrongRedirect(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	for _, c := range []struct{ name, value string }{
		{"another redirect URI", "https://example.com/livecheck"},
		{"postmessage", string(exchange.Popup)},
		{"an empty redirect URI", string(exchange.App)},
	} {
		if err := r.spoiled(ctx, c.name, rowCodeOnce, "redirect_uri", c.value); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) wrongVerifier(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	if err := r.spoiled(ctx, "another verifier", rowPKCE, "code_verifier", rand.Text()+rand.Text()); err != nil {
		return err
	}
	return r.spoiled(ctx, "no verifier", rowPKCE, "code_verifier", "")
}

func (r *run) narrowerConsent(ctx context.Context) error {
	wide, err := r.first()
	if err != nil || r.raw == nil {
		return errNoSignIn
	}
	_, _, raw, err := r.signedIn(ctx, r.consent(allow, "openid"))
	if err != nil {
		return err
	}
	r.see("refresh token", present(raw.text("refresh_token") != ""), rowConsent)
	r.see("scopes in the answer", scopes(raw.text("scope")), rowNarrower)
	a, err := r.renew(ctx, tokenURL, wide, "", "")
	if err != nil {
		return err
	}
	r.see("the wider refresh token after it", a.outcome(), rowNarrower)
	r.see("its scopes", scopes(a.text("scope")), rowNarrower)

	v := r.consent(allow, "openid")
	v.params.OnlyTheseScopes = false
	if _, _, raw, err = r.signedIn(ctx, v); err != nil {
		return err
	}
	r.see("scopes with include_granted_scopes", scopes(raw.text("scope")), rowNarrower)
	return nil
}

func (r *run) untickedLater(ctx context.Context) error {
	wide, err := r.first()
	if err != nil || r.raw == nil {
		return errNoSignIn
	}
	const row = "Unticking a scope later takes"
	v := r.consent("untick the app's own configuration data (drive.appdata) if there is a box, and continue.", append(signInScopes, appData, someFile)...)
	v.choice.Declined = []string{appData}
	_, _, raw, err := r.signedIn(ctx, v)
	if err != nil {
		return err
	}
	r.see("scopes in the answer", scopes(raw.text("scope")), row)
	a, err := r.renew(ctx, tokenURL, wide, "", "")
	if err != nil {
		return err
	}
	r.see("the earlier refresh token", a.outcome(), row)
	r.see("its scopes", scopes(a.text("scope")), row)
	return nil
}

func (r *run) approvalPrompt(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	for _, c := range []struct{ name, page, do string }{
		{"the old address", oldAuthURL, allow},
		{"today's address", authURL, ""},
	} {
		v := r.silent(signInScopes...)
		v.page, v.do = c.page, c.do
		v.edit = func(q url.Values) { q.Set("approval_prompt", "force") }
		back, req, err := r.comesBack(ctx, "the browser comes back from "+c.name, rowApproval, v)
		if err != nil {
			return err
		}
		if back.Get("code") == "" {
			continue
		}
		tokens, _, err := r.exchange(ctx, r.oauth, back, req)
		if err != nil {
			return err
		}
		r.see("refresh token by "+c.name, present(tokens.RefreshToken != ""), rowApproval)
	}
	return nil
}

func (r *run) dpop(ctx context.Context) error {
	unbound, err := r.first()
	if err != nil || r.raw == nil {
		return errNoSignIn
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	client, err := r.newClient(func(cfg *exchange.Config) { cfg.DPoP = key })
	if err != nil {
		return err
	}
	back, req, err := r.visit(ctx, r.consent(allow, signInScopes...))
	if err != nil {
		return err
	}
	r.tap.take()
	tokens, err := client.ExchangeCallback(ctx, back, req)
	answers := r.tap.take()
	r.see("an exchange with a proof", outcomes(answers), rowNonce)
	if err != nil {
		return err
	}
	r.keep(tokens)
	r.see("token_type", either(last(answers).text("token_type"), "Bearer", "DPoP"), rowBound)
	_, err = client.Refresh(ctx, tokens.RefreshToken)
	r.see("a refresh with a proof", outcomes(r.tap.take()), rowNonce)
	if err != nil {
		return err
	}
	a, err := r.renew(ctx, tokenURL, tokens.RefreshToken, "", "")
	if err != nil {
		return err
	}
	r.see("a refresh without a proof", a.outcome(), rowProof)
	if _, err = client.Refresh(ctx, unbound); err != nil {
		return err
	}
	r.see("an unbound refresh token with a proof", last(r.tap.take()).outcome(), rowProof)
	if a, err = r.renew(ctx, tokenURL, unbound, "", ""); err != nil {
		return err
	}
	r.see("and without one after it", a.outcome(), rowUnbound)
	return nil
}

func (r *run) revocation(ctx context.Context) error {
	earlier, err := r.first()
	if err != nil || r.raw == nil {
		return errNoSignIn
	}
	if err := r.deleteFiles(ctx); err != nil { // the access ends now
		return err
	}
	a, err := r.post(ctx, revokeURL, url.Values{"token": {r.refreshes[len(r.refreshes)-1]}})
	if err != nil {
		return err
	}
	r.granted = r.granted && a.status != http.StatusOK
	r.see("a refresh token", a.outcome(), rowRevoke)
	for _, c := range []struct {
		name string
		ask  func() (*answer, error)
	}{
		{"a refresh after it, with an earlier refresh token", func() (*answer, error) { return r.renew(ctx, tokenURL, earlier, "", "") }},
		{"the access token after it", func() (*answer, error) { return r.get(ctx, userInfo, r.access) }},
	} {
		a, err := r.refused(ctx, c.ask)
		if err != nil {
			return err
		}
		r.see(c.name, a.outcome(), rowRevoke)
	}
	if a, err = r.post(ctx, revokeURL, url.Values{"token": {earlier}}); err != nil {
		return err
	}
	r.see("the same once more", a.outcome(), "Revoking an ended token")
	return nil
}

// refused asks until Google refuses, for a minute at most: a revocation may take a
// while.
func (r *run) refused(ctx context.Context, ask func() (*answer, error)) (*answer, error) {
	for range 12 {
		a, err := ask()
		if err != nil || a.status >= 400 {
			return a, err
		}
		if err := r.google.pause(ctx, 5*time.Second); err != nil {
			return nil, err
		}
	}
	return ask()
}

func (r *run) silence(ctx context.Context) error {
	if r.raw == nil {
		return errNoSignIn
	}
	v := r.silent(signInScopes...)
	v.params.Extra = url.Values{"prompt": {"none"}}
	_, _, err := r.comesBack(ctx, "the browser comes back", "`prompt=none` comes back", v)
	return err
}
