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
	rowWrong    = "A wrong secret is 401"
	rowKeys     = "Keys change without notice"
	rowAuthTime = "`auth_time` and `amr` come on request only"
	rowUnticked = "Unticking a scope later takes"
	rowUnbound  = "A refresh token from before works without a proof"
)

// ofTheAccount are claims that depend on the account, and not on Google.
var ofTheAccount = []string{"name", "given_name", "family_name", "picture", "hd", "locale", "profile"}

func (r *run) discovery(ctx context.Context) {
	doc := r.get(ctx, discovery, "")
	fields := doc.fields()
	r.see("issuer", issuer(doc.text("issuer")), rowIssuer)
	announced, _ := fields["authorization_response_iss_parameter_supported"].(bool)
	r.see("iss of callbacks is announced", yes(announced), rowIssuer)
	ways := map[string]bool{}
	all, _ := fields["token_endpoint_auth_methods_supported"].([]any)
	for _, way := range all {
		name, _ := way.(string)
		ways[name] = true
	}
	r.see("ways to send the secret", names(ways), rowSecret)

	keys := r.get(ctx, certsURL, "")
	var set struct{ Keys []map[string]any }
	if json.Unmarshal(keys.body, &set) != nil || len(set.Keys) == 0 {
		r.fail(errors.New("there are no keys"))
		return
	}
	r.see("members of a key", names(set.Keys[0]), rowKeys)
	r.see("Cache-Control of the keys has max-age", yes(strings.Contains(keys.header.Get("Cache-Control"), "max-age=")), rowKeys)
}

func issuer(s string) string {
	return either(s, "https://accounts.google.com", "accounts.google.com")
}

func (r *run) errorPages(ctx context.Context) {
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
			r.fail(err)
			return
		}
		v := visit{edit: p.edit}
		page := r.get(ctx, v.address(req.URL), "") // without a browser's cookies: such errors come first
		r.see("error shown for "+p.name, page.pageError(), p.row)
	}
}

var signInScopes = []string{"openid", "email", "profile"}

func (r *run) denial(ctx context.Context) {
	back, _ := r.comesBack(ctx, "the browser comes back", rowUntick, visit{
		do:     "choose the account for this check, and then Cancel on the page that asks for access.",
		choice: exchangetest.Choice{Deny: true}, fails: true,
		params: exchange.AuthParams{Scopes: append(signInScopes, appData), ForceConsent: true, SelectAccount: true},
	})
	r.see("members of the callback", names(back), rowIssuer)
	r.see("iss", issuer(back.Get("iss")), rowIssuer)
}

