package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A seed is a difference that is put into the fakes: by their own options, or in one
// step in the answers or callbacks that pass.
type seed struct {
	name     string
	accounts exchangetest.Options
	files    drivetest.Options
	step     string
	answer   func(*http.Request, *http.Response)
	callback func(url.Values)
	want     []string // what is reported, and nothing else
}

// body changes the JSON of an answer.
func body(change func(map[string]any)) func(*http.Request, *http.Response) {
	return func(_ *http.Request, resp *http.Response) {
		b, _ := io.ReadAll(resp.Body)
		var fields map[string]any
		if json.Unmarshal(b, &fields) == nil {
			change(fields)
			b, _ = json.Marshal(fields)
		}
		resp.Body = io.NopCloser(bytes.NewReader(b))
	}
}

// only changes the answers to requests whose address has a part in it.
func only(part string, change func(*http.Request, *http.Response)) func(*http.Request, *http.Response) {
	return func(r *http.Request, resp *http.Response) {
		if strings.Contains(r.URL.String(), part) {
			change(r, resp)
		}
	}
}

// refusals changes the answers with one status to another answer.
func refusals(status, to int, text string) func(*http.Request, *http.Response) {
	return func(_ *http.Request, resp *http.Response) {
		if resp.StatusCode == status {
			resp.StatusCode = to
			resp.Body = io.NopCloser(strings.NewReader(text))
		}
	}
}

func without(header string) func(*http.Request, *http.Response) {
	return func(_ *http.Request, resp *http.Response) { resp.Header.Del(header) }
}

// resigned changes the ID token in an answer.
func resigned(f *fakes, change func(map[string]any)) func(*http.Request, *http.Response) {
	return body(func(fields map[string]any) {
		if raw, ok := fields["id_token"].(string); ok {
			claims := part(raw, 1)
			change(claims)
			fields["id_token"] = f.accounts.Issuer().Sign(claims)
		}
	})
}

func set(name string, value any) func(map[string]any) {
	return func(fields map[string]any) { fields[name] = value }
}

// onSuccess changes answers that have an access token.
func onSuccess(change func(map[string]any)) func(*http.Request, *http.Response) {
	return body(func(fields map[string]any) {
		if fields["access_token"] != nil {
			change(fields)
		}
	})
}

const (
	anyToken   = `{"access_token":"ya29.seed","token_type":"Bearer","expires_in":3599,"scope":"openid"}`
	newRefresh = "1//0seed-refresh-token"
)

