package exchangetest_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/idtoken"
)

func withBearer(r *http.Request, token string) *http.Request {
	return with(r, "Bearer "+token)
}

func with(r *http.Request, authorization string) *http.Request {
	r.Header.Set("Authorization", authorization)
	return r
}

func TestUserInfo(t *testing.T) {
	tests := []struct {
		name   string
		scopes []string
		want   []string
	}{
		{"all", []string{"openid", "email", "profile"}, []string{"email", "email_verified", "family_name", "given_name", "hd", "name", "sub"}},
		{"email", []string{"email"}, []string{"email", "email_verified", "hd", "sub"}},
		{"profile", []string{"profile"}, []string{"family_name", "given_name", "hd", "name", "sub"}},
		{"openid", []string{"openid"}, []string{"hd", "sub"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{})
			b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{User: "john.roe@example.com", Scopes: tt.scopes}))
			for _, path := range []string{"/v1/userinfo", "/oauth2/v3/userinfo"} {
				status, info := send(t, srv, withBearer(request("GET", srv.URL+path, nil), b.str("access_token")))
				if got := names(info); status != 200 || !slices.Equal(got, tt.want) {
					t.Errorf("%s: %d with %q, want %q", path, status, got, tt.want)
				}
				if v, ok := info["email_verified"]; ok && v != true {
					t.Errorf("email_verified is %#v, want a JSON true", v)
				}
			}
		})
	}
}

func TestUserInfoRefusals(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	good := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})).str("access_token")
	drive := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}})).str("access_token")
	tests := []struct {
		name string
		r    *http.Request
		want int
		code string
	}{
		{"good", withBearer(request("GET", srv.URL+"/v1/userinfo", nil), good), 200, ""},
		{"scheme in lower case", with(request("GET", srv.URL+"/v1/userinfo", nil), "bearer "+good), 200, ""},
		{"other scheme", with(request("GET", srv.URL+"/v1/userinfo", nil), "Basic "+good), 401, "invalid_request"},
		{"no token", request("GET", srv.URL+"/v1/userinfo", nil), 401, "invalid_request"},
		{"unknown token", withBearer(request("GET", srv.URL+"/v1/userinfo", nil), "ya29.x"), 401, "invalid_request"},
		{"in the query", request("GET", srv.URL+"/v1/userinfo?access_token="+good+"&alt=json", nil), 200, ""},
		{"in the query, v3", request("GET", srv.URL+"/oauth2/v3/userinfo?access_token="+good, nil), 200, ""},
		{"unknown token in the query", request("GET", srv.URL+"/v1/userinfo?access_token=ya29.x", nil), 401, "invalid_request"},
		{"no identity scope", withBearer(request("GET", srv.URL+"/v1/userinfo", nil), drive), 403, "insufficient_scope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, b := send(t, srv, tt.r); status != tt.want || b.str("error") != tt.code {
				t.Errorf("%d %v, want %d %s", status, b, tt.want, tt.code)
			}
		})
	}
}

func TestOldUserInfo(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{User: "john.roe@example.com"}))
	drive := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}}))
	want := body{
		"id": claims(t, b.str("id_token"))["sub"], "email": "john.roe@example.com", "verified_email": true,
		"name": "John Roe", "given_name": "John", "family_name": "Roe", "hd": "example.com",
	}
	for _, path := range []string{"/oauth2/v1/userinfo", "/oauth2/v2/userinfo"} {
		for way, r := range map[string]*http.Request{
			"header": withBearer(request("GET", srv.URL+path, nil), b.str("access_token")),
			"query":  request("GET", srv.URL+path+"?alt=json&access_token="+b.str("access_token"), nil),
		} {
			if status, info := send(t, srv, r); status != 200 || !maps.Equal(info, want) {
				t.Errorf("%s, %s: %d %v, want %v", path, way, status, info, want)
			}
		}
		for token, want := range map[string]struct {
			status int
			name   string
		}{"": {401, "UNAUTHENTICATED"}, "ya29.x": {401, "UNAUTHENTICATED"}, drive.str("access_token"): {403, "PERMISSION_DENIED"}} {
			status, b := send(t, srv, request("GET", srv.URL+path+"?access_token="+token, nil))
			failure, _ := b["error"].(map[string]any)
			if status != want.status || failure["status"] != want.name || failure["code"] != float64(want.status) {
				t.Errorf("%s: %d %v, want %v", path, status, b, want)
			}
		}
	}
}