func (r *run) signIn(ctx context.Context) {
	back, req := r.visit(ctx, visit{
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
	r.see("members of the callback", names(back, "hd"), rowIssuer)
	r.see("iss", issuer(back.Get("iss")), rowIssuer)
	r.see("scopes in the callback", scopes(back.Get("scope")), rowUntick)
	r.see("code", length(back.Get("code"), "4/", 256), rowSizes)

	refused := r.redeem(ctx, back, req, "client_secret", "GOCSPX-not-the-secret")
	r.see("a wrong secret", refused.outcome(), rowWrong)
	r.see("members of an error", refused.members(), rowErrors)

	tokens, raw := r.exchange(ctx, back, req)
	if r.err != nil {
		return
	}
	profile, err := r.verifier.Verify(ctx, tokens.IDToken, idtoken.Nonce(req.Nonce), idtoken.AccessToken(tokens.AccessToken))
	if err != nil {
		r.fail(err)
		return
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

func (r *run) idToken(context.Context) {
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
}

func (r *run) refresh(ctx context.Context) {
	token := r.first()
	raw := r.renew(ctx, tokenURL, token, "", "")
	r.see("members of the answer", raw.members("refresh_token_expires_in"), rowRefresh)
	r.see("scopes in the answer", scopes(raw.text("scope")), rowNames)
	r.see("expires_in", lifetime(raw.fields()["expires_in"]), rowMembers)
	claims := part(raw.text("id_token"), 1)
	r.see("claims of the ID token", names(claims, ofTheAccount...), rowIDAgain)
	r.see("profile in the ID token", profileLeft(part(r.raw.text("id_token"), 1), claims), rowIDAgain)
	_, err := r.verifier.Verify(ctx, raw.text("id_token"), idtoken.AccessToken(raw.text("access_token")))
	r.see("at_hash is the new access token's", yes(err == nil), rowIDAgain)

	narrow := r.renew(ctx, tokenURL, token, "scope", "openid")
	r.see("for fewer scopes", narrow.outcome(), rowRefresh)
	r.see("scopes in the answer for fewer", scopes(narrow.text("scope")), rowRefresh)
	for _, a := range []struct{ host, path string }{
		{"https://www.googleapis.com", "/oauth2/v3/token"}, {"https://www.googleapis.com", "/oauth2/v4/token"},
		{"https://accounts.google.com", "/o/oauth2/token"},
	} {
		r.see("at "+a.path, r.renew(ctx, a.host+a.path, token, "", "").outcome(), "The token endpoint is also at")
	}
	basic := &http.Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	basic.SetBasicAuth(url.QueryEscape(r.google.client.ClientID), url.QueryEscape(r.google.client.ClientSecret))
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	r.see("the secret by HTTP Basic", r.keep(r.send(ctx, http.MethodPost, tokenURL, basic.Header, form.Encode())).outcome(), rowSecret)
	r.see("a wrong secret", r.renew(ctx, tokenURL, token, "client_secret", "GOCSPX-not-the-secret").outcome(), rowWrong)
	r.see("a refresh token that is none", r.renew(ctx, tokenURL, "1//0livecheck-not-a-token", "", "").outcome(), rowErrors)
	r.see("scopes that were not granted", r.renew(ctx, tokenURL, token, "scope", someFile).outcome(), rowErrors)
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
	switch has {
	case had:
		return "all"
	case 0:
		return "none"
	}
	return "some"
}

func (r *run) userInfo(ctx context.Context) {
	today := r.get(ctx, userInfo, r.access)
	r.see("members of today's", today.members(ofTheAccount...), rowUserInfo)
	r.see("email_verified", kind(today.fields()["email_verified"]), rowVerified)
	for _, v := range []struct{ version, row string }{{"v1", rowOldInfo}, {"v2", rowOldInfo}, {"v3", rowUserInfo}} {
		a := r.get(ctx, oauth2API+v.version+"/userinfo", r.access)
		r.see("members of /oauth2/"+v.version, a.members(ofTheAccount...), v.row)
	}
	r.see("the token in the query", r.get(ctx, userInfo+"?access_token="+url.QueryEscape(r.access), "").outcome(), rowInQuery)
	refused := r.get(ctx, userInfo, "ya29.livecheck-not-a-token")
	r.see("a token that is none", refused.outcome(), rowUserInfo)
	r.see("WWW-Authenticate for it", present(refused.header.Get("WWW-Authenticate") != ""), rowUserInfo)
}

func (r *run) tokenInfo(ctx context.Context) {
	access := "?access_token=" + url.QueryEscape(r.access)
	for _, of := range []struct{ name, query string }{
		{"an access token", access}, {"an ID token", "?id_token=" + url.QueryEscape(r.raw.text("id_token"))},
	} {
		a := r.get(ctx, tokenInfo+of.query, "")
		strings := true
		for _, v := range a.fields() {
			strings = strings && kind(v) == "a string"
		}
		r.see("members for "+of.name, a.members(ofTheAccount...), rowInfo)
		r.see("all are strings for "+of.name, yes(strings), rowInfo)
	}
	for _, version := range []string{"v1", "v2"} {
		a := r.get(ctx, oauth2API+version+"/tokeninfo"+access, "")
		r.see("members for an access token, at /oauth2/"+version, a.members(ofTheAccount...), rowOldInfo)
	}
	r.see("a token that is none", r.get(ctx, tokenInfo+"?access_token=ya29.livecheck-not-a-token", "").outcome(), rowInfo)
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

func (r *run) secondSignIn(ctx context.Context) {
	back, raw := r.signedIn(ctx, r.silent(append(signInScopes, appData)...))
	r.see("prompt in the callback", either(back.Get("prompt"), "none", "consent"), rowConsent)
	r.see("members of the answer", raw.members(), rowConsent)
}

func (r *run) authClaims(ctx context.Context) {
	v := r.silent(signInScopes...)
	v.params.AuthTime, v.params.Methods = true, true
	_, raw := r.signedIn(ctx, v)
	claims := part(raw.text("id_token"), 1)
	r.see("auth_time", kind(claims["auth_time"]), rowAuthTime)
	r.see("amr", kind(claims["amr"]), rowAuthTime)
}

func (r *run) driveOnly(ctx context.Context) {
	_, raw := r.signedIn(ctx, r.silent(appData))
	r.see("members of the answer", raw.members(), rowOnly)
	r.see("scopes in the answer", scopes(raw.text("scope")), rowOnly)
}

func (r *run) codeTwice(ctx context.Context) {
	back, req := r.visit(ctx, r.silent(signInScopes...))
	first := r.redeem(ctx, back, req, "", "")
	r.see("for the first time", first.outcome(), rowCodeOnce)
	r.see("for the second time", r.redeem(ctx, back, req, "", "").outcome(), rowCodeOnce)
	info := r.get(ctx, userInfo, first.text("access_token"))
	r.see("the first access token after it", info.outcome(), "A code that is used twice ends the tokens")
}

// spoiled redeems a code with one thing wrong, and then as it should be.
func (r *run) spoiled(ctx context.Context, name, row, parameter, value string) {
	back, req := r.visit(ctx, r.silent(signInScopes...))
	r.see(name, r.redeem(ctx, back, req, parameter, value).outcome(), row)
	r.see("the code after "+name, r.redeem(ctx, back, req, "", "").outcome(), rowSpent)
}

func (r *run) wrongRedirect(ctx context.Context) {
	r.spoiled(ctx, "another redirect URI", rowCodeOnce, "redirect_uri", "https://example.com/livecheck")
	r.spoiled(ctx, "postmessage", rowCodeOnce, "redirect_uri", string(exchange.Popup))
	r.spoiled(ctx, "an empty redirect URI", rowCodeOnce, "redirect_uri", string(exchange.App))
}

func (r *run) wrongVerifier(ctx context.Context) {
	r.spoiled(ctx, "another verifier", rowPKCE, "code_verifier", rand.Text()+rand.Text())
	r.spoiled(ctx, "no verifier", rowPKCE, "code_verifier", "")
}

func (r *run) narrowerConsent(ctx context.Context) {
	_, raw := r.signedIn(ctx, r.consent(allow, "openid"))
	r.see("refresh token", present(raw.text("refresh_token") != ""), rowConsent)
	r.see("scopes in the answer", scopes(raw.text("scope")), rowNarrower)
	wide := r.renew(ctx, tokenURL, r.first(), "", "")
	r.see("the wider refresh token after it", wide.outcome(), rowNarrower)
	r.see("its scopes", scopes(wide.text("scope")), rowNarrower)
	v := r.consent(allow, "openid")
	v.params.OnlyTheseScopes = false
	_, raw = r.signedIn(ctx, v)
	r.see("scopes with include_granted_scopes", scopes(raw.text("scope")), rowNarrower)
}

func (r *run) untickedLater(ctx context.Context) {
	const do = "untick the app's own configuration data (drive.appdata) if there is a box, and continue."
	v := r.consent(do, append(signInScopes, appData, someFile)...)
	v.choice.Declined = []string{appData}
	_, raw := r.signedIn(ctx, v)
	r.see("scopes in the answer", scopes(raw.text("scope")), rowUnticked)
	earlier := r.renew(ctx, tokenURL, r.first(), "", "")
	r.see("the earlier refresh token", earlier.outcome(), rowUnticked)
	r.see("its scopes", scopes(earlier.text("scope")), rowUnticked)
}

func (r *run) approvalPrompt(ctx context.Context) {
	for _, c := range []struct{ name, page, do string }{
		{"the old address", oldAuthURL, allow},
		{"today's address", authURL, ""},
	} {
		v := r.silent(signInScopes...)
		v.page, v.do = c.page, c.do
		v.edit = func(q url.Values) { q.Set("approval_prompt", "force") }
		back, req := r.comesBack(ctx, "the browser comes back from "+c.name, rowApproval, v)
		if back.Get("code") != "" {
			_, raw := r.exchange(ctx, back, req)
			r.see("refresh token by "+c.name, present(raw.text("refresh_token") != ""), rowApproval)
		}
	}
}

// dpop makes proofs by package exchange. What its client gets for them are the facts.
func (r *run) dpop(ctx context.Context) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.fail(err)
		return
	}
	client, err := r.newClient(key)
	if err != nil {
		r.fail(err)
		return
	}
	back, req := r.visit(ctx, r.consent(allow, signInScopes...))
	if r.err != nil {
		return
	}
	r.tap.take()
	tokens, err := client.ExchangeCallback(ctx, back, req)
	answers := r.tap.take()
	r.see("an exchange with a proof", outcomes(answers), rowNonce)
	if err != nil {
		r.fail(err)
		return
	}
	raw := r.keep(last(answers))
	r.see("token_type", either(raw.text("token_type"), "Bearer", "DPoP"), rowBound)
	if _, err := client.Refresh(ctx, tokens.RefreshToken); err != nil {
		r.fail(err)
	}
	r.see("a refresh with a proof", outcomes(r.tap.take()), rowNonce)
	r.see("a refresh without a proof", r.renew(ctx, tokenURL, tokens.RefreshToken, "", "").outcome(), rowProof)
	if _, err := client.Refresh(ctx, r.first()); err != nil {
		r.fail(err)
	}
	r.see("an unbound refresh token with a proof", last(r.tap.take()).outcome(), rowProof)
	r.see("and without one after it", r.renew(ctx, tokenURL, r.first(), "", "").outcome(), rowUnbound)
}

func (r *run) revocation(ctx context.Context) {
	earlier := r.first()
	r.deleteFiles(ctx) // the access ends now
	if r.err != nil {
		return
	}
	a := r.post(ctx, revokeURL, url.Values{"token": {r.refreshes[len(r.refreshes)-1]}})
	r.granted = r.granted && a.status != http.StatusOK
	r.see("a refresh token", a.outcome(), rowRevoke)
	a = r.refused(ctx, func() *answer { return r.renew(ctx, tokenURL, earlier, "", "") })
	r.see("a refresh after it, with an earlier refresh token", a.outcome(), rowRevoke)
	a = r.refused(ctx, func() *answer { return r.get(ctx, userInfo, r.access) })
	r.see("the access token after it", a.outcome(), rowRevoke)
	r.see("the same once more", r.post(ctx, revokeURL, url.Values{"token": {earlier}}).outcome(), "Revoking an ended token")
}

// refused asks until Google refuses, for a minute at most: a revocation may take a
// while.
func (r *run) refused(ctx context.Context, ask func() *answer) *answer {
	a := ask()
	for i := 0; i < 12 && r.err == nil && a.status < 400; i++ {
		r.pause(ctx, 5*time.Second)
		a = ask()
	}
	return a
}

func (r *run) silence(ctx context.Context) {
	v := r.silent(signInScopes...)
	v.params.Extra = url.Values{"prompt": {"none"}}
	r.comesBack(ctx, "the browser comes back", "`prompt=none` comes back", v)
}