var seeds = []seed{
	{name: "callbacks without iss", accounts: exchangetest.Options{OmitCallbackIssuer: true},
		want: []string{"denial: members of the callback", "denial: iss", "sign-in: members of the callback", "sign-in: iss"}},
	{name: "iss not announced", accounts: exchangetest.Options{OmitIssuerSupport: true},
		want: []string{"discovery: iss of callbacks is announced"}},
	{name: "codes live on after a wrong try", accounts: exchangetest.Options{KeepFailedCodes: true},
		want: []string{"wrong-redirect: the code after another redirect URI", "wrong-redirect: the code after postmessage",
			"wrong-redirect: the code after an empty redirect URI", "wrong-verifier: the code after another verifier",
			"wrong-verifier: the code after no verifier"}},
	{name: "tokens live on after a second use", accounts: exchangetest.Options{KeepReusedTokens: true},
		want: []string{"code-twice: the first access token after it"}},
	{name: "tokens for two hours", accounts: exchangetest.Options{AccessTokenLifetime: 2 * time.Hour},
		want: []string{"sign-in: expires_in", "id-token: exp less iat", "refresh: expires_in"}},
	{name: "a project in Testing", accounts: exchangetest.Options{Testing: true},
		want: []string{"sign-in: members of the answer", "sign-in: refresh_token_expires_in"}},
	{name: "auth_time and amr", accounts: exchangetest.Options{AuthClaims: true},
		want: []string{"auth-claims: auth_time", "auth-claims: amr"}},
	{name: "search lags behind creates", files: drivetest.Options{Lag: drivetest.Lag{Create: 10 * time.Second}},
		want: []string{"late-search: a search by name finds a new file"}},
	{name: "search lags long behind creates", files: drivetest.Options{Lag: drivetest.Lag{Create: time.Hour}},
		want: []string{"late-search: a search by name finds a new file", "late-search: a search by the new name finds it",
			"names: a search by a quoted name finds them", "names: a search by a prefix finds them"}},
	{name: "search lags behind renames", files: drivetest.Options{Lag: drivetest.Lag{Rename: 10 * time.Second}},
		want: []string{"late-search: a search by the new name finds it"}},
	{name: "search lags behind deletes", files: drivetest.Options{Lag: drivetest.Lag{Delete: 10 * time.Second}},
		want: []string{"late-search: a search by name does not find a deleted file"}},
	{name: "lists show files twice", files: drivetest.Options{Lag: drivetest.Lag{Twice: true}},
		want: []string{"late-search: a list shows a file once"}},
	{name: "the switches of drivetest", files: drivetest.Options{
		AliasParents: true, LegacyAlias: true, FoldNames: true, ETags: true, IDInUse: "duplicate", LargeSingleRequests: true,
	}, want: []string{"folder: parents of a file", "folder: appfolder in place of appDataFolder",
		"names: a search in capitals finds them", "etags: ETag of a file", "etags: an update with another If-Match",
		"file-ids: a second one", "uploads: more than 5 MiB in one request"}},

	{name: "keys without max-age", step: "discovery", answer: without("Cache-Control"),
		want: []string{"discovery: Cache-Control of the keys has max-age"}},
	{name: "errors as Google redirects to them", step: "error-pages", answer: asRedirect(""), want: nil},
	{name: "another error on the page", step: "error-pages", answer: asRedirect("origin_mismatch"),
		want: []string{"error-pages: error shown for another redirect URI", "error-pages: error shown for the redirect URI and a slash",
			"error-pages: error shown for approval_prompt=auto", "error-pages: error shown for approval_prompt beside prompt"}},
	{name: "no error on the page", step: "error-pages", answer: only("approval_prompt=auto", refusals(400, 302, "")),
		want: []string{"error-pages: error shown for approval_prompt=auto"}},
	{name: "another error after Cancel", step: "denial", callback: func(q url.Values) { q.Set("error", "user_cancelled") },
		want: []string{"denial: the browser comes back"}},
	{name: "callback with more members", step: "sign-in", callback: func(q url.Values) { q.Set("session_state", "x") },
		want: []string{"sign-in: members of the callback"}},
	{name: "scopes in another order", step: "sign-in", answer: onSuccess(func(fields map[string]any) {
		fields["scope"] = "openid " + longName + "email " + longName + "profile " + appData
	}), want: []string{"sign-in: order of the scopes"}},
	{name: "scopes by short names", step: "sign-in", answer: onSuccess(set("scope", "openid "+appData+" email profile")),
		want: []string{"sign-in: scopes in the answer", "sign-in: order of the scopes"}},
	{name: "expires_in as a string", step: "sign-in", answer: onSuccess(set("expires_in", "3599")), want: []string{"sign-in: expires_in"}},
	{name: "a wrong secret is 400", step: "sign-in", answer: refusals(401, 400, `{"error":"invalid_client"}`),
		want: []string{"sign-in: a wrong secret", "sign-in: members of an error"}},
	{name: "a refresh brings a refresh token", step: "refresh", answer: onSuccess(set("refresh_token", newRefresh)),
		want: []string{"refresh: members of the answer"}},
	{name: "an old address is gone", step: "refresh", answer: only("/oauth2/v4/token", refusals(200, 404, "")),
		want: []string{"refresh: at /oauth2/v4/token"}},
	{name: "userinfo with strings", step: "userinfo", answer: only(userInfo, body(set("email_verified", "true"))),
		want: []string{"userinfo: email_verified"}},
	{name: "no WWW-Authenticate", step: "userinfo", answer: without("WWW-Authenticate"), want: []string{"userinfo: WWW-Authenticate for it"}},
	{name: "tokeninfo with numbers", step: "tokeninfo", answer: only("?id_token=", body(set("exp", 1))),
		want: []string{"tokeninfo: all are strings for an ID token"}},
	{name: "more fields of a file", step: "folder", answer: only("/files/", body(func(fields map[string]any) {
		if fields["kind"] != nil {
			fields["resourceKey"] = "x"
		}
	})), want: []string{"folder: members of files.get"}},
	{name: "a rename leaves modifiedTime", step: "rename", answer: body(func(fields map[string]any) {
		if fields["modifiedTime"] != nil {
			fields["modifiedTime"] = "2026-12-01T00:00:00.000Z"
		}
	}), want: []string{"rename: it changes modifiedTime"}},
	{name: "sharing is refused otherwise", step: "folder-limits", answer: only("/permissions", refusals(403, 403, `{"error":{"status":"PERMISSION_DENIED"}}`)),
		want: []string{"folder-limits: to share a file"}},
	{name: "31 properties", step: "properties", answer: refusals(400, 200, `{}`),
		want: []string{"properties: 31 properties", "properties: a property of 125 bytes"}},
	{name: "308 without Range", step: "uploads", answer: without("Range"),
		want: []string{"uploads: by PUT: a chunk", "uploads: by PUT: how far it is", "uploads: by POST: a chunk", "uploads: by POST: how far it is"}},
	{name: "a refresh token without consent", step: "second-sign-in", answer: onSuccess(set("refresh_token", newRefresh)),
		want: []string{"second-sign-in: members of the answer"}},
	{name: "a code for the folder brings more", step: "drive-only", answer: onSuccess(set("scope", appData+" "+someFile)),
		want: []string{"drive-only: scopes in the answer"}},
	{name: "another error for a second use", step: "code-twice", answer: refusals(400, 400, `{"error":"invalid_request"}`),
		want: []string{"code-twice: for the second time"}},
	{name: "another error for a verifier", step: "wrong-verifier", answer: refusals(400, 401, `{"error":"invalid_client"}`),
		want: []string{"wrong-verifier: another verifier", "wrong-verifier: the code after another verifier",
			"wrong-verifier: no verifier", "wrong-verifier: the code after no verifier"}},
	{name: "a narrower consent ends the wider token", step: "narrower-consent", answer: func(r *http.Request, resp *http.Response) {
		b, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(b))
		if !bytes.Contains(b, []byte("refresh_token")) {
			refusals(200, 400, `{"error":"invalid_grant"}`)(r, resp)
		}
	}, want: []string{"narrower-consent: the wider refresh token after it", "narrower-consent: its scopes"}},
	{name: "unticking takes back", step: "unticked-later", answer: onSuccess(func(fields map[string]any) {
		if fields["refresh_token"] == nil {
			fields["scope"] = "openid"
		}
	}), want: []string{"unticked-later: its scopes"}},
	{name: "approval_prompt works", step: "approval-prompt", answer: onSuccess(set("refresh_token", newRefresh)),
		want: []string{"approval-prompt: refresh token by today's address"}},
	{name: "approval_prompt is refused", step: "approval-prompt", callback: func(q url.Values) { q.Set("error", "invalid_request"); q.Del("code") },
		want: []string{"approval-prompt: the browser comes back from the old address", "approval-prompt: refresh token by the old address",
			"approval-prompt: the browser comes back from today's address", "approval-prompt: refresh token by today's address"}},
	{name: "a bound token without a proof", step: "dpop", answer: func(r *http.Request, resp *http.Response) {
		if r.Header.Get("DPoP") == "" {
			refusals(400, 200, anyToken)(r, resp)
		}
	}, want: []string{"dpop: a refresh without a proof"}},
	{name: "revocation leaves tokens", step: "revocation", answer: only(tokenURL, refusals(400, 200, anyToken)),
		want: []string{"revocation: a refresh after it, with an earlier refresh token"}},
	{name: "revocation again is fine", step: "revocation", answer: only(revokeURL, refusals(400, 200, `{}`)),
		want: []string{"revocation: the same once more"}},
	{name: "another error for silence", step: "silence", callback: func(q url.Values) { q.Set("error", "consent_required") },
		want: []string{"silence: the browser comes back"}},
}