func TestOldTokenInfo(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	b := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", "email"}}))
	drive := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{appdata}, OnlineOnly: true}))
	common := body{
		"audience": srv.ClientID(), "issued_to": "123456789012-app.apps.googleusercontent.com",
		"user_id": claims(t, b.str("id_token"))["sub"], "email": jane, "verified_email": true, "expires_in": 3599.0,
	}
	ofAccessToken := maps.Clone(common)
	maps.Copy(ofAccessToken, body{"scope": email + " openid", "access_type": "offline"})
	ofDrive := body{
		"audience": common["audience"], "issued_to": common["issued_to"], "expires_in": 3599.0,
		"scope": appdata, "access_type": "online",
	}
	for _, path := range []string{"/oauth2/v1/tokeninfo", "/oauth2/v2/tokeninfo"} {
		for query, want := range map[string]body{
			"access_token=" + b.str("access_token"):     ofAccessToken,
			"access_token=" + drive.str("access_token"): ofDrive,
			"id_token=" + b.str("id_token"):             common,
		} {
			if status, info := send(t, srv, request("GET", srv.URL+path+"?"+query, nil)); status != 200 || !maps.Equal(info, want) {
				t.Errorf("%s: %d %v, want %v", path, status, info, want)
			}
		}
		for _, query := range []string{"", "access_token=ya29.x", "id_token=x"} {
			status, b := send(t, srv, request("GET", srv.URL+path+"?"+query, nil))
			wantRefusal(t, status, b, 400, "invalid_token", "Invalid Value")
		}
	}
}

func TestTokenInfoOfAnAccessToken(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	token := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})).str("access_token")
	requests := map[string]*http.Request{
		"GET":    request("GET", srv.URL+"/tokeninfo?access_token="+token, nil),
		"POST":   request("POST", srv.URL+"/tokeninfo", url.Values{"access_token": {token}}),
		"bearer": withBearer(request("POST", srv.URL+"/oauth2/v3/tokeninfo", nil), token),
	}
	srv.Advance(10 * time.Minute)
	for name, r := range requests {
		status, info := send(t, srv, r)
		want := []string{"access_type", "aud", "azp", "email", "email_verified", "exp", "expires_in", "scope", "sub"}
		if got := names(info); status != 200 || !slices.Equal(got, want) {
			t.Errorf("%s: %d with %q, want %q", name, status, got, want)
		}
		if info["email_verified"] != "true" || info["expires_in"] != "2999" || info["access_type"] != "offline" ||
			info["aud"] != srv.ClientID() || info["azp"] != "123456789012-app.apps.googleusercontent.com" {
			t.Errorf("%s: %v", name, info)
		}
	}
	online := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{Scopes: []string{"email"}, OnlineOnly: true})).str("access_token")
	_, info := send(t, srv, request("GET", srv.URL+"/tokeninfo?access_token="+online, nil))
	if info["access_type"] != "online" || info["sub"] != nil {
		t.Errorf("an online token without openid: %v", info)
	}
	srv.Advance(time.Hour - 500*time.Millisecond)
	if _, info := send(t, srv, request("GET", srv.URL+"/tokeninfo?access_token="+online, nil)); info["expires_in"] != "0" {
		t.Errorf("in its last second: %v", info)
	}
	srv.Advance(500 * time.Millisecond)
	status, b := send(t, srv, request("GET", srv.URL+"/tokeninfo?access_token="+token, nil))
	wantRefusal(t, status, b, 400, "invalid_token", "Invalid Value")
}

func TestTokenInfoOfAnIDToken(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	raw := redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{})).str("id_token")
	info := func(raw string) (int, body) {
		return send(t, srv, request("GET", srv.URL+"/tokeninfo?id_token="+raw, nil))
	}
	status, b := info(raw)
	if status != 200 || b["email_verified"] != "true" || b["exp"] != "1795525200" || b["alg"] != "RS256" || b["kid"] != srv.Issuer().KeyID() {
		t.Errorf("%d %v", status, b)
	}
	foreign := srv.Issuer().Token(idtoken.Profile{Subject: "1", Audience: srv.ClientID(), AuthorizedParty: "2-b.apps.googleusercontent.com"})
	if status, b := info(foreign); status != 200 || b["azp"] != "2-b.apps.googleusercontent.com" {
		t.Errorf("azp of another project: %d %v", status, b)
	}
	signed, signature, _ := strings.Cut(raw, ".")
	for name, bad := range map[string]string{
		"not a token":     "x",
		"header changed":  "e30." + signature,
		"signature short": signed + "." + signature[:len(signature)-8],
	} {
		status, b := info(bad)
		if wantRefusal(t, status, b, 400, "invalid_token", "Invalid Value"); t.Failed() {
			t.Log(name)
		}
	}
	srv.Advance(2 * time.Hour)
	status, b = info(raw)
	wantRefusal(t, status, b, 400, "invalid_token", "Invalid Value")
}