// asRedirect turns an error page into the redirect by which Google leads to it.
func asRedirect(code string) func(*http.Request, *http.Response) {
	return func(_ *http.Request, resp *http.Response) {
		b, _ := io.ReadAll(resp.Body)
		shown := code
		for _, known := range pageErrors {
			if shown == "" && bytes.Contains(b, []byte(known)) {
				shown = known
			}
		}
		detail := base64.StdEncoding.EncodeToString([]byte("\n\x15" + shown + "\x12\x1fYou can't sign in to this app"))
		resp.StatusCode, resp.Body = http.StatusFound, http.NoBody
		resp.Header.Set("Location", "https://accounts.google.com/signin/oauth/error?"+url.Values{"authError": {detail}, "client_id": {"x"}}.Encode())
	}
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	for _, s := range seeds {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, s.accounts, s.files)
			rec, _ := lookAt(t, t.Context(), f, s.into)
			wantDifferences(t, rec, s.want...)
		})
	}
}

// into puts the seed between a run and the fakes. What is seeded in one step can reach
// no other, so that the others need not be done.
func (s *seed) into(g *google, r *run) {
	switch {
	case s.step != "":
		r.steps = these("sign-in", s.step)
	case !s.files.LargeSingleRequests: // no other option reaches the uploads, which take long
		r.steps = slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return s.name == "uploads" })
	}
	base, willing := g.transport, g.person
	g.transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(req)
		if err == nil && r.at.Step == s.step && s.answer != nil {
			s.answer(req, resp)
		}
		return resp, err
	})
	g.person = someone(func(ctx context.Context, p trip) (url.Values, error) {
		back, err := willing.visit(ctx, p)
		if err == nil && r.at.Step == s.step && s.callback != nil {
			s.callback(back)
		}
		return back, err
	})
}

// TestSeedsInIDToken has the seeds that need the issuer's key.
func TestSeedsInIDToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		want   []string
	}{
		{"the other iss", set("iss", "accounts.google.com"), []string{"id-token: iss"}},
		{"email_verified as a string", set("email_verified", "true"), []string{"id-token: email_verified"}},
		{"more claims", set("jti", "x"), []string{"id-token: claims", "tokeninfo: members for an ID token"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, exchangetest.Options{}, drivetest.Options{})
			s := &seed{step: "sign-in", answer: resigned(f, c.change)}
			rec, _ := lookAt(t, t.Context(), f, func(g *google, r *run) {
				s.into(g, r)
				r.steps = these("sign-in", "id-token", "tokeninfo")
			})
			wantDifferences(t, rec, c.want...)
		})
	}
}

// TestEachStepHasASeed keeps the table above complete.
func TestEachStepHasASeed(t *testing.T) {
	t.Parallel()
	reported := map[string]bool{"id-token": true} // by TestSeedsInIDToken
	for _, s := range seeds {
		for _, d := range s.want {
			step, _, _ := strings.Cut(d, ": ")
			reported[step] = true
		}
	}
	for _, s := range steps {
		if !reported[s.name] {
			t.Errorf("no seed in %s", s.name)
		}
	}
}
